//! Wire types of goals.

use chrono::{DateTime, Utc};
use entity::ids::{AccountId, GoalId, GoalProgressId, JournalEntryId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    status::GoalStatus,
    target::{self, GoalTarget},
    templates,
};
use crate::{
    extract::Patch,
    validate::{Checks, Validate},
};

/// A step as it is sent: without `id` it is new, with the `id` of one of the goal's steps it is that one.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GoalStepInput {
    #[schema(example = "0198f3a0-7c00-7a10-8000-0000000000a1")]
    pub id: Option<Uuid>,
    #[schema(min_length = 1, max_length = 500, example = "Put the journal beside the bed")]
    pub text: String,
    /// When it was ticked off; absent while it is open.
    pub done_at: Option<DateTime<Utc>>,
}

/// A step on the way to a goal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GoalStep {
    #[schema(example = "0198f3a0-7c00-7a10-8000-0000000000a1")]
    pub id: Uuid,
    #[schema(example = "Put the journal beside the bed")]
    pub text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done_at: Option<DateTime<Utc>>,
}

/// A new goal. From a template it takes the title and the target, unless they are sent.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GoalCreate {
    /// An id of `GET /v1/goal-templates`.
    #[schema(example = "practice-three", max_length = 64)]
    pub template_id: Option<String>,
    /// Required without a template.
    #[schema(min_length = 1, max_length = 200, example = "Write three times a week")]
    pub title: Option<String>,
    #[schema(min_length = 1, max_length = 4000, example = "So that what I saw does not fade.")]
    pub description: Option<String>,
    #[serde(default)]
    #[schema(max_items = 20)]
    pub steps: Vec<GoalStepInput>,
    #[schema(nullable = false)]
    pub target: Option<GoalTarget>,
    /// My journal entries that belong to it.
    #[serde(default)]
    #[schema(value_type = Vec<Uuid>, max_items = 20)]
    pub entry_ids: Vec<JournalEntryId>,
    /// `planned`, `accepted` or `active`; `active` if left out.
    #[schema(nullable = false)]
    pub lifecycle_status: Option<GoalStatus>,
}

/// A goal that a therapist suggests. It counts once the patient agrees.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GoalProposal {
    /// An id of `GET /v1/goal-templates`.
    #[schema(example = "practice-three", max_length = 64)]
    pub template_id: Option<String>,
    /// Required without a template.
    #[schema(min_length = 1, max_length = 200, example = "Write three times a week")]
    pub title: Option<String>,
    #[schema(min_length = 1, max_length = 4000, example = "As we discussed on Tuesday.")]
    pub description: Option<String>,
    #[serde(default)]
    #[schema(max_items = 20)]
    pub steps: Vec<GoalStepInput>,
    #[schema(nullable = false)]
    pub target: Option<GoalTarget>,
}

/// What to change of a goal: absent stays, null clears (RFC 7396). Of a proposal only `lifecycle_status` can be
/// changed before it is agreed to.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GoalPatch {
    #[schema(nullable = false, min_length = 1, max_length = 200, example = "Write twice a week")]
    pub title: Option<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 4000, example = "Mornings work best.")]
    pub description: Patch<String>,
    /// All steps, in their new order; a step that is not among them is gone.
    #[schema(nullable = false, max_items = 20)]
    pub steps: Option<Vec<GoalStepInput>>,
    /// The whole target; null takes it away.
    #[serde(default)]
    #[schema(value_type = Option<GoalTarget>, nullable = false)]
    pub target: Patch<GoalTarget>,
    /// All journal entries that belong to it.
    #[schema(value_type = Option<Vec<Uuid>>, nullable = false, max_items = 20)]
    pub entry_ids: Option<Vec<JournalEntryId>>,
    #[schema(nullable = false)]
    pub lifecycle_status: Option<GoalStatus>,
}

impl GoalPatch {
    /// Whether it changes anything but the status.
    pub fn changes_words(&self) -> bool {
        let kept = self.title.is_none() && self.steps.is_none() && self.entry_ids.is_none();
        !kept || self.description != Patch::Keep || self.target != Patch::Keep
    }
}

/// A goal as its owner reads it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Goal {
    #[schema(value_type = Uuid)]
    pub id: GoalId,
    /// Rises with every change; the ETag.
    #[schema(example = 1)]
    pub version: i32,
    pub lifecycle_status: GoalStatus,
    pub status_changed_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "practice-three")]
    pub template_id: Option<String>,
    #[schema(example = "Write three times a week")]
    pub title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "So that what I saw does not fade.")]
    pub description: Option<String>,
    pub steps: Vec<GoalStep>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub target: Option<GoalTarget>,
    #[schema(value_type = Vec<Uuid>)]
    pub entry_ids: Vec<JournalEntryId>,
    /// The member of the care team who suggested it; none for one's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>)]
    pub proposed_by: Option<AccountId>,
    /// When a proposal was agreed to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agreed_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// A page of goals, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct GoalList {
    pub items: Vec<Goal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// A goal as a member of the care team reads it: one they suggested, or one that was shared with them.
