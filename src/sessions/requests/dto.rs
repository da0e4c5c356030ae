//! Wire types of requests and offers.

use chrono::{DateTime, Utc};
use entity::ids::{AccountId, PatientId, SessionId, SessionRequestId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::dto::{Session, SessionCreate, check_location};
use crate::{
    reminders::SessionReminder,
    validate::{Checks, Validate},
};

/// Most times of a request or of an offer.
const MOST_TIMES: usize = 5;
/// Longest note or answer.
const LONGEST: usize = 500;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RequestKind {
    New,
    Move,
    Cancel,
}

impl RequestKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Move => "move",
            Self::Cancel => "cancel",
        }
    }

    pub fn parse(text: &str) -> Self {
        match text {
            "move" => Self::Move,
            "cancel" => Self::Cancel,
            _ => Self::New,
        }
    }
}

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RequestState {
    /// The clinic has not answered yet.
    Open,
    /// The clinic offers something: accept it before it expires.
    Offered,
    /// The offer was not accepted in time; the clinic may make another one.
    Expired,
    Accepted,
    /// The clinic cannot, and says why in `message`.
    Declined,
    Withdrawn,
}

impl RequestState {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Offered => "offered",
            Self::Expired => "expired",
            Self::Accepted => "accepted",
            Self::Declined => "declined",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// As it is stored, with the clock's word on an offer.
    pub fn parse(text: &str, offer_expires_at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Self {
        match text {
            "offered" if offer_expires_at.is_some_and(|end| end <= now) => Self::Expired,
            "offered" => Self::Offered,
            "accepted" => Self::Accepted,
            "declined" => Self::Declined,
            "withdrawn" => Self::Withdrawn,
            _ => Self::Open,
        }
    }

    /// Whether somebody still waits for somebody.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Open | Self::Offered | Self::Expired)
    }
}

/// A span of time that would suit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PreferredTime {
    #[schema(example = "2026-12-08T13:00:00.000Z")]
    pub from: DateTime<Utc>,
    #[schema(example = "2026-12-08T17:00:00.000Z")]
    pub until: DateTime<Utc>,
}

/// What I ask the clinic for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionRequestCreate {
    pub kind: RequestKind,
    /// The planned session to move or cancel; only with `move` and `cancel`.
    #[schema(value_type = Option<Uuid>)]
    pub session_id: Option<SessionId>,
    /// When it would suit me, the best first; not with `cancel`.
    #[serde(default)]
    #[schema(max_items = 5)]
    pub preferred: Vec<PreferredTime>,
    /// A few words for my care team; the front desk does not see them.
    #[schema(example = "Mornings are hard for me since the last one.", min_length = 1, max_length = 500)]
    pub note: Option<String>,
}

impl Validate for SessionRequestCreate {
    fn validate(&self, checks: &mut Checks) {
        let new = self.kind == RequestKind::New;
        let detail = "name the session to move or cancel; leave it out for a new one";
        checks.require(new == self.session_id.is_none(), "/session_id", "wrong_for_kind", detail);
        let times = self.kind != RequestKind::Cancel || self.preferred.is_empty();
        let detail = "leave it out to cancel, or ask to move the session";
        checks.require(times, "/preferred", "wrong_for_kind", detail);
        checks.items("/preferred", &self.preferred, MOST_TIMES);
        for (index, time) in self.preferred.iter().take(MOST_TIMES).enumerate() {
            let pointer = format!("/preferred/{index}/until");
            checks.require(time.from < time.until, &pointer, "impossible_time", "must be after from");
        }
        checks.text("/note", self.note.as_deref(), 1, LONGEST);
    }
}

/// A time that the clinic offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OfferedTime {
    #[schema(example = "2026-12-08T14:00:00.000Z")]
    pub starts_at: DateTime<Utc>,
    #[schema(example = "2026-12-08T15:00:00.000Z")]
    pub ends_at: DateTime<Utc>,
}

/// What the clinic offers. Times are not held: whoever accepts first has them.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SessionOffer {
    /// One of these to choose; none when the session is to be cancelled.
    pub times: Vec<OfferedTime>,
    #[schema(example = "integration")]
    pub kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "im")]
    pub route: Option<String>,
    #[schema(example = "clinic")]
    pub location: String,
    /// With whom.
    #[schema(value_type = Uuid)]
    pub member_id: AccountId,
    #[schema(example = "2026-12-05T12:00:00.000Z")]
    pub expires_at: DateTime<Utc>,
}

