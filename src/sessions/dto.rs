//! Wire types of sessions.

use chrono::{DateTime, Utc};
use entity::ids::{AccountId, PatientId, SessionId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{
    content::protocols,
    reminders::{SessionReminder, rules::session::SessionState},
    validate::{Checks, Validate},
};

/// A session to schedule.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionCreate {
    /// `evaluation`, `preparation`, `dosing`, `integration`, `follow-up` or `group`.
    #[schema(example = "dosing", max_length = 32)]
    pub kind: String,
    /// Only for `dosing`: `iv`, `im`, `intranasal` or `oral-sublingual`.
    #[schema(example = "im", max_length = 32)]
    pub route: Option<String>,
    /// `clinic`, `home` or `telehealth`.
    #[serde(default = "at_the_clinic")]
    #[schema(example = "clinic", max_length = 32)]
    pub location: String,
    pub starts_at: DateTime<Utc>,
    /// Left out: the usual length of this kind.
    #[schema(minimum = 5, maximum = 720, example = 150)]
    pub duration_minutes: Option<i64>,
    /// What the rows of one group session share, one row a patient; they may be at the same time.
    pub group_id: Option<Uuid>,
}

fn at_the_clinic() -> String {
    "clinic".to_owned()
}

/// What to change of a session that has not started; what is left out stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionPatch {
    pub starts_at: Option<DateTime<Utc>>,
    #[schema(minimum = 5, maximum = 720, example = 150)]
    pub duration_minutes: Option<i64>,
    #[schema(example = "clinic", max_length = 32)]
    pub location: Option<String>,
    /// Moves every later planned session of the same plan by as many days, fitted to the clinic's hours again. Only
    /// with `starts_at`.
    #[serde(default)]
    #[schema(example = false)]
    pub shift_following: bool,
}

/// A session.
#[derive(Debug, Serialize, ToSchema)]
pub struct Session {
    #[schema(value_type = Uuid)]
    pub id: SessionId,
    #[schema(value_type = Uuid)]
    pub patient_id: PatientId,
    /// Whom the session is with.
    #[schema(value_type = Uuid)]
    pub member_id: AccountId,
    /// Rises with every change; the ETag.
    #[schema(example = 1)]
    pub version: i32,
    #[schema(example = "dosing")]
    pub kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "im")]
    pub route: Option<String>,
    #[schema(example = "clinic")]
    pub location: String,
    pub state: SessionState,
    pub starts_at: DateTime<Utc>,
    pub ends_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<DateTime<Utc>>,
    /// The plan it is part of, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan_id: Option<Uuid>,
    /// Its name within that plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "dosing-1")]
    pub plan_key: Option<String>,
    /// What the rows of one group session share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_id: Option<Uuid>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// When a session was over.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CompletionQuery {
    /// Left out: now, or the planned end when that was more than two hours ago. What follows the session counts from it.
    pub ended_at: Option<DateTime<Utc>>,
}

/// A session with the reminders that its change planned: what cannot be sent is said here, not when it is too late.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScheduledSession {
    #[serde(flatten)]
    pub session: Session,
    pub reminders: Vec<SessionReminder>,
}

/// A page of sessions, latest start first.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionList {
    pub items: Vec<Session>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Where a session can be.
pub const LOCATIONS: [&str; 3] = ["clinic", "home", "telehealth"];

pub fn check_location(checks: &mut Checks, location: &str) {
    let detail = format!("must be one of: {}", LOCATIONS.join(", "));
    checks.require(LOCATIONS.contains(&location), "/location", "unknown_value", detail);
}

impl Validate for SessionCreate {
    fn validate(&self, checks: &mut Checks) {
        let kinds: Vec<&str> = protocols().session_kinds.iter().map(|kind| kind.id.as_str()).collect();
        let detail = format!("must be one of: {}", kinds.join(", "));
        checks.require(kinds.contains(&self.kind.as_str()), "/kind", "unknown_value", detail);
        let routes: Vec<&str> = protocols().routes.iter().map(|route| route.id.as_str()).collect();
        if let Some(route) = &self.route {
            let detail = format!("must be one of: {}", routes.join(", "));
            checks.require(routes.contains(&route.as_str()), "/route", "unknown_value", detail);
            checks.require(
                self.kind == "dosing",
                "/route",
                "dosing_only",
                "only a dosing session has a route",
            );
        }
        check_location(checks, &self.location);
        checks.range("/duration_minutes", self.duration_minutes, 5, 720);
    }
}

impl Validate for CompletionQuery {
    fn validate(&self, _: &mut Checks) {}
}

impl Validate for SessionPatch {
    fn validate(&self, checks: &mut Checks) {
        let alone = self.shift_following && self.starts_at.is_none();
        checks.require(
            !alone,
            "/shift_following",
            "needs_starts_at",
            "say with starts_at where this one goes",
        );
        if let Some(location) = &self.location {
            check_location(checks, location);
        }
        checks.range("/duration_minutes", self.duration_minutes, 5, 720);
    }
}
