//! Sending a batch: judged one by one, sent all at once, outside any transaction. One slow push service holds up only
//! its own.

use std::time::Duration;

use entity::notifications;
use futures_util::future::join_all;

use super::{
    facts::{Facts, Recipient},
    recheck::{Verdict, judge},
    record::{Delivered, Outcome},
};
use crate::{
    app::AppState,
    content::protocols,
    push::{
        self, Message, Target,
        protocol::{self, Urgency, retry_delay},
    },
    reminders::{in_app_text, lock_screen_key, rules::policy::Reason},
};

/// Room for words in a message; what else it holds takes the rest of its 2,048 bytes.
const DETAILED_BYTES: usize = 1_200;

/// Judges and sends; every claimed row comes back with what became of it.
pub async fn send_all(app: &AppState, facts: &mut Facts, batch: Vec<notifications::Model>) -> Vec<Outcome> {
    let mut outcomes = Vec::with_capacity(batch.len());
    let mut sending = Vec::new();
    for row in batch {
        match judge(facts, &row) {
            Verdict::Send => {
                facts.count(&row);
                sending.push(row);
            }
            Verdict::Expired => outcomes.push(ended(row, "expired", None)),
            Verdict::Suppress(reason) => outcomes.push(ended(row, "suppressed", Some(reason))),
            Verdict::Cancel(reason) => outcomes.push(ended(row, "cancelled", Some(reason))),
            Verdict::Postpone(at) => {
                outcomes.push(Outcome { next_attempt_at: Some(at), ..ended(row, "planned", None) });
            }
        }
    }
    let facts = &*facts;
    outcomes.extend(join_all(sending.into_iter().map(|row| send_one(app, facts, row))).await);
    outcomes
}

fn ended(row: notifications::Model, state: &'static str, reason: Option<Reason>) -> Outcome {
    let reason = reason.map(|reason| reason.as_str().to_owned());
    Outcome { row, state, reason, next_attempt_at: None, deliveries: Vec::new() }
}

async fn send_one(app: &AppState, facts: &Facts, row: notifications::Model) -> Outcome {
    let Some(recipient) = facts.recipient(row.recipient_id) else {
        return ended(row, "suppressed", Some(Reason::AccountClosed));
    };
    let message = message(app, facts, recipient, &row);
    let attempts = join_all(targets(recipient, facts, &row).into_iter().map(|(subscription, target)| {
        let message = &message;
        async move {
            let answer = app.push.send(facts.now, &target, message).await;
            (subscription, answer)
        }
    }))
    .await;
    if attempts.is_empty() {
        return ended(row, "suppressed", Some(Reason::NoDevice));
    }
    conclude(app, row, attempts)
}

type Attempt<'a> = (&'a entity::push_subscriptions::Model, protocol::Outcome);

/// Any device that took it counts; otherwise it is tried again while that is of use.
fn conclude(app: &AppState, row: notifications::Model, attempts: Vec<Attempt<'_>>) -> Outcome {
    let now = app.clock.now();
    let accepted = attempts.iter().any(|(_, answer)| matches!(answer, protocol::Outcome::Accepted { .. }));
    let again = attempts.iter().any(|(_, answer)| {
        matches!(answer, protocol::Outcome::Retry { .. } | protocol::Outcome::OurFault { .. })
    });
    let gone = attempts.iter().all(|(_, answer)| matches!(answer, protocol::Outcome::Gone { .. }));
    let wait = attempts.iter().filter_map(|(_, answer)| asked_wait(answer)).min();
    let at = now + retry_in(app, row.attempts, wait);
    let (state, reason, next_attempt_at) = match (accepted, again) {
        (true, _) => ("accepted", None, None),
        (false, true) if at < row.expires_at => ("retrying", None, Some(at)),
        (false, _) if gone => ("suppressed", Some(Reason::NoDevice.as_str()), None),
        (false, _) => ("failed", Some("unreachable"), None),
    };
    let deliveries = attempts
        .into_iter()
        .map(|(subscription, answer)| Delivered {
            subscription: subscription.id,
            revision: subscription.revision,
            outcome: push::word(&answer),
            status: answer.status().map(i32::from),
        })
        .collect();
    Outcome { row, state, reason: reason.map(str::to_owned), next_attempt_at, deliveries }
}

fn asked_wait(answer: &protocol::Outcome) -> Option<Duration> {
    match answer {
        protocol::Outcome::Retry { after, .. } => *after,
        _ => None,
    }
}

fn retry_in(app: &AppState, attempt: i32, wait: Option<Duration>) -> chrono::Duration {
    let jitter = f64::from(app.random.bytes::<1>()[0]) / 255.0;
    let wait = retry_delay(u32::try_from(attempt).unwrap_or(1), jitter, wait);
    // Whole milliseconds, as every instant: a finer one would lie just after the moment it is looked for.
    i64::try_from(wait.as_millis()).map_or(chrono::Duration::minutes(15), chrono::Duration::milliseconds)
}

/// The devices that have not taken it yet.
fn targets<'a>(
    recipient: &'a Recipient,
    facts: &Facts,
    row: &notifications::Model,
) -> Vec<(&'a entity::push_subscriptions::Model, Target)> {
    let Some(key) = &recipient.key else { return Vec::new() };
    recipient
        .subscriptions
        .iter()
        .filter(|subscription| !facts.delivered.contains(&(row.id, subscription.id.0)))
        .filter_map(|subscription| Some((subscription, push::target(subscription, key).ok()?)))
        .collect()
}

/// The reminder's own words, if the recipient wants them and they fit into a message.
fn detailed(facts: &Facts, recipient: &Recipient, row: &notifications::Model) -> Option<(String, String)> {
    let key = recipient.key.as_ref().filter(|_| recipient.policy.detailed)?;
    let words = in_app_text(row, facts.rule(row), key, &recipient.locale).ok()?;
    (serde_json::to_string(&words).ok()?.len() <= DETAILED_BYTES).then_some(words)
}

/// What the lock screen shows: discreet words in the recipient's language, and nothing that is theirs, unless they
/// chose to see the reminder's own.
fn message(app: &AppState, facts: &Facts, recipient: &Recipient, row: &notifications::Model) -> Message {
    let now = facts.now;
    let (title, body) = protocols().lock_screen(lock_screen_key(row), &recipient.locale);
    Message {
        id: row.id.0,
        title: title.to_owned(),
        body: body.to_owned(),
        detailed: detailed(facts, recipient, row),
        lang: recipient.locale.clone(),
        ttl_seconds: u32::try_from((row.expires_at - now).num_seconds().max(1)).unwrap_or(u32::MAX),
        urgency: match row.priority.as_str() {
            "high" => Urgency::High,
            "low" => Urgency::Low,
            _ => Urgency::Normal,
        },
        receipt: push::receipt_token(&app.receipt_mac, row.recipient_id, row.id),
    }
}
