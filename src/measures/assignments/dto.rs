//! Wire types of questionnaires that were asked for.

use chrono::{DateTime, Utc};
use entity::ids::{AccountId, MeasureAssignmentId, MeasureResponseId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    page::PageQuery,
    validate::{Checks, Validate},
};

/// Where an assignment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MeasureAssignmentState {
    /// Not answered yet, also when it is overdue.
    Open,
    Done,
    Cancelled,
}

impl MeasureAssignmentState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What to ask a patient for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MeasureAssignmentCreate {
    #[schema(example = "gad-7", max_length = 64)]
    pub measure_id: String,
    /// From when on it is asked for; now if left out.
    pub opens_at: Option<DateTime<Utc>>,
    /// By when it should be filled in. Later answers are taken too.
    pub due_at: DateTime<Utc>,
}

impl Validate for MeasureAssignmentCreate {
    fn validate(&self, checks: &mut Checks) {
        checks.text("/measure_id", Some(&self.measure_id), 1, 64);
    }
}

/// A questionnaire that was asked for. What is answered under it is seen by the care team.
#[derive(Debug, Serialize, ToSchema)]
pub struct MeasureAssignment {
    #[schema(value_type = Uuid)]
    pub id: MeasureAssignmentId,
    /// Rises with every change.
    #[schema(example = 1)]
    pub version: i32,
    #[schema(example = "gad-7")]
    pub measure_id: String,
    /// Who asks.
    #[schema(value_type = Uuid)]
    pub member_id: AccountId,
    #[schema(example = "open")]
    pub state: String,
    pub opens_at: DateTime<Utc>,
    pub due_at: DateTime<Utc>,
    /// What was answered, once it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>, nullable = false)]
    pub response_id: Option<MeasureResponseId>,
    /// When it was answered or cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
}

/// A page of assignments, latest due first.
#[derive(Debug, Serialize, ToSchema)]
pub struct MeasureAssignmentList {
    pub items: Vec<MeasureAssignment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Which assignments, and which page of them.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MeasureAssignmentQuery {
    /// Only those that stand so.
    #[param(inline)]
    pub state: Option<MeasureAssignmentState>,
    /// Items in a page.
    #[param(minimum = 1, maximum = 100, default = 20)]
    pub limit: Option<u64>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

impl Validate for MeasureAssignmentQuery {
    fn validate(&self, checks: &mut Checks) {
        checks.range("query/limit", self.limit, 1, 100);
    }
}

impl MeasureAssignmentQuery {
    /// The page, and the name of the list it belongs to: a filter makes another list.
    pub fn split(self, operation: &str) -> (PageQuery, String, Option<MeasureAssignmentState>) {
        let list = format!("{operation}:{}", self.state.map_or("", MeasureAssignmentState::as_str));
        (PageQuery { limit: self.limit, cursor: self.cursor }, list, self.state)
    }
}
