//! Wire types of erasure.

use chrono::{DateTime, Utc};
use entity::erasures;
use serde::Serialize;
use utoipa::ToSchema;

use super::texts;

/// Whether everything of mine is about to be erased, and what that means.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccountErasure {
    /// When I asked for it; absent when nothing is about to be erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_at: Option<DateTime<Utc>>,
    /// When it happens. Until then I can stop it, and everything works as before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due_at: Option<DateTime<Utc>>,
    /// What will be gone.
    #[schema(example = json!(["Your journal with its recordings and drawings, your check-ins, goals, reminders and safety plan."]))]
    pub goes: Vec<String>,
    /// What the clinic keeps, and why.
    #[schema(example = json!(["That you agreed to something, when, and to which words."]))]
    pub stays: Vec<String>,
}

impl AccountErasure {
    pub fn new(row: Option<&erasures::Model>, locale: &str) -> Self {
        Self {
            requested_at: row.map(|row| row.requested_at),
            due_at: row.map(|row| row.due_at),
            goes: texts::goes(locale),
            stays: texts::stays(locale),
        }
    }
}
