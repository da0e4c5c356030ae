//! Wire types of sync.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{
    checkins::{Checkin, CrisisCard},
    error::FieldError,
    goals::{GoalProgress, SyncedGoal},
    journal::SyncedEntry,
    measures::{MeasureAssignment, MeasureResponse},
    plans::Plan,
    prompts::SyncedFavourites,
    reminders::{DeliveryPolicy, Reminder},
    safety::SyncedSafetyPlan,
    sessions::{Session, SyncedIntention, SyncedReadiness},
    validate::{Checks, Validate},
};

/// Most operations of a push.
pub const MOST_OPS: usize = 200;
/// Most changes of a page.
pub const MOST_CHANGES: u64 = 500;

/// A kind of row that devices keep.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum SyncCollection {
    Checkins,
    /// With whom they are shared with.
    JournalEntries,
    Reminders,
    /// One row, with the patient's own id. A pause is set and ended with a network.
    DeliveryPolicy,
    /// Read only.
    Sessions,
    /// With whom they are shared with. The notes of a goal that is deleted go with it.
    Goals,
    /// `fields` of a new one are `goal_id` and `note`.
    GoalProgress,
    /// What was handed in stays as it is: a change has only `shared`. A worrying answer brings its crisis card, however
    /// late it comes.
    MeasureResponses,
    /// Read only.
    MeasureAssignments,
    /// Read only.
    Plans,
    /// One row, with the patient's own id. A change says all of the plan; before the first, `base_version` is 0.
    SafetyPlan,
    /// One row, with the patient's own id. A change marks one exercise: `prompt_id` and `active`.
    PromptFavourites,
    /// With the id of their session, and a version of their own.
    SessionIntentions,
    /// With the id of their session. A change ticks one thing off: `item` and `done`.
    SessionReadiness,
}

/// From where on, and how much.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SyncQuery {
    /// `next` of the answer before. Leave it out to begin with nothing.
    pub since: Option<String>,
    /// Changes in a page.
    #[param(minimum = 1, maximum = 500, default = 200)]
    pub limit: Option<u64>,
}

impl Validate for SyncQuery {
    fn validate(&self, checks: &mut Checks) {
        checks.range("query/limit", self.limit, 1, MOST_CHANGES);
    }
}

/// What happened in one collection.
#[derive(Debug, Serialize, ToSchema)]
pub struct SyncChanges<T> {
    /// Rows that are new or changed, as they are now. Put each in the place of the row with its id.
    pub upserts: Vec<T>,
    /// Ids of rows that are gone. An id that is not known here is none to worry about.
    pub deleted: Vec<Uuid>,
}

impl<T> Default for SyncChanges<T> {
    fn default() -> Self {
        Self { upserts: Vec::new(), deleted: Vec::new() }
    }
}

/// What changed since the device last asked, oldest change first.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct SyncPage {
    /// The device has to begin with nothing: it was away for longer than deletions are remembered. Forget every row
    /// that came from here, keep what was not sent yet, and take this page as the first.
    #[schema(example = false)]
    pub reset: bool,
    /// Ask again at once with `next`.
    #[schema(example = false)]
    pub has_more: bool,
    /// Where this page ends; `since` of the next request. Keep it together with the rows.
    #[schema(example = "BQAAAAAAAAAqAAAAAAAAAAB_____AZf")]
    pub next: String,
    pub checkins: SyncChanges<Checkin>,
    pub journal_entries: SyncChanges<SyncedEntry>,
    pub reminders: SyncChanges<Reminder>,
    pub delivery_policy: SyncChanges<DeliveryPolicy>,
    pub sessions: SyncChanges<Session>,
    pub goals: SyncChanges<SyncedGoal>,
    pub goal_progress: SyncChanges<GoalProgress>,
    pub measure_responses: SyncChanges<MeasureResponse>,
    pub measure_assignments: SyncChanges<MeasureAssignment>,
    pub plans: SyncChanges<Plan>,
    pub safety_plan: SyncChanges<SyncedSafetyPlan>,
    pub prompt_favourites: SyncChanges<SyncedFavourites>,
    pub session_intentions: SyncChanges<SyncedIntention>,
    pub session_readiness: SyncChanges<SyncedReadiness>,
}

/// What a device did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SyncOpKind {
    Create,
    Update,
    Delete,
}

