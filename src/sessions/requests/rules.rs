//! What may be asked and offered when, without database or clock.

use chrono::{DateTime, Duration, SubsecRound, Utc};
use entity::{ids::AccountId, sessions};

use super::dto::{OfferedTime, PreferredTime, RequestKind, RequestState, SessionOffer, SessionOfferCreate};
use crate::{
    content::protocols,
    error::{ApiError, ApiResult},
    validate::Checks,
};

/// How far ahead anything may lie.
const FURTHEST: Duration = Duration::days(731);
/// How long an offer stands if nobody says otherwise.
const USUAL: Duration = Duration::days(3);
/// How long it may stand.
const LONGEST: Duration = Duration::days(31);

/// Refuses wishes that lie in the past or too far ahead.
pub fn check_preferred(preferred: &[PreferredTime], now: DateTime<Utc>) -> ApiResult<()> {
    let mut checks = Checks::default();
    for (index, time) in preferred.iter().enumerate() {
        let ahead = time.until > now && time.until < now + FURTHEST && time.from > now - FURTHEST;
        let detail = "must lie within the next two years";
        checks.require(ahead, &format!("/preferred/{index}/until"), "impossible_time", detail);
    }
    checks.finish()
}

/// 409 unless the clinic may still answer.
pub fn answerable(state: RequestState) -> ApiResult<()> {
    if state.is_open() { Ok(()) } else { Err(wrong_state(state)) }
}

fn wrong_state(state: RequestState) -> ApiError {
    let detail = format!("The request is {}; that can no longer be done with it.", state.as_str());
    ApiError::conflict("wrong_request_state", detail)
}

/// Puts an offer together for a request, with the session that it is about, if any. 422 where it does not fit.
pub fn offer(
    kind: RequestKind,
    session: Option<&sessions::Model>,
    me: Option<AccountId>,
    input: &SessionOfferCreate,
    now: DateTime<Utc>,
) -> ApiResult<SessionOffer> {
    check_fields(kind, input, now)?;
    let usual = |kind: &str| protocols().session_kind(kind).map_or(60, |one| one.default_duration_minutes);
    let length = match (input.duration_minutes, session) {
        (Some(minutes), _) => Duration::minutes(minutes),
        (None, Some(session)) => session.ends_at - session.starts_at,
        (None, None) => Duration::minutes(i64::from(usual(input.kind.as_deref().unwrap_or_default()))),
    };
    let member = session.map(|session| session.member_id).or(input.member_id).or(me).ok_or_else(|| {
        ApiError::invalid_field("/member_id", "required", "say with whom of the patient's care team")
    })?;
    let place = session.map_or("clinic", |session| session.location.as_str());
    let times: Vec<OfferedTime> = input.times.iter().map(|start| time(*start, length)).collect();
    let last = times.iter().map(|time| time.starts_at).max().or(session.map(|session| session.starts_at));
    Ok(SessionOffer {
        kind: session.map_or(input.kind.clone().unwrap_or_default(), |session| session.kind.clone()),
        route: session.and_then(|session| session.route.clone()),
        location: input.location.clone().unwrap_or_else(|| place.to_owned()),
        member_id: member,
        expires_at: expiry(input.expires_at, last, now)?,
        times,
    })
}

fn time(start: DateTime<Utc>, length: Duration) -> OfferedTime {
    let starts_at = start.trunc_subsecs(0);
    OfferedTime { starts_at, ends_at: starts_at + length }
}

fn check_fields(kind: RequestKind, input: &SessionOfferCreate, now: DateTime<Utc>) -> ApiResult<()> {
    let mut checks = Checks::default();
    let new = kind == RequestKind::New;
    let times = kind == RequestKind::Cancel || !input.times.is_empty();
    checks.require(times, "/times", "required", "offer at least one time, or decline the request");
    let detail = "is needed for a new session and only there";
    checks.require(new == input.kind.is_some(), "/kind", "wrong_for_kind", detail);
    let detail = "stays as it is: this is about a session that is planned already";
    checks.require(new || input.member_id.is_none(), "/member_id", "wrong_for_kind", detail);
    for (index, time) in input.times.iter().enumerate() {
        let ahead = *time > now && *time < now + FURTHEST;
        let detail = "must lie within the next two years";
        checks.require(ahead, &format!("/times/{index}"), "impossible_time", detail);
    }
    checks.finish()
}