/// Something I asked for, and what became of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionRequest {
    #[schema(value_type = Uuid)]
    pub id: SessionRequestId,
    /// Rises with every change; the ETag.
    #[schema(example = 2)]
    pub version: i32,
    pub kind: RequestKind,
    pub state: RequestState,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>)]
    pub session_id: Option<SessionId>,
    pub preferred: Vec<PreferredTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Mornings are hard for me since the last one.")]
    pub note: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub offer: Option<SessionOffer>,
    /// What the clinic says with its offer, or instead of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Tuesday afternoon is free.")]
    pub message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// A page of what I asked for, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionRequestList {
    pub items: Vec<SessionRequest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Which of the offered times I take.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionOfferAccept {
    /// The start of one of the offered times; left out when the offer has none.
    #[schema(example = "2026-12-08T14:00:00.000Z")]
    pub starts_at: Option<DateTime<Utc>>,
}

impl Validate for SessionOfferAccept {
    fn validate(&self, _: &mut Checks) {}
}

/// An accepted offer, with the session as it is now and its reminders.
#[derive(Debug, Serialize, ToSchema)]
pub struct AcceptedOffer {
    pub request: SessionRequest,
    pub session: Session,
    pub reminders: Vec<SessionReminder>,
}

/// The session that a request is about, as far as a calendar needs it.
#[derive(Debug, Serialize, ToSchema)]
pub struct RequestedSession {
    #[schema(example = "integration")]
    pub kind: String,
    #[schema(example = "clinic")]
    pub location: String,
    #[schema(example = "planned")]
    pub state: String,
    pub starts_at: DateTime<Utc>,
    pub ends_at: DateTime<Utc>,
    #[schema(value_type = Uuid)]
    pub member_id: AccountId,
}

/// Something a patient asks for, as staff see it. `note` is there only for a therapist of the patient's care team who
/// reads this one request.
#[derive(Debug, Serialize, ToSchema)]
pub struct PatientSessionRequest {
    #[serde(flatten)]
    pub request: SessionRequest,
    #[schema(value_type = Uuid)]
    pub patient_id: PatientId,
    #[schema(example = "Ana Reyes")]
    pub display_name: String,
    /// Whether the patient wrote something to their care team.
    #[schema(example = true)]
    pub has_note: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub session: Option<RequestedSession>,
}

/// A page of what waits for an answer, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct PatientSessionRequestList {
    pub items: Vec<PatientSessionRequest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// What to offer.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionOfferCreate {
    /// Starts to choose from. May be left out only for a `cancel`: then accepting cancels the session.
    #[serde(default)]
    #[schema(max_items = 5, example = json!(["2026-12-08T14:00:00.000Z"]))]
    pub times: Vec<DateTime<Utc>>,
    /// Left out: the usual length, or that of the session.
    #[schema(minimum = 5, maximum = 720, example = 60)]
    pub duration_minutes: Option<i64>,
    /// Only for a `new` one, and needed there: `evaluation`, `preparation`, `integration`, `follow-up` or `group`.
    #[schema(example = "integration", max_length = 32)]
    pub kind: Option<String>,
    /// `clinic`, `home` or `telehealth`; left out, the clinic or where the session is now.
    #[schema(example = "telehealth", max_length = 32)]
    pub location: Option<String>,
    /// Only for a `new` one: with whom of the patient's care team. A therapist may leave it out.
    #[schema(value_type = Option<Uuid>)]
    pub member_id: Option<AccountId>,
    #[schema(example = "Tuesday afternoon is free.", min_length = 1, max_length = 500)]
    pub message: Option<String>,
    /// Left out: in three days. Never later than the last of the times.
    #[schema(example = "2026-12-05T12:00:00.000Z")]
    pub expires_at: Option<DateTime<Utc>>,
}

impl Validate for SessionOfferCreate {
    fn validate(&self, checks: &mut Checks) {
        checks.items("/times", &self.times, MOST_TIMES);
        for (index, time) in self.times.iter().take(MOST_TIMES).enumerate() {
            let twice = self.times[..index].contains(time);
            checks.require(!twice, &format!("/times/{index}"), "duplicate", "is offered already");
        }
        checks.range("/duration_minutes", self.duration_minutes, 5, 720);
        if let Some(kind) = &self.kind {
            let like = SessionCreate {
                kind: kind.clone(),
                route: None,
                location: "clinic".to_owned(),
                starts_at: DateTime::UNIX_EPOCH,
                duration_minutes: None,
                group_id: None,
            };
            like.validate(checks);
            let detail = "a dosing session is scheduled by a therapist, with its route";
            checks.require(kind != "dosing", "/kind", "therapist_only", detail);
        }
        if let Some(location) = &self.location {
            check_location(checks, location);
        }
        checks.text("/message", self.message.as_deref(), 1, LONGEST);
    }
}

/// Why the clinic cannot do it, and what to do instead.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionRequestDecline {
    #[schema(example = "We are full until January. Please call us.", min_length = 1, max_length = 500)]
    pub message: String,
}

impl Validate for SessionRequestDecline {
    fn validate(&self, checks: &mut Checks) {
        checks.text("/message", Some(&self.message), 1, LONGEST);
    }
}
