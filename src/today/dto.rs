//! Wire types of the day.

use chrono::{DateTime, NaiveDate, Utc};
use entity::ids::{MeasureAssignmentId, SessionId};
use serde::Serialize;
use utoipa::ToSchema;

use super::rules::DayPhase;
use crate::{
    prompts::OfferedPrompt,
    safety::{CrisisResources, SafetyPlanContent},
};

/// Where I am, what comes next, and what the day asks for.
#[derive(Debug, Serialize, ToSchema)]
pub struct Today {
    /// My own date.
    pub local_date: NaiveDate,
    pub phase: DayPhase,
    /// The phase in plain words.
    #[schema(example = "Preparing")]
    pub title: String,
    #[schema(
        example = "A time to settle what is practical and to notice what matters to you. There is nothing to get right."
    )]
    pub detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next_session: Option<NextSession>,
    /// At most three, the most pressing first.
    #[schema(max_items = 3)]
    pub to_do: Vec<TodaysTask>,
    /// The exercise for today.
    pub prompt: OfferedPrompt,
    /// An exercise to steady oneself with, whenever it is needed.
    pub grounding: OfferedPrompt,
    /// Whom to call, shown first while an answer that called for help is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub support: Option<CrisisResources>,
}

/// The session that comes next or is under way.
#[derive(Debug, Serialize, ToSchema)]
pub struct NextSession {
    #[schema(value_type = Uuid)]
    pub id: SessionId,
    #[schema(example = "dosing")]
    pub kind: String,
    /// The kind in plain words.
    #[schema(example = "Dosing session")]
    pub title: String,
    /// `clinic`, `home` or `telehealth`.
    #[schema(example = "clinic")]
    pub location: String,
    pub starts_at: DateTime<Utc>,
    /// On my wall clock.
    pub local_date: NaiveDate,
    #[schema(example = "10:00")]
    pub local_time: String,
    /// Things to tick off, and how many of them are.
    #[schema(example = 6)]
    pub readiness_items: usize,
    #[schema(example = 4)]
    pub readiness_done: usize,
}

/// One thing to do.
#[derive(Debug, Serialize, ToSchema)]
pub struct TodaysTask {
    /// `support`, `readiness`, `measure`, `first_impressions`, `intention` or `check_in`; may grow.
    #[schema(example = "readiness")]
    pub kind: String,
    #[schema(example = "Tick off what is ready")]
    pub title: String,
    /// The `operationId` of this contract that it leads to.
    #[schema(example = "list_session_readiness")]
    pub operation: String,
    /// What the operation is about: the session's id, the questionnaire's, or the form's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "0198f3c2-6d1e-7c3a-9b57-2f6a0c1d4e8b")]
    pub target: Option<String>,
    /// The assignment that asks for a questionnaire; goes with the answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>, nullable = false)]
    pub assignment_id: Option<MeasureAssignmentId>,
}

/// What an app keeps for hours without a network.
#[derive(Debug, Serialize, ToSchema)]
pub struct OfflinePack {
    /// The language of the texts.
    #[schema(example = "en")]
    pub language: String,
    pub crisis: CrisisResources,
    /// My own plan, if I have written one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub safety_plan: Option<SafetyPlanContent>,
    /// Exercises to steady oneself with.
    pub grounding: Vec<OfferedPrompt>,
    #[schema(example = "Praxis am Park")]
    pub clinic_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "+49 30 901820")]
    pub clinic_phone: Option<String>,
}