fn expiry(
    wanted: Option<DateTime<Utc>>,
    last: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> ApiResult<DateTime<Utc>> {
    let end = wanted.unwrap_or(now + USUAL);
    if end <= now || end > now + LONGEST {
        let detail = "must lie within the next 31 days";
        return Err(ApiError::invalid_field("/expires_at", "impossible_time", detail));
    }
    Ok(last.map_or(end, |last| end.min(last)))
}

/// The time that a patient takes of an offer; none when the session is to be cancelled.
pub fn chosen(
    state: RequestState,
    offer: Option<&SessionOffer>,
    starts_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> ApiResult<Option<OfferedTime>> {
    let offer = match (state, offer) {
        (RequestState::Offered, Some(offer)) => offer,
        (RequestState::Expired, _) => return Err(expired()),
        (state, _) => return Err(wrong_state(state)),
    };
    let Some(starts_at) = starts_at else {
        let detail = "say which of the offered times";
        return if offer.times.is_empty() {
            Ok(None)
        } else {
            Err(ApiError::invalid_field("/starts_at", "required", detail))
        };
    };
    let time = offer.times.iter().find(|time| time.starts_at == starts_at).ok_or_else(|| {
        ApiError::invalid_field("/starts_at", "not_offered", "must be one of the offered times")
    })?;
    if time.starts_at <= now {
        return Err(expired());
    }
    Ok(Some(time.clone()))
}

fn expired() -> ApiError {
    let detail =
        "The offer has expired. The clinic sees that and may make another one, or ask for something else.";
    ApiError::conflict("offer_expired", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn input(times: &[&str]) -> SessionOfferCreate {
        SessionOfferCreate {
            times: times.iter().map(|time| at(time)).collect(),
            duration_minutes: None,
            kind: Some("integration".to_owned()),
            location: None,
            member_id: None,
            message: None,
            expires_at: None,
        }
    }

    const NOW: &str = "2026-11-22T12:00:00Z";

    #[test]
    fn an_offer_stands_three_days_and_never_past_its_last_time() {
        let me = Some(AccountId(uuid::Uuid::from_u128(1)));
        let made = |times: &[&str]| offer(RequestKind::New, None, me, &input(times), at(NOW)).unwrap();
        assert_eq!(made(&["2026-12-08T14:00:00Z"]).expires_at, at("2026-11-25T12:00:00Z"));
        let near = made(&["2026-11-23T14:00:00Z", "2026-11-24T14:00:00Z"]);
        assert_eq!(near.expires_at, at("2026-11-24T14:00:00Z"));
        assert_eq!(near.times[0].ends_at, at("2026-11-23T15:00:00Z"));
        let mut late = input(&["2026-12-08T14:00:00Z"]);
        for wrong in [NOW, "2026-12-24T12:00:00Z"] {
            late.expires_at = Some(at(wrong));
            assert!(offer(RequestKind::New, None, me, &late, at(NOW)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_what_was_offered_and_still_lies_ahead_is_chosen() {
        let me = Some(AccountId(uuid::Uuid::from_u128(1)));
        let times = ["2026-11-23T14:00:00Z", "2026-11-24T14:00:00Z"];
        let made = offer(RequestKind::New, None, me, &input(&times), at(NOW)).unwrap();
        let choose = |state, start: Option<&str>, now| {
            chosen(state, Some(&made), start.map(at), at(now)).map(|time| time.map(|time| time.starts_at))
        };
        let offered = RequestState::Offered;
        assert_eq!(choose(offered, Some(times[0]), NOW).unwrap(), Some(at(times[0])));
        for (state, start, now) in [
            (offered, None, NOW),
            (offered, Some("2026-11-23T14:00:01Z"), NOW),
            (offered, Some(times[0]), "2026-11-23T14:00:00Z"),
            (RequestState::Expired, Some(times[1]), NOW),
            (RequestState::Open, Some(times[0]), NOW),
            (RequestState::Accepted, Some(times[0]), NOW),
            (RequestState::Withdrawn, Some(times[0]), NOW),
        ] {
            assert!(choose(state, start, now).is_err(), "{state:?} {start:?} {now}");
        }
    }
}
