//! Why a notification was or was not sent, told from its row: for operators who are asked. It opens nothing that is
//! sealed, so that no word of the patient's is shown.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use entity::{deliveries, ids::NotificationId, notifications, push_subscriptions};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use super::{
    facts::Facts,
    recheck::{Verdict, judge},
};
use crate::{
    app::AppState,
    error::{ApiError, ApiResult},
    reminders::rules::policy::Reason,
};

/// The story of one notification, a line a fact; 404 when there is none with this id.
pub async fn explain(app: &AppState, id: NotificationId) -> ApiResult<String> {
    let conn = app.db.reader();
    let found = notifications::Entity::find().filter(notifications::Column::Id.eq(id)).one(conn).await?;
    let row = found.ok_or(ApiError::NotFound)?;
    let mut text = String::new();
    about(&mut text, &row);
    let answers = deliveries::Entity::find()
        .filter(deliveries::Column::RecipientId.eq(row.recipient_id))
        .filter(deliveries::Column::NotificationId.eq(row.id))
        .order_by_asc(deliveries::Column::At)
        .all(conn)
        .await?;
    let devices = push_subscriptions::Entity::find()
        .filter(push_subscriptions::Column::AccountId.eq(row.recipient_id))
        .order_by_asc(push_subscriptions::Column::CreatedAt)
        .all(conn)
        .await?;
    about_devices(&mut text, &answers, &devices);
    if let "planned" | "claimed" | "retrying" = row.state.as_str() {
        let facts = Facts::load(app, std::slice::from_ref(&row)).await?;
        let judged = match judge(&facts, &row) {
            Verdict::Send if !devices.iter().any(|device| device.state == "active") => {
                Verdict::Suppress(Reason::NoDevice)
            }
            judged => judged,
        };
        line(&mut text, "if now", &verdict(judged));
    }
    Ok(text)
}

fn line(text: &mut String, name: &str, value: &str) {
    // Writing to a String does not fail.
    let _ = writeln!(text, "{name:<12}{value}");
}

fn at(instant: DateTime<Utc>) -> String {
    instant.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn about(text: &mut String, row: &notifications::Model) {
    let _ = writeln!(text, "notification {}", row.id);
    line(text, "recipient", &row.recipient_id.to_string());
    line(text, "planned by", &format!("{} {}", row.origin_kind, row.origin_id));
    line(text, "due", &format!("{}, of use until {}", at(row.due_at), at(row.expires_at)));
    line(text, "state", &format!("{}: {}", row.state, meaning(&row.state, row.reason.as_deref())));
    line(text, "attempts", &format!("{}, claimed {} times or changed by planning", row.attempts, row.fence));
    match (row.state.as_str(), row.lease_until) {
        ("claimed", Some(lease)) => line(text, "lease", &format!("a worker has it until {}", at(lease))),
        ("planned" | "retrying", _) => line(text, "next try", &at(row.next_attempt_at)),
        _ => {}
    }
    for (name, instant) in [
        ("accepted", row.accepted_at),
        ("shown", row.shown_at),
        ("opened", row.opened_at),
        ("done", row.done_at),
    ] {
        if let Some(instant) = instant {
            line(text, name, &at(instant));
        }
    }
    line(text, "last change", &at(row.updated_at));
}

fn about_devices(text: &mut String, answers: &[deliveries::Model], devices: &[push_subscriptions::Model]) {
    for answer in answers {
        let status = answer.status.map(|status| format!(" ({status})")).unwrap_or_default();
        let said = format!(
            "{} said {}{status} at attempt {}, {}",
            answer.subscription_id,
            answer.outcome,
            answer.attempts,
            at(answer.at)
        );
        line(text, "push service", &said);
    }
    if devices.is_empty() {
        line(text, "devices", "none is subscribed");
    }
    for device in devices {
        let took = device.last_accepted_at.map_or("nothing yet".to_owned(), at);
        let failure = match (&device.last_failure, device.last_failure_at) {
            (Some(failure), Some(when)) => format!(", last failure {failure} at {}", at(when)),
            _ => String::new(),
        };
        line(text, "device", &format!("{} is {}, last took {took}{failure}", device.id, device.state));
    }
}

fn meaning(state: &str, reason: Option<&str>) -> String {
    match (state, reason) {
        ("planned", _) => "it waits until it is due".to_owned(),
        ("claimed", _) => "a worker is sending it".to_owned(),
        ("retrying", _) => "no push service took it yet; it is tried again until it is of no use".to_owned(),
        ("accepted", _) => "a push service took it, which is not yet seen".to_owned(),
        ("expired", _) => "it was of no use any more when its turn came, and was not sent".to_owned(),
        ("failed", _) => {
            "every push service refused it or could not be reached while it was of use".to_owned()
        }
        (_, reason) => reason.and_then(Reason::from_word).map_or("ended", why).to_owned(),
    }
}

fn verdict(verdict: Verdict) -> String {
    match verdict {
        Verdict::Send => "it would be sent".to_owned(),
        Verdict::Expired => "it would expire unsent".to_owned(),
        Verdict::Suppress(reason) => format!("it would be suppressed ({}): {}", reason.as_str(), why(reason)),
        Verdict::Cancel(reason) => format!("it would be cancelled ({}): {}", reason.as_str(), why(reason)),
        Verdict::Postpone(until) | Verdict::Move { due_at: until, .. } => {
            format!("it would wait until {}", at(until))
        }
    }
}

fn why(reason: Reason) -> &'static str {
    match reason {
        Reason::QuietHours => "it fell into hours in which this patient is not reminded",
        Reason::Hush => "it fell into the quiet time around a dosing session",
        Reason::AlreadyDone => "the patient had just done what it asks for",
        Reason::ConsentWithdrawn => "the patient withdrew their consent to reminders",
        Reason::Paused => "the patient had paused their reminders",
        Reason::CategoryOff => "the patient switched this kind of reminder off",
        Reason::DailyCap => "the patient had as many reminders that day as they want",
        Reason::NoDevice => "no device was subscribed, or its push service said that it is gone",
        Reason::SessionMoved => "its session was moved, and reminders were planned anew",
        Reason::SessionCancelled => "its session was cancelled or is not there any more",
        Reason::Superseded => {
            "something later took its place, or its rule was changed, switched off or deleted"
        }
        Reason::ScheduledLate => "it would have been due before it was planned",
        Reason::CareEnded => "nobody had the patient in care any more",
        Reason::Ignored => "the patient had left several of its kind alone",
        Reason::AccountClosed => "the account was closed",
    }
}
