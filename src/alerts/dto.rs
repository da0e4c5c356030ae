//! Wire types of alerts. Their doc comments are the API's documentation.

use chrono::{DateTime, Utc};
use entity::ids::{AccountId, AlertId, PatientId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{
    measures::Responder,
    page::PageQuery,
    validate::{Checks, Validate},
};

/// An answer that called for somebody.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Alert {
    #[schema(value_type = Uuid)]
    pub id: AlertId,
    #[schema(value_type = Uuid)]
    pub patient_id: PatientId,
    #[schema(example = "Ana")]
    pub patient_name: String,
    /// `info`, `moderate`, `high` or `urgent`.
    #[schema(example = "high")]
    pub level: String,
    /// The rule that raised it.
    #[schema(example = "phq9-item9-any")]
    pub rule: String,
    /// What the rule says to clinicians.
    #[schema(example = "PHQ-9 item 9 answered above 0. Follow the clinic's protocol.")]
    pub says: String,
    /// The next dosing session does not start before somebody has acknowledged this.
    #[schema(example = false)]
    pub blocks_session: bool,
    /// `checkin` or `measure_response`.
    #[schema(example = "measure_response")]
    pub source_kind: String,
    pub raised_at: DateTime<Utc>,
    /// How many steps of the clinic's ladder were told so far.
    #[schema(example = 1)]
    pub step: i32,
    /// When the next step is told unless somebody acknowledges it; absent when it waits for the next review.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_step_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub acknowledgement: Option<AlertAcknowledgement>,
}

/// Who has taken an alert upon them.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AlertAcknowledgement {
    pub at: DateTime<Utc>,
    #[schema(value_type = Uuid)]
    pub member_id: AccountId,
    #[schema(example = "Bo Lindqvist")]
    pub display_name: String,
    /// What they wrote down; for clinicians only.
    #[schema(example = "Called her at 21:40. Safe at home with her sister; we meet tomorrow at nine.")]
    pub reason: String,
}

/// Alerts, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct AlertList {
    pub items: Vec<Alert>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Which alerts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// Nobody has acknowledged them.
    #[default]
    Open,
    Acknowledged,
}

/// Which alerts, and which page of them.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AlertQuery {
    #[serde(default)]
    #[param(inline)]
    pub state: AlertState,
    /// Items in a page.
    #[param(minimum = 1, maximum = 100, default = 20)]
    pub limit: Option<u64>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

impl AlertQuery {
    pub fn page(self) -> PageQuery {
        PageQuery { limit: self.limit, cursor: self.cursor }
    }
}

impl Validate for AlertQuery {
    fn validate(&self, checks: &mut Checks) {
        checks.range("query/limit", self.limit, 1, 100);
    }
}

/// Taking an alert upon oneself.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertAcknowledge {
    /// What was done, or why nothing has to be; kept in the clinic's record.
    #[schema(
        min_length = 1,
        max_length = 2000,
        example = "Called her at 21:40. Safe at home with her sister; we meet tomorrow at nine."
    )]
    pub reason: String,
}

impl Validate for AlertAcknowledge {
    fn validate(&self, checks: &mut Checks) {
        checks.text("/reason", Some(self.reason.trim()), 1, 2_000);
    }
}

/// Somebody was told of an answer of mine.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AlertTold {
    pub to: Responder,
    /// When a push service or a mail server took it for them; whether it was seen is another matter.
    pub at: DateTime<Utc>,
}

/// What became of an answer of mine that called for somebody.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct OwnAlert {
    #[schema(value_type = Uuid)]
    pub id: AlertId,
    /// `checkin` or `measure_response`.
    #[schema(example = "checkin")]
    pub source_kind: String,
    #[schema(value_type = Uuid)]
    pub source_id: Uuid,
    pub raised_at: DateTime<Utc>,
    /// Who was told, in the order in which they were; empty while nobody has been reached.
    pub told: Vec<AlertTold>,
    /// When somebody took it upon them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen_at: Option<DateTime<Utc>>,
    /// Who did.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Bo Lindqvist")]
    pub seen_by: Option<String>,
}

/// What became of answers of mine that called for somebody, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct OwnAlertList {
    pub items: Vec<OwnAlert>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
    /// To be shown with them, in the reader's language.
    #[schema(
        example = "Nobody watches this app around the clock. Messages here are not an emergency service."
    )]
    pub notice: &'static str,
}
