//! Wire types of the therapist's side. Their doc comments are the API's documentation.

use chrono::{DateTime, Utc};
use entity::ids::{JournalEntryId, PatientId, SessionId};
use sea_orm::FromQueryResult;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    alerts::Alert,
    validate::{Checks, Validate},
};

/// Alerts of a patient that nobody has acknowledged yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct OpenAlerts {
    #[schema(example = 1)]
    pub count: i64,
    /// The gravest: `info`, `moderate`, `high` or `urgent`.
    #[schema(example = "high")]
    pub level: String,
}

/// The session that comes next, or is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct NextAppointment {
    #[schema(value_type = Uuid)]
    pub id: SessionId,
    #[schema(example = "dosing")]
    pub kind: String,
    /// `planned` or `started`.
    #[schema(example = "planned")]
    pub state: String,
    pub starts_at: DateTime<Utc>,
    /// Whether it is with me.
    pub with_me: bool,
    /// Practical things that the patient has ticked off.
    #[schema(example = 4)]
    pub readiness_done: usize,
    #[schema(example = 6)]
    pub readiness_items: usize,
}

/// A patient in my care, at a glance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PatientGlance {
    #[schema(value_type = Uuid)]
    pub patient_id: PatientId,
    #[schema(example = "Ana")]
    pub display_name: String,
    /// Since when I take part in their care.
    pub since: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_checkin_at: Option<DateTime<Utc>>,
    /// Entries that they shared with me and I have not reviewed.
    #[schema(example = 2)]
    pub unreviewed: i64,
    /// Absent when there are none. It never says that somebody is safe.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub open_alerts: Option<OpenAlerts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next_session: Option<NextAppointment>,
    /// Sessions that ended more than two hours ago and that nobody recorded. What follows them is not sent until then.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unrecorded_sessions: Vec<UnrecordedSession>,
    /// Whether a reminder would reach one of their devices.
    pub reachable_by_push: bool,
}

/// A session to complete, or to mark as a no-show.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult, Serialize, ToSchema)]
pub struct UnrecordedSession {
    #[serde(skip)]
    pub patient_id: PatientId,
    #[schema(value_type = Uuid)]
    pub id: SessionId,
    #[schema(example = "dosing")]
    pub kind: String,
    #[schema(example = "started")]
    pub state: String,
    pub starts_at: DateTime<Utc>,
    pub ends_at: DateTime<Utc>,
}

/// Everybody in my care: open alerts first, then by the next session, then by name.
#[derive(Debug, Serialize, ToSchema)]
pub struct Roster {
    pub items: Vec<PatientGlance>,
}

/// An entry that was shared with me and waits for my review.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct QueuedEntry {
    #[schema(value_type = Uuid)]
    pub entry_id: JournalEntryId,
    #[schema(value_type = Uuid)]
    pub patient_id: PatientId,
    #[schema(example = "Ana")]
    pub patient_name: String,
    /// The revision that is shown to me; to be sent back when marking it reviewed.
    #[schema(example = 1)]
    pub revision: i32,
    #[schema(example = "first-impressions")]
    pub template_id: String,
    /// What its form is called, in my language.
    #[schema(example = "First impressions")]
    pub template_title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "The river again")]
    pub title: Option<String>,
    /// The patient wants to talk about it.
    pub to_talk_about: bool,
    pub written_at: DateTime<Utc>,
    pub shared_at: DateTime<Utc>,
    /// Until when it is shared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
}

/// What waits for me. Alerts stand above, on the first page; entries follow, first shared first.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReviewQueue {
    pub alerts: Vec<Alert>,
    pub items: Vec<QueuedEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Which words were reviewed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReviewMark {
    /// Whose entry it is.
    pub patient_id: Uuid,
    /// The revision that was read.
    #[schema(example = 1, minimum = 1, maximum = 2_147_483_647)]
    pub revision: i32,
}

impl Validate for ReviewMark {
    fn validate(&self, checks: &mut Checks) {
        checks.range("/revision", Some(self.revision), 1, i32::MAX);
    }
}

/// An entry that I have reviewed.
#[derive(Debug, Serialize, ToSchema)]
pub struct EntryReview {
    #[schema(value_type = Uuid)]
    pub entry_id: JournalEntryId,
    #[schema(example = 1)]
    pub revision: i32,
    pub reviewed_at: DateTime<Utc>,
}
