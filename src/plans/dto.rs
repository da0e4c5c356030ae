//! Wire types of plans.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use entity::ids::{AccountId, ClinicId, PatientId, PlanId, SessionId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    hours::{self, Opening},
    templates::{PlanTemplate, check_templates},
};
use crate::{
    content::protocols,
    reminders::rules::localtime::LocalTime,
    sessions::{LOCATIONS, Session},
    validate::{Checks, Validate},
};

/// Most sessions of one plan.
pub const MOST_SESSIONS: usize = 40;

/// A plan to start.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanCreate {
    /// An id from `GET /plan-templates`.
    #[schema(example = "kap-weekly-4", min_length = 1, max_length = 64)]
    pub template_id: String,
    /// The day of the first dosing session; a day on which the clinic is closed moves to the next open one.
    #[schema(example = "2026-12-14")]
    pub first_dosing_on: NaiveDate,
    /// When sessions should begin, on the clinic's wall clock; left out, when the clinic opens.
    #[schema(value_type = Option<String>, example = "10:00")]
    pub time: Option<LocalTime>,
    /// `iv`, `im`, `intranasal` or `oral-sublingual`, as far as the template offers it; needed where it has dosing
    /// sessions.
    #[schema(example = "im", max_length = 32)]
    pub route: Option<String>,
    /// With whom, of the patient's care team; left out, with me.
    #[schema(value_type = Option<Uuid>)]
    pub member_id: Option<AccountId>,
    /// Other places than the template's, by session key: `clinic`, `home` or `telehealth`.
    #[serde(default)]
    #[schema(example = json!({"preparation-2": "clinic"}))]
    pub locations: BTreeMap<String, String>,
    /// Sessions that several patients have together, by session key: the id that the group shares.
    #[serde(default)]
    #[schema(example = json!({}))]
    pub groups: BTreeMap<String, Uuid>,
    /// Keys of sessions that this plan does without, such as an evaluation that has taken place already.
    #[serde(default)]
    #[schema(max_items = 40, example = json!(["evaluation-1"]))]
    pub leave_out: Vec<String>,
    /// Starts the plan without the questionnaires of its template.
    #[serde(default)]
    #[schema(example = false)]
    pub without_measures: bool,
}

impl Validate for PlanCreate {
    fn validate(&self, checks: &mut Checks) {
        checks.text("/template_id", Some(&self.template_id), 1, 64);
        let routes: Vec<&str> = protocols().routes.iter().map(|route| route.id.as_str()).collect();
        if let Some(route) = &self.route {
            let detail = format!("must be one of: {}", routes.join(", "));
            checks.require(routes.contains(&route.as_str()), "/route", "unknown_value", detail);
        }
        let detail = format!("must be one of: {}", LOCATIONS.join(", "));
        for (key, location) in self.locations.iter().take(MOST_SESSIONS) {
            let pointer = format!("/locations/{}", escaped(key));
            checks.require(
                LOCATIONS.contains(&location.as_str()),
                &pointer,
                "unknown_value",
                detail.as_str(),
            );
        }
        checks.items("/leave_out", &self.leave_out, MOST_SESSIONS);
    }
}

/// A name as a part of a JSON Pointer.
pub fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Where a plan stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PlanState {
    Active,
    Completed,
    Cancelled,
}

impl PlanState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What becomes of a plan.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanPatch {
    /// `cancelled` also cancels its sessions still to come, their reminders and its open questionnaires; `completed`
    /// needs every session behind it.
    #[schema(example = "cancelled")]
    pub state: PlanState,
}

impl Validate for PlanPatch {
    fn validate(&self, checks: &mut Checks) {
        let detail = "must be completed or cancelled; start a new plan instead of an old one again";
        checks.require(self.state != PlanState::Active, "/state", "unknown_value", detail);
    }
}

/// A plan, without its sessions.
#[derive(Debug, Serialize, ToSchema)]
pub struct Plan {
    #[schema(value_type = Uuid)]
    pub id: PlanId,
    #[schema(value_type = Uuid)]
    pub patient_id: PatientId,
    /// Rises with every change; the ETag.
    #[schema(example = 1)]
    pub version: i32,
    #[schema(value_type = Uuid)]
    pub clinic_id: ClinicId,
    /// With whom.
    #[schema(value_type = Uuid)]
    pub member_id: AccountId,
    #[schema(value_type = Uuid)]
    pub started_by: AccountId,
    #[schema(example = "kap-weekly-4")]
    pub template_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "im")]
    pub route: Option<String>,
    /// As it was fitted when the plan was started.
    #[schema(example = "2026-12-14")]
    pub first_dosing_on: NaiveDate,
    /// The clinic's zone when the plan was started.
    #[schema(example = "Europe/Berlin")]
    pub time_zone: String,
    #[schema(example = "active")]
    pub state: String,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// A plan with its sessions, in the order in which they take place.
#[derive(Debug, Serialize, ToSchema)]
pub struct PlanWithSessions {
    #[serde(flatten)]
    pub plan: Plan,
    pub sessions: Vec<Session>,
}

/// A reminder of a plan that cannot be sent, said when there is still time to do something else.
#[derive(Debug, Serialize, ToSchema)]
pub struct UnsentReminder {
    #[schema(value_type = Uuid)]
    pub session_id: SessionId,
    /// The template of the content it comes from.
    #[schema(example = "dosing-plan-week")]
    pub template_id: String,
    pub due_at: DateTime<Utc>,
    #[schema(example = "scheduled_late")]
    pub reason: String,
}

/// A plan that was just started: its sessions, how many reminders it planned, and which of them cannot be sent.
#[derive(Debug, Serialize, ToSchema)]
pub struct StartedPlan {
    #[serde(flatten)]
    pub plan: PlanWithSessions,
    #[schema(example = 96)]
    pub reminders_planned: usize,
    pub reminders_unsent: Vec<UnsentReminder>,
    /// Questionnaires that were asked for.
    #[schema(example = 8)]
    pub measures_assigned: usize,
}

/// A page of plans, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct PlanList {
    pub items: Vec<Plan>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// The templates that a plan can be started from.
#[derive(Debug, Serialize, ToSchema)]
pub struct PlanTemplateList {
    pub items: Vec<PlanTemplate>,
}

/// The clinic's own templates, to be written as a whole.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClinicPlanTemplatesInput {
    /// One with the id of an embedded template takes its place.
    #[schema(max_items = 20)]
    pub templates: Vec<PlanTemplate>,
}

impl Validate for ClinicPlanTemplatesInput {
    fn validate(&self, checks: &mut Checks) {
        check_templates(checks, &self.templates);
    }
}

/// The clinic's own templates.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClinicPlanTemplates {
    /// 0 before the first were written; the ETag.
    #[schema(example = 1)]
    pub version: i32,
    pub templates: Vec<PlanTemplate>,
}

/// When the clinic is open in a week.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClinicHoursInput {
    #[schema(min_items = 1, max_items = 21)]
    pub openings: Vec<Opening>,
}

impl Validate for ClinicHoursInput {
    fn validate(&self, checks: &mut Checks) {
        hours::check(checks, "/openings", &self.openings);
    }
}

/// When the clinic is open in a week, on its own wall clock.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClinicHours {
    /// The clinic's version; the ETag.
    #[schema(example = 2)]
    pub version: i32,
    #[schema(example = "Europe/Berlin")]
    pub time_zone: String,
    pub openings: Vec<Opening>,
}
