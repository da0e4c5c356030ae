//! Wire types of filled-in questionnaires.

use chrono::{DateTime, Utc};
use entity::ids::{MeasureAssignmentId, MeasureResponseId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{
    checkins::CrisisCard,
    measures::{
        answers::MeasureAnswer,
        definition::SafetyRule,
        scoring::{Change, ChangeDirection, Shown, shown},
    },
    page::PageQuery,
    safety,
    validate::{Checks, Validate},
};

/// A filled-in questionnaire.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MeasureResponseCreate {
    #[schema(example = "phq-9", max_length = 64)]
    pub measure_id: String,
    /// Version of the form that was shown.
    #[schema(example = "1.0.0", max_length = 64)]
    pub version: String,
    /// Language in which it was shown.
    #[schema(example = "en", max_length = 8)]
    pub language: String,
    /// What was answered; what was not is left out. A form that is not complete is kept without a total.
    #[schema(max_items = 100)]
    pub answers: Vec<MeasureAnswer>,
    /// When the form was opened.
    pub started_at: Option<DateTime<Utc>>,
    /// When it was filled in; now if left out. For forms filled in without a network.
    pub taken_at: Option<DateTime<Utc>>,
    /// The assignment that asked for it. The care team then sees the answers.
    pub assignment_id: Option<Uuid>,
    /// Show the care team a form that nobody asked for.
    #[serde(default)]
    pub shared: bool,
}

impl Validate for MeasureResponseCreate {
    fn validate(&self, checks: &mut Checks) {
        checks.text("/measure_id", Some(&self.measure_id), 1, 64);
        checks.text("/version", Some(&self.version), 1, 64);
        checks.text("/language", Some(&self.language), 1, 8);
        checks.items("/answers", &self.answers, 100);
    }
}

/// One number that the answers come to.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct MeasureScore {
    #[schema(example = "total")]
    pub id: String,
    #[schema(example = 12.0)]
    pub value: f64,
    /// Id of the band in which it lies. A name, not a diagnosis.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "moderate")]
    pub band: Option<String>,
}

/// The total beside earlier ones of the same questionnaire.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct MeasureChange {
    /// Now minus the last result.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = -6.0)]
    pub since_previous: Option<f64>,
    /// Now minus the first result.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = -9.0)]
    pub since_baseline: Option<f64>,
    /// `better`, `worse` or `no_meaningful_change` since the last result, where a threshold is published.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "better")]
    pub direction: Option<&'static str>,
    /// Whether the change since the last result is larger than the error of measurement, where that is published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reliable: Option<bool>,
    /// Whether it fell far enough since the first result; absent where that one was too low to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<bool>,
    /// Whether it is now as low as in people without the illness; absent where the first result was too low to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remission: Option<bool>,
}

impl From<Change> for MeasureChange {
    fn from(change: Change) -> Self {
        Self {
            since_previous: change.since_previous,
            since_baseline: change.since_baseline,
            direction: change.direction.map(|direction| match direction {
                ChangeDirection::Better => "better",
                ChangeDirection::Worse => "worse",
                ChangeDirection::NoMeaningfulChange => "no_meaningful_change",
            }),
            reliable: change.reliable,
            response: change.response,
            remission: change.remission,
        }
    }
}

/// What a filled-in questionnaire says, to whoever may read it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct MeasureResult {
    #[schema(example = "phq-9")]
    pub measure_id: String,
    #[schema(example = "1.0.0")]
    pub measure_version: String,
    #[schema(example = "en")]
    pub language: String,
    /// `complete`, or `partial` when required questions were left out.
    #[schema(example = "complete")]
    pub state: String,
    pub answers: Vec<MeasureAnswer>,
    /// Every score whose questions were all answered.
    pub scores: Vec<MeasureScore>,
    /// The score of the whole form. Absent when a question it needs was left out, or for a form without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 12.0)]
    pub total: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "moderate")]
    pub band: Option<String>,
    /// Absent without an earlier result.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub change: Option<MeasureChange>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<DateTime<Utc>>,
    pub taken_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>, nullable = false)]
    pub assignment_id: Option<MeasureAssignmentId>,
    /// When the patient shared a form that nobody asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared_at: Option<DateTime<Utc>>,
}

/// A filled-in questionnaire as its author reads it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct MeasureResponse {
    #[schema(value_type = Uuid)]
    pub id: MeasureResponseId,
    /// Rises with every change; the ETag.
    #[schema(example = 1)]
    pub version: i32,
    #[serde(flatten)]
    pub result: MeasureResult,
    /// Whether the care team sees it: because it asked for it, or because the patient shared it.
    #[schema(example = true)]
    pub visible_to_care_team: bool,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// Present in the answer to its creation when the answers call for it: show it at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub crisis_card: Option<CrisisCard>,
    /// Present in the answer to its creation when there is something to say, and no crisis card.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Please also call the clinic about this before your session.")]
    pub message: Option<String>,
}

impl MeasureResponse {
    /// With what the rules that hold have to say to its author at once.
    pub fn answering(self, held: &[&SafetyRule], locale: &str) -> Self {
        match shown(held, locale) {
            Shown::CrisisCard(words) => Self { crisis_card: Some(safety::card(words, locale)), ..self },
            Shown::Words(words) => Self { message: Some(words.to_owned()), ..self },
            Shown::Nothing => self,
        }
    }
}

/// A page of filled-in questionnaires, latest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct MeasureResponseList {
    pub items: Vec<MeasureResponse>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// What an answer raised for the care team. It asks somebody to look; it says nothing about what to do.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct MeasureFlag {
    #[schema(example = "phq9-item9-any")]
    pub rule: String,
    /// `urgent`, `high`, `moderate` or `info`.
    #[schema(example = "high")]
    pub level: &'static str,
    #[schema(example = "Item 9 is above zero. Contact the patient today.")]
    pub message: String,
    /// Whether the next dosing session needs a clinician's acknowledgement first.
    #[schema(example = true)]
    pub blocks_session: bool,
}

/// A filled-in questionnaire as the care team reads it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PatientMeasureResponse {
    #[schema(value_type = Uuid)]
    pub id: MeasureResponseId,
    #[serde(flatten)]
    pub result: MeasureResult,
    /// The gravest first. None says nothing about how safe somebody is.
    pub flags: Vec<MeasureFlag>,
    /// Patterns that the form names for clinicians, such as `provisional-ptsd`. None of them is a diagnosis.
    #[schema(example = json!(["provisional-ptsd"]))]
    pub patterns: Vec<String>,
}

/// A page of a patient's filled-in questionnaires, latest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct PatientMeasureResponseList {
    pub items: Vec<PatientMeasureResponse>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Which filled-in questionnaires, and which page of them.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MeasureResponseQuery {
    /// Only those of one questionnaire.
    #[param(example = "phq-9", max_length = 64)]
    pub measure_id: Option<String>,
    /// Items in a page.
    #[param(minimum = 1, maximum = 100, default = 20)]
    pub limit: Option<u64>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

impl Validate for MeasureResponseQuery {
    fn validate(&self, checks: &mut Checks) {
        checks.text("query/measure_id", self.measure_id.as_deref(), 1, 64);
        checks.range("query/limit", self.limit, 1, 100);
    }
}

impl MeasureResponseQuery {
    /// The page, and the name of the list it belongs to: a filter makes another list.
    pub fn split(self, operation: &str) -> (PageQuery, String, Option<String>) {
        let list = format!("{operation}:{}", self.measure_id.as_deref().unwrap_or_default());
        (PageQuery { limit: self.limit, cursor: self.cursor }, list, self.measure_id)
    }
}
