//! Wire types of the digest. Their doc comments are the API's documentation.

use chrono::{DateTime, NaiveDate, Utc};
use entity::ids::{JournalEntryId, MeasureAssignmentId, PatientId, SessionId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    alerts::Alert,
    checkins::{TrendBucket, TrendSession},
    measures::MeasureChange,
    sessions::ReadinessItem,
};

/// The latest result of a questionnaire beside earlier ones.
#[derive(Debug, Serialize, ToSchema)]
pub struct DigestMeasure {
    #[schema(example = "phq-9")]
    pub measure_id: String,
    #[schema(example = "PHQ-9")]
    pub title: String,
    pub taken_at: DateTime<Utc>,
    #[schema(example = 12.0)]
    pub total: f64,
    /// The highest total that the form can have.
    #[schema(example = 27.0)]
    pub max: f64,
    /// The band in which it lies, in my language. A name, not a diagnosis.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "moderate")]
    pub band: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub change: Option<MeasureChange>,
    /// What the change since the last time means, in my language, where thresholds are published.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Better, but within the error of measurement")]
    pub note: Option<String>,
    /// Up to twelve totals, the latest last.
    pub course: Vec<f64>,
}

/// How each day of the last two weeks was, on the patient's own calendar; days without a check-in are left out.
#[derive(Debug, Serialize, ToSchema)]
pub struct DigestDays {
    #[schema(example = "2026-11-13")]
    pub from: NaiveDate,
    #[schema(example = "2026-11-26")]
    pub to: NaiveDate,
    pub days: Vec<TrendBucket>,
    pub sessions: Vec<TrendSession>,
}

/// A questionnaire that was asked for and not filled in yet.
#[derive(Debug, Serialize, ToSchema)]
pub struct MissingForm {
    #[schema(value_type = Uuid)]
    pub assignment_id: MeasureAssignmentId,
    #[schema(example = "pre-session-check")]
    pub measure_id: String,
    #[schema(example = "Pre-session check")]
    pub title: String,
    pub due_at: DateTime<Utc>,
    pub overdue: bool,
}

/// The session that the digest is for.
#[derive(Debug, Serialize, ToSchema)]
pub struct DigestSession {
    #[schema(value_type = Uuid)]
    pub id: SessionId,
    #[schema(example = "dosing")]
    pub kind: String,
    /// What it is called, in my language.
    #[schema(example = "Dosing session")]
    pub title: String,
    #[schema(example = "clinic")]
    pub location: String,
    pub starts_at: DateTime<Utc>,
    pub readiness: Vec<ReadinessItem>,
    /// Only if the patient shares it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "To meet my grief without running")]
    pub intention: Option<String>,
}

/// The last session that took place.
#[derive(Debug, Serialize, ToSchema)]
pub struct LastSession {
    #[schema(value_type = Uuid)]
    pub id: SessionId,
    #[schema(example = "integration")]
    pub kind: String,
    #[schema(example = "Integration session")]
    pub title: String,
    pub starts_at: DateTime<Utc>,
}

/// Where the treatment plan stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct PlanPosition {
    #[schema(example = "kap-weekly-4")]
    pub template_id: String,
    #[schema(example = "Four weekly sessions")]
    pub title: String,
    /// Sessions that took place.
    #[schema(example = 3)]
    pub done: usize,
    /// Sessions of the plan that were not cancelled.
    #[schema(example = 11)]
    pub sessions: usize,
}

/// An entry that was shared with me and that the patient wants to talk about.
#[derive(Debug, Serialize, ToSchema)]
pub struct TalkAbout {
    #[schema(value_type = Uuid)]
    pub entry_id: JournalEntryId,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "The river again")]
    pub title: Option<String>,
    #[schema(example = "First impressions")]
    pub template_title: String,
    pub shared_at: DateTime<Utc>,
    /// Whether I have marked it as reviewed.
    pub reviewed: bool,
}

/// What was shared with me, put together for the minutes before a session. An empty place never means that somebody is
/// safe.
#[derive(Debug, Serialize, ToSchema)]
pub struct Digest {
    #[schema(value_type = Uuid)]
    pub patient_id: PatientId,
    #[schema(example = "Ana")]
    pub display_name: String,
    pub generated_at: DateTime<Utc>,
    /// I stand in for a colleague: what was shared with them is not in it.
    pub covering: bool,
    /// When I last read this patient's digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_looked_at: Option<DateTime<Utc>>,
    /// Open alerts, the gravest first.
    pub alerts: Vec<Alert>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next_session: Option<DigestSession>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub last_session: Option<LastSession>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub plan: Option<PlanPosition>,
    /// The latest shared first.
    pub to_talk_about: Vec<TalkAbout>,
    pub measures: Vec<DigestMeasure>,
    pub missing_forms: Vec<MissingForm>,
    pub days: DigestDays,
}
