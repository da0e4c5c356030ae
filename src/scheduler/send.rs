//! Sending: judged one by one, sent outside any transaction. What comes together goes as one push; a slow push service
//! holds up only its own.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use entity::{ids::SubscriptionId, notifications};
use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use super::{
    facts::Facts,
    recheck::{Verdict, judge},
    recipient::Recipient,
    record::{Delivered, Outcome},
};
use crate::{
    app::AppState,
    content::protocols,
    push::{
        self, Message, Target,
        protocol::{self, Urgency, retry_delay},
    },
    reminders::{in_app_text, lock_screen_key, rules::policy::Reason, support},
};

/// Room for words in a message; what else it holds takes the rest of its 2,048 bytes.
const DETAILED_BYTES: usize = 1_200;
/// The shortest time after which one that found no place comes back, in milliseconds; the longest is three times that.
const COMES_BACK_MS: i64 = 5_000;
/// How long one waits whose recipient's data key does not open: this process may not have the newest key file yet.
const WITHOUT_KEY: chrono::Duration = chrono::Duration::minutes(1);
/// Longest an attempt takes: the transport's limit and a little more. A lease that ends earlier is not sent on.
const ATTEMPT: chrono::Duration = chrono::Duration::seconds(11);

/// One that is not sent, and what becomes of it instead.
pub struct Ended {
    row: notifications::Model,
    state: &'static str,
    reason: Option<Reason>,
    next_attempt_at: Option<DateTime<Utc>>,
    /// Whether the row belongs to another time now.
    moved: bool,
}

impl Ended {
    /// To be recorded, with what it was judged by.
    pub fn outcome(self, facts: &Arc<Facts>) -> Outcome {
        Outcome {
            facts: facts.clone(),
            row: self.row,
            state: self.state,
            reason: self.reason.map(Reason::as_str),
            at: facts.now,
            next_attempt_at: self.next_attempt_at,
            moved: self.moved,
            deliveries: Vec::new(),
        }
    }
}

/// Judges a batch: what is to be sent, and what is not.
pub fn sort_out(
    facts: &mut Facts,
    batch: Vec<notifications::Model>,
) -> (Vec<notifications::Model>, Vec<Ended>) {
    let (mut sending, mut others) = (Vec::with_capacity(batch.len()), Vec::new());
    for mut row in batch {
        let verdict = judge(facts, &row);
        let (state, reason, next_attempt_at) = match verdict {
            Verdict::Send => {
                facts.count(&row);
                sending.push(row);
                continue;
            }
            Verdict::Expired => ("expired", None, None),
            Verdict::Suppress(reason) => ("suppressed", Some(reason), None),
            Verdict::Cancel(reason) => ("cancelled", Some(reason), None),
            Verdict::Postpone(at) => ("planned", None, Some(at)),
            Verdict::Move { due_at, expires_at, local_date } => {
                row = notifications::Model { due_at, expires_at, local_date, ..row };
                ("planned", None, Some(due_at))
            }
        };
        let moved = matches!(verdict, Verdict::Move { .. });
        others.push(Ended { row, state, reason, next_attempt_at, moved });
    }
    (sending, others)
}

fn ended(facts: &Arc<Facts>, row: notifications::Model, reason: Reason) -> Outcome {
    Ended { row, state: "suppressed", reason: Some(reason), next_attempt_at: None, moved: false }
        .outcome(facts)
}

/// One that comes back later, not having been tried.
pub fn given_back(facts: &Arc<Facts>, row: notifications::Model, at: DateTime<Utc>) -> Outcome {
    let state = if row.attempts > 1 { "retrying" } else { "planned" };
    Ended { row, state, reason: None, next_attempt_at: Some(at), moved: false }.outcome(facts)
}

/// Sends the first of a bundle; what becomes of it becomes of the others.
pub async fn send_bundle(
    app: &AppState,
    facts: &Arc<Facts>,
    bundle: Vec<notifications::Model>,
    stop: &CancellationToken,
) -> Vec<Outcome> {
    let mut rows = bundle.into_iter();
    let Some(carrier) = rows.next() else { return Vec::new() };
    let sent = send_one(app, facts.clone(), carrier, stop).await;
    let with_it = |row| Outcome { row, ..sent.clone() };
    let mut outcomes: Vec<Outcome> = rows.map(with_it).collect();
    outcomes.push(sent);
    outcomes
}