/// One thing a device did while it was offline.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SyncOp {
    /// Made by the device once for this operation, and the same whenever it is sent again: it is then done once.
    /// Without it, operations that are equal in everything are taken for one.
    #[schema(example = "0198f3c2-6d1e-7c3a-9b57-2f6a0c1d4e8b", nullable = false)]
    pub op_id: Option<Uuid>,
    pub collection: SyncCollection,
    pub kind: SyncOpKind,
    /// Of the row. The device makes the id of a row that it creates.
    #[schema(example = "0198f3c2-6d1e-7c3a-9b57-2f6a0c1d4e8c")]
    pub id: Uuid,
    /// The `version` that the device had of the row when it was changed; for further changes before the first is
    /// answered, the same again. Needed for `update` and `delete`, unless an operation before it in this push made
    /// the row.
    #[schema(example = 1, nullable = false)]
    pub base_version: Option<i32>,
    /// For `create` and `update`: the body that the collection's own operation takes.
    #[serde(default)]
    #[schema(value_type = Option<Object>, nullable = false,
        example = json!({"title": "The day after", "fields": {"text": "The river was still there."}}))]
    pub fields: Option<Box<RawValue>>,
}

/// What a device did while it was offline, in the order in which it was done. Up to 200 operations, kept together or
/// not at all; one that is refused does not keep the others from being done.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SyncPush {
    #[schema(max_items = 200)]
    pub ops: Vec<SyncOp>,
}

impl Validate for SyncPush {
    fn validate(&self, checks: &mut Checks) {
        checks.items("/ops", &self.ops, MOST_OPS);
    }
}

/// What became of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SyncStatus {
    /// It was done.
    Applied,
    /// It was done before, or says what is there already. Nothing was changed.
    Duplicate,
    /// The row had been changed elsewhere. `current` is what stays; what the device wrote is in `copy`, if it had
    /// other words. A deletion was not done: the person has not seen what would go.
    Conflict,
    /// It was not done; see `problem`. Keep it, change it, and send it under another `op_id`.
    Refused,
}

/// Why an operation was refused.
#[derive(Debug, Serialize, ToSchema)]
pub struct SyncProblem {
    /// Stable, for programs; those of the collection's own operations.
    #[schema(example = "invalid_fields")]
    pub code: String,
    #[schema(example = "Some fields were not accepted; see errors.")]
    pub detail: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

/// Where the words of a device went that stood against others.
#[derive(Debug, Serialize, ToSchema)]
pub struct SyncCopy {
    pub collection: SyncCollection,
    pub id: Uuid,
    /// What it says calls for it: show it at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub crisis_card: Option<CrisisCard>,
}

/// A row of one of the collections, in the part of its name.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct SyncRow {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub checkin: Option<Checkin>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub journal_entry: Option<SyncedEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reminder: Option<Reminder>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub goal: Option<SyncedGoal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub goal_progress: Option<GoalProgress>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub delivery_policy: Option<DeliveryPolicy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub measure_response: Option<MeasureResponse>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub safety_plan: Option<SyncedSafetyPlan>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub prompt_favourites: Option<SyncedFavourites>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub session_intention: Option<SyncedIntention>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub session_readiness: Option<SyncedReadiness>,
}

impl SyncRow {
    pub fn version(&self) -> Option<i32> {
        let parts = [
            self.checkin.as_ref().map(|row| row.version),
            self.journal_entry.as_ref().map(|row| row.entry.version),
            self.reminder.as_ref().map(|row| row.version),
            self.goal.as_ref().map(|row| row.goal.version),
            self.goal_progress.as_ref().map(|row| row.version),
            self.delivery_policy.as_ref().map(|row| row.version),
            self.measure_response.as_ref().map(|row| row.version),
            self.safety_plan.as_ref().map(|row| row.version),
            self.prompt_favourites.as_ref().map(|row| row.version),
            self.session_intention.as_ref().map(|row| row.version),
            self.session_readiness.as_ref().map(|row| row.version),
        ];
        parts.into_iter().flatten().next()
    }
}

/// What became of one operation.
#[derive(Debug, Serialize, ToSchema)]
pub struct SyncResult {
    pub id: Uuid,
    pub status: SyncStatus,
    /// Of the row after this push, if it is there; with the last operation on the row.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 2)]
    pub version: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub problem: Option<SyncProblem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub copy: Option<SyncCopy>,
    /// The row after this push, if it is there; with the last operation on the row. A very low check-in or a
    /// worrying form brings its crisis card: show it at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub current: Option<SyncRow>,
}

/// What became of each operation, in their order.
#[derive(Debug, Serialize, ToSchema)]
pub struct SyncResults {
    pub results: Vec<SyncResult>,
}
