//! What may happen to a session, without database or clock.

use chrono::{DateTime, Duration, SubsecRound, Utc};

use super::dto::{SessionCreate, SessionPatch};
use crate::{
    content::protocols,
    error::{ApiError, ApiResult},
    reminders::rules::session::{RECORD_EXPECTED_WITHIN, SessionState},
};

/// How far ahead a session may lie.
const FURTHEST: Duration = Duration::days(731);
/// How long ago a session that is entered late may have been.
const OLDEST: Duration = Duration::days(31);

/// How long before its time a session may begin.
const EARLIEST: Duration = Duration::hours(12);

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

/// When a session was over that is completed now. A click long after the planned end is late, not the session.
pub fn ended(
    (started_at, ends_at): (DateTime<Utc>, DateTime<Utc>),
    said: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> ApiResult<DateTime<Utc>> {
    match said {
        Some(said) if said <= started_at || said > now => Err(ApiError::invalid_field(
            "query/ended_at",
            "impossible_time",
            "must lie after the start of the session and not in the future",
        )),
        Some(said) => Ok(said.trunc_subsecs(0)),
        None if now - ends_at >= RECORD_EXPECTED_WITHIN => Ok(ends_at.max(started_at)),
        None => Ok(now),
    }
}

/// What staff may do with a session besides moving it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Start,
    /// With when it was over, if that was said.
    Complete(Option<DateTime<Utc>>),
    Cancel,
    NoShow,
}

impl Step {
    /// The state after this step; 409 with what is possible instead.
    pub fn from(self, before: SessionState) -> ApiResult<SessionState> {
        use SessionState::{Cancelled, Completed, NoShow, Planned, Started};
        match (self, before) {
            (Self::Start, Planned) => Ok(Started),
            (Self::Complete(_), Planned | Started) => Ok(Completed),
            (Self::Cancel, Planned) => Ok(Cancelled),
            (Self::NoShow, Planned) => Ok(NoShow),
            (_, before) => Err(ApiError::conflict(
                "wrong_session_state",
                format!("The session is {}; that can no longer be done with it.", before.as_str()),
            )),
        }
    }

    /// 409 for what cannot have happened yet: it would count what follows a session from today, and nothing takes it back.
    pub fn not_before(self, row: (SessionState, DateTime<Utc>), now: DateTime<Utc>) -> ApiResult<()> {
        let (before, starts_at) = row;
        let from = match (self, before) {
            (Self::Start, _) | (Self::Complete(_), SessionState::Planned) => starts_at - EARLIEST,
            (Self::NoShow, _) => starts_at,
            _ => return Ok(()),
        };
        if now >= from {
            return Ok(());
        }
        Err(ApiError::conflict(
            "too_early",
            format!(
                "The session begins at {}. Look whether this is the one you mean; if it takes place now, move it first.",
                starts_at.format("%Y-%m-%dT%H:%MZ")
            ),
        ))
    }

    /// The audited act.
    pub fn action(self) -> &'static str {
        match self {
            Self::Start => "sessions.start",
            Self::Complete(_) => "sessions.complete",
            Self::Cancel => "sessions.cancel",
            Self::NoShow => "sessions.no_show",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_click_is_not_the_end_of_a_session() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let times = (at("2026-07-13T14:00:00Z"), at("2026-07-13T16:00:00Z"));
        let click = |said: Option<&str>, now: &str| ended(times, said.map(at), at(now)).ok();
        let (early, late) = (Some("2026-07-13T17:59:59Z"), "2026-07-14T08:10:00Z");
        assert_eq!(click(None, early.unwrap()), early.map(at), "it took a little longer");
        assert_eq!(click(None, "2026-07-13T18:00:00Z"), Some(times.1));
        assert_eq!(click(None, late), Some(times.1));
        assert_eq!(click(Some("2026-07-13T18:30:00Z"), late), Some(at("2026-07-13T18:30:00Z")));
        for wrong in ["2026-07-13T14:00:00Z", "2026-07-14T08:10:01Z"] {
            let refused = ended(times, Some(at(wrong)), at(late));
            let Err(ApiError::Refused { errors, .. }) = refused else { panic!("{wrong} was taken") };
            assert_eq!(errors[0].pointer, "query/ended_at");
        }
    }

    #[test]
    fn every_step_from_every_state() {
        use SessionState::{Cancelled, Completed, NoShow, Planned, Started};
        let table = [
            (Step::Start, [Some(Started), None, None, None, None]),
            (Step::Complete(None), [Some(Completed), Some(Completed), None, None, None]),
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