#[derive(Debug, Serialize, ToSchema)]
pub struct SharedGoal {
    #[schema(value_type = Uuid)]
    pub id: GoalId,
    pub lifecycle_status: GoalStatus,
    pub status_changed_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "practice-three")]
    pub template_id: Option<String>,
    #[schema(example = "Write three times a week")]
    pub title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "As we discussed on Tuesday.")]
    pub description: Option<String>,
    pub steps: Vec<GoalStep>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub target: Option<GoalTarget>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>)]
    pub proposed_by: Option<AccountId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agreed_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// A page of goals that a member of the care team may read, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct SharedGoalList {
    pub items: Vec<SharedGoal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// A new note on the way.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GoalProgressCreate {
    #[schema(
        min_length = 1,
        max_length = 2000,
        example = "Wrote on Monday and Thursday; the mornings are easier."
    )]
    pub note: String,
}

/// What to change of a note.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GoalProgressPatch {
    #[schema(nullable = false, min_length = 1, max_length = 2000, example = "Wrote three times.")]
    pub note: Option<String>,
}

/// A note on the way to a goal. Only its author reads it.
#[derive(Debug, Serialize, ToSchema)]
pub struct GoalProgress {
    #[schema(value_type = Uuid)]
    pub id: GoalProgressId,
    #[schema(value_type = Uuid)]
    pub goal_id: GoalId,
    /// Rises with every change; the ETag.
    #[schema(example = 1)]
    pub version: i32,
    #[schema(example = "Wrote on Monday and Thursday; the mornings are easier.")]
    pub note: String,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// A page of notes, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct GoalProgressList {
    pub items: Vec<GoalProgress>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// How long to share a goal.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GoalShareRequest {
    /// Closed again from this instant on.
    pub until: Option<DateTime<Utc>>,
}

/// Who may read a goal.
#[derive(Debug, Serialize, ToSchema)]
pub struct GoalShare {
    #[schema(value_type = Uuid)]
    pub member_id: AccountId,
    pub shared_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
}

/// Everybody who may read a goal now.
#[derive(Debug, Serialize, ToSchema)]
pub struct GoalShareList {
    pub items: Vec<GoalShare>,
}

fn check_steps(checks: &mut Checks, steps: &[GoalStepInput]) {
    checks.items("/steps", steps, 20);
    for (index, step) in steps.iter().enumerate().take(20) {
        checks.text(&format!("/steps/{index}/text"), Some(&step.text), 1, 500);
    }
}

fn check_words(
    checks: &mut Checks,
    (title, description): (Option<&str>, Option<&str>),
    steps: &[GoalStepInput],
    target: Option<&GoalTarget>,
) {
    checks.text("/title", title, 1, 200);
    checks.text("/description", description, 1, 4000);
    check_steps(checks, steps);
    if let Some(target) = target {
        target::check(checks, target);
    }
}

fn check_template(checks: &mut Checks, template: Option<&str>, title: Option<&str>) {
    let Some(id) = template else {
        checks.require(title.is_some(), "/title", "required", "is required without a template");
        return;
    };
    let detail = "must be an id of GET /v1/goal-templates";
    checks.require(templates::find(id).is_some(), "/template_id", "unknown_template", detail);
}

impl Validate for GoalCreate {
    fn validate(&self, checks: &mut Checks) {
        check_template(checks, self.template_id.as_deref(), self.title.as_deref());
        let words = (self.title.as_deref(), self.description.as_deref());
        check_words(checks, words, &self.steps, self.target.as_ref());
        checks.items("/entry_ids", &self.entry_ids, 20);
        let begins = [GoalStatus::Planned, GoalStatus::Accepted, GoalStatus::Active];
        let begun = self.lifecycle_status.is_none_or(|status| begins.contains(&status));
        let detail = "must be one of: planned, accepted, active";
        checks.require(begun, "/lifecycle_status", "unknown_value", detail);
    }
}

impl Validate for GoalProposal {
    fn validate(&self, checks: &mut Checks) {
        check_template(checks, self.template_id.as_deref(), self.title.as_deref());
        let words = (self.title.as_deref(), self.description.as_deref());
        check_words(checks, words, &self.steps, self.target.as_ref());
    }
}

impl Validate for GoalPatch {
    fn validate(&self, checks: &mut Checks) {
        let words = (self.title.as_deref(), self.description.value().map(String::as_str));
        check_words(checks, words, self.steps.as_deref().unwrap_or_default(), self.target.value());
        checks.items("/entry_ids", self.entry_ids.as_deref().unwrap_or_default(), 20);
    }
}

impl Validate for GoalProgressCreate {
    fn validate(&self, checks: &mut Checks) {
        checks.text("/note", Some(&self.note), 1, 2000);
    }
}

impl Validate for GoalProgressPatch {
    fn validate(&self, checks: &mut Checks) {
        checks.text("/note", self.note.as_deref(), 1, 2000);
    }
}

impl Validate for GoalShareRequest {
    fn validate(&self, _: &mut Checks) {}
}
