//! What may happen to a session, without database or clock.

use chrono::{DateTime, Duration, SubsecRound, Utc};

use super::dto::{SessionCreate, SessionPatch};
use crate::{
    content::protocols,
    error::{ApiError, ApiResult},
    reminders::rules::session::SessionState,
};

/// How far ahead a session may lie.
const FURTHEST: Duration = Duration::days(731);
/// How long ago a session that is entered late may have been.
const OLDEST: Duration = Duration::days(31);

/// Start and end of a new session. 422 for instants nobody can mean.
pub fn times(input: &SessionCreate, now: DateTime<Utc>) -> ApiResult<(DateTime<Utc>, DateTime<Utc>)> {
    let usual =
        protocols().session_kind(&input.kind).map_or(60, |kind| i64::from(kind.default_duration_minutes));
    let starts_at = sensible(input.starts_at, now)?;
    Ok((starts_at, starts_at + Duration::minutes(input.duration_minutes.unwrap_or(usual))))
}

/// Start and end after a change.
pub fn moved(
    before: (DateTime<Utc>, DateTime<Utc>),
    patch: &SessionPatch,
    now: DateTime<Utc>,
) -> ApiResult<(DateTime<Utc>, DateTime<Utc>)> {
    let starts_at = match patch.starts_at {
        Some(wanted) => sensible(wanted, now)?,
        None => before.0,
    };
    let length = patch.duration_minutes.map_or(before.1 - before.0, Duration::minutes);
    Ok((starts_at, starts_at + length))
}

fn sensible(starts_at: DateTime<Utc>, now: DateTime<Utc>) -> ApiResult<DateTime<Utc>> {
    if starts_at > now + FURTHEST || starts_at < now - OLDEST {
        return Err(ApiError::invalid_field(
            "/starts_at",
            "impossible_time",
            "must lie within the next two years or the last month",
        ));
    }
    Ok(starts_at.trunc_subsecs(0))
}

/// What staff may do with a session besides moving it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Start,
    Complete,
    Cancel,
    NoShow,
}

impl Step {
    /// The state after this step; 409 with what is possible instead.
    pub fn from(self, before: SessionState) -> ApiResult<SessionState> {
        use SessionState::{Cancelled, Completed, NoShow, Planned, Started};
        match (self, before) {
            (Self::Start, Planned) => Ok(Started),
            (Self::Complete, Planned | Started) => Ok(Completed),
            (Self::Cancel, Planned) => Ok(Cancelled),
            (Self::NoShow, Planned) => Ok(NoShow),
            (_, before) => Err(ApiError::conflict(
                "wrong_session_state",
                format!("The session is {}; that can no longer be done with it.", before.as_str()),
            )),
        }
    }

    /// The audited act.
    pub fn action(self) -> &'static str {
        match self {
            Self::Start => "sessions.start",
            Self::Complete => "sessions.complete",
            Self::Cancel => "sessions.cancel",
            Self::NoShow => "sessions.no_show",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_from_every_state() {
        use SessionState::{Cancelled, Completed, NoShow, Planned, Started};
        let table = [
            (Step::Start, [Some(Started), None, None, None, None]),
            (Step::Complete, [Some(Completed), Some(Completed), None, None, None]),
            (Step::Cancel, [Some(Cancelled), None, None, None, None]),
            (Step::NoShow, [Some(NoShow), None, None, None, None]),
        ];
        for (step, outcomes) in table {
            for (before, wanted) in [Planned, Started, Completed, Cancelled, NoShow].into_iter().zip(outcomes)
            {
                assert_eq!(step.from(before).ok(), wanted, "{step:?} from {before:?}");
            }
        }
    }
}