/// Sends to every device of the recipient. Gives the row back when there was no place at the push service, when the
/// lease would end first, or when `stop` comes before anything was sent.
async fn send_one(
    app: &AppState,
    facts: Arc<Facts>,
    row: notifications::Model,
    stop: &CancellationToken,
) -> Outcome {
    let now = app.clock.now();
    if row.lease_until.is_some_and(|lease| lease < now + ATTEMPT) {
        return given_back(&facts, row, now);
    }
    // It may have waited for its turn since it was judged.
    if now >= row.expires_at {
        let late = Ended { row, state: "expired", reason: None, next_attempt_at: None, moved: false };
        return late.outcome(&facts);
    }
    let Some(recipient) = facts.recipient(row.recipient_id) else {
        return ended(&facts, row, Reason::AccountClosed);
    };
    if recipient.key.is_none() {
        tracing::error!(
            "a recipient's data key does not open; check that every process has the same key files"
        );
        metrics::counter!("notifications_without_key_total").increment(1);
        return given_back(&facts, row, now + WITHOUT_KEY);
    }
    let targets = targets(recipient, &facts, &row);
    if targets.is_empty() {
        return ended(&facts, row, Reason::NoDevice);
    }
    let sending = targets.iter().map(|(_, target)| {
        let message = message(app, &facts, recipient, (&row, target.subscription));
        async move { app.push.send_unless(now, target, &message, stop.cancelled()).await }
    });
    let sent = join_all(sending).await;
    let attempts: Vec<Attempt<'_>> = targets
        .iter()
        .zip(sent)
        .filter_map(|((subscription, _), answer)| Some((*subscription, answer?)))
        .collect();
    let skipped = targets.len() > attempts.len();
    let (state, reason, mut next_attempt_at) = conclude(app, &row, &attempts, skipped);
    if stop.is_cancelled() && attempts.is_empty() {
        // Another process may take it at once.
        next_attempt_at = Some(now);
    }
    let deliveries = attempts.into_iter().map(delivered).collect();
    let at = app.clock.now();
    Outcome { state, reason, next_attempt_at, deliveries, at, row, moved: false, facts: facts.clone() }
}

type Attempt<'a> = (&'a entity::push_subscriptions::Model, protocol::Outcome);

/// State, reason, and when to try again.
type Conclusion = (&'static str, Option<&'static str>, Option<DateTime<Utc>>);

/// Any device that took it counts; otherwise it is tried again while that is of use.
fn conclude(
    app: &AppState,
    row: &notifications::Model,
    attempts: &[Attempt<'_>],
    skipped: bool,
) -> Conclusion {
    let now = app.clock.now();
    let accepted = attempts.iter().any(|(_, answer)| matches!(answer, protocol::Outcome::Accepted { .. }));
    let again = attempts.iter().any(|(_, answer)| {
        matches!(answer, protocol::Outcome::Retry { .. } | protocol::Outcome::OurFault { .. })
    });
    if skipped && !accepted && !again {
        let state = if row.attempts > 1 { "retrying" } else { "planned" };
        return (state, None, Some(now + comes_back(app)));
    }
    let gone = attempts.iter().all(|(_, answer)| matches!(answer, protocol::Outcome::Gone { .. }));
    // The device that may be tried first decides; another that asked for a wait is left alone until then.
    let waits = attempts.iter().filter_map(|(_, answer)| match answer {
        protocol::Outcome::Retry { after, .. } => Some(retry_in(app, row.attempts, *after)),
        protocol::Outcome::OurFault { .. } => Some(retry_in(app, row.attempts, None)),
        _ => None,
    });
    let at = now + waits.min().unwrap_or_else(|| retry_in(app, row.attempts, None));
    match (accepted, again) {
        (true, _) => ("accepted", None, None),
        (false, true) if at < row.expires_at => ("retrying", None, Some(at)),
        (false, _) if gone => ("suppressed", Some(Reason::NoDevice.as_str()), None),
        (false, _) => ("failed", Some("unreachable"), None),
    }
}

/// When one comes back that found no place: spread, so that they do not all come at once again.
fn comes_back(app: &AppState) -> chrono::Duration {
    let spread = i64::from(u16::from_le_bytes(app.random.bytes::<2>())) * 2 * COMES_BACK_MS / 65_536;
    chrono::Duration::milliseconds(COMES_BACK_MS + spread)
}

fn delivered((subscription, answer): Attempt<'_>) -> Delivered {
    Delivered {
        subscription: subscription.id,
        revision: subscription.revision,
        outcome: push::word(&answer),
        status: answer.status().map(i32::from),
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
    let mut words = in_app_text(row, facts.rule(row), key, &recipient.locale).ok()?;
    if recipient.needs_support {
        words.1 = format!("{} {}", words.1, support(&recipient.locale));
    }
    (serde_json::to_string(&words).ok()?.len() <= DETAILED_BYTES).then_some(words)
}

/// What the lock screen shows: discreet words in the recipient's language, and nothing that is theirs, unless they
/// chose to see the reminder's own.
fn message(
    app: &AppState,
    facts: &Facts,
    recipient: &Recipient,
    (row, device): (&notifications::Model, SubscriptionId),
) -> Message {
    let now = facts.now;
    // Nothing light-hearted to somebody whose answer called for help.
    let key = match lock_screen_key(row) {
        "moment" | "form" if recipient.needs_support => "note",
        key => key,
    };
    let (title, body) = protocols().lock_screen(key, &recipient.locale);
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
        receipt: push::receipt_token(
            &app.receipt_mac,
            push::Receiver { recipient: row.recipient_id, notification: row.id, device },
        ),
    }
}
