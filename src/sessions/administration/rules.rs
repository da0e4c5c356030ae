//! Which times a record of a session's day can hold, without database or clock.

use chrono::{DateTime, Duration, Utc};
use entity::sessions;

use super::dto::AdministrationRecord;
use crate::{
    error::{ApiError, ApiResult},
    reminders::{rules::session::SessionState, session_state},
    validate::Checks,
};

/// Clocks of a clinic differ by so much.
const SKEW: Duration = Duration::minutes(5);
/// How long before its start a session's day begins, and how long after its end it is over.
const MARGIN: Duration = Duration::hours(12);

/// 409 for a session in which nothing can have been given.
pub fn check_session(session: &sessions::Model) -> ApiResult<()> {
    if session.kind != "dosing" {
        let detail = "Only a dosing session has such a record.";
        return Err(ApiError::conflict("not_a_dosing_session", detail));
    }
    let state = session_state(session);
    if matches!(state, SessionState::Cancelled | SessionState::NoShow) {
        let detail = format!("The session is {}; nothing was given in it.", state.as_str());
        return Err(ApiError::conflict("wrong_session_state", detail));
    }
    Ok(())
}

/// 422 for times that do not belong to the session's day, lie ahead, or run backwards, and for a correction without a
/// reason.
pub fn check_record(
    record: &AdministrationRecord,
    session: &sessions::Model,
    version: i32,
    now: DateTime<Utc>,
) -> ApiResult<()> {
    let mut times = Times { checks: Checks::default(), day: day(session), now };
    for (index, dose) in record.doses.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|before| record.doses.get(before));
        times.at(&format!("/doses/{index}/given_at"), dose.given_at, before.map(|dose| dose.given_at));
        times.after(&format!("/doses/{index}/ended_at"), dose.ended_at, dose.given_at);
    }
    for (index, vitals) in record.vitals.iter().enumerate() {
        times.at(&format!("/vitals/{index}/taken_at"), vitals.taken_at, None);
    }
    for (index, event) in record.events.iter().enumerate() {
        times.at(&format!("/events/{index}/at"), event.at, None);
        times.after(&format!("/events/{index}/resolved_at"), event.resolved_at, event.at);
    }
    let last = record.doses.iter().map(|dose| dose.ended_at.unwrap_or(dose.given_at)).max();
    times.after("/observed_until", record.observed_until, last.unwrap_or(times.day.0));
    let mut checks = times.checks;
    let explained = (version == 0) == record.correction.is_none();
    let detail = "say why a version is corrected; leave it out of the first one";
    checks.require(explained, "/correction", "required", detail);
    checks.finish()
}

/// From when to when things of this session can have happened: as planned and as recorded.
fn day(session: &sessions::Model) -> (DateTime<Utc>, DateTime<Utc>) {
    let start = session.started_at.map_or(session.starts_at, |started| started.min(session.starts_at));
    let end = session.ended_at.map_or(session.ends_at, |ended| ended.max(session.ends_at));
    (start - MARGIN, end + MARGIN)
}

struct Times {
    checks: Checks,
    day: (DateTime<Utc>, DateTime<Utc>),
    now: DateTime<Utc>,
}

impl Times {
    fn at(&mut self, pointer: &str, at: DateTime<Utc>, before: Option<DateTime<Utc>>) {
        let within = at >= self.day.0 && at <= self.day.1;
        let detail = "does not belong to the day of this session";
        self.checks.require(within, pointer, "impossible_time", detail);
        let detail = "lies in the future: record what has happened";
        self.checks.require(at <= self.now + SKEW, pointer, "impossible_time", detail);
        let ordered = before.is_none_or(|before| before <= at);
        let detail = "is earlier than the one before; put them in order";
        self.checks.require(ordered, pointer, "out_of_order", detail);
    }

    fn after(&mut self, pointer: &str, at: Option<DateTime<Utc>>, begin: DateTime<Utc>) {
        let Some(at) = at else { return };
        self.at(pointer, at, None);
        self.checks.require(at >= begin, pointer, "impossible_time", "is earlier than its beginning");
    }
}
