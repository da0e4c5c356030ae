//! Wire types of the journal.

use chrono::{DateTime, Utc};
use entity::ids::{AccountId, JournalEntryId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::rules;
use crate::{
    extract::Patch,
    validate::{Checks, Validate},
};

/// Whether an entry is still being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EntryState {
    /// Kept, but never shared.
    Draft,
    Final,
}

impl EntryState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Final => "final",
        }
    }

    pub fn parse(text: &str) -> Self {
        if text == "draft" { Self::Draft } else { Self::Final }
    }
}

/// What somebody wrote, in the shape of the template.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EntryFields {
    /// The words, kept exactly as written. Nobody sees them unless you share the entry, and nobody watches around the
    /// clock.
    #[schema(min_length = 1, max_length = 20000, example = "The river was wide and I was not afraid of it.")]
    pub text: String,
    /// Words of the form, such as `calm` or `tired`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 20, example = json!(["curious"]))]
    pub emotions: Vec<String>,
}

/// A new entry.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EntryCreate {
    /// The form that was filled in.
    #[serde(default = "free_note")]
    #[schema(example = "free-note", max_length = 64)]
    pub template_id: String,
    #[serde(default = "finished")]
    pub state: EntryState,
    #[schema(min_length = 1, max_length = 200, example = "The morning after")]
    pub title: Option<String>,
    pub fields: EntryFields,
    /// Marked by the patient to bring up in the next session.
    #[serde(default)]
    pub to_talk_about: bool,
}

fn free_note() -> String {
    rules::FREE_NOTE.to_owned()
}

fn finished() -> EntryState {
    EntryState::Final
}

/// What to change of an entry: absent stays, null clears (RFC 7396). The version before is kept as a revision.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EntryPatch {
    /// A draft becomes final; a final entry does not become a draft again.
    #[schema(nullable = false)]
    pub state: Option<EntryState>,
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200, example = "The day after")]
    pub title: Patch<String>,
    #[schema(nullable = false)]
    pub fields: Option<EntryFields>,
    pub to_talk_about: Option<bool>,
}

/// An entry as its owner reads it.
#[derive(Debug, Serialize, ToSchema)]
pub struct JournalEntry {
    #[schema(value_type = Uuid)]
    pub id: JournalEntryId,
    /// Rises with every change; the ETag.
    #[schema(example = 1)]
    pub version: i32,
    #[schema(example = 1)]
    pub revision: i32,
    pub state: EntryState,
    #[schema(example = "free-note")]
    pub template_id: String,
    #[schema(example = "1.0.0")]
    pub template_version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "The morning after")]
    pub title: Option<String>,
    pub fields: EntryFields,
    pub to_talk_about: bool,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// The entry or check-in that was changed elsewhere while these words were written without a network. Both are
    /// kept; it is for the person to put them together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conflict_of: Option<Uuid>,
}

/// A page of entries, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct JournalEntryList {
    pub items: Vec<JournalEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// How to share.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShareRequest {
    /// Closed again from this instant on.
    pub until: Option<DateTime<Utc>>,
    /// Show the entry as it is now, whatever is edited later; otherwise later edits are visible too.
    #[serde(default)]
    pub frozen: bool,
}

impl Validate for ShareRequest {
    fn validate(&self, _: &mut Checks) {}
}

/// Who may read an entry.
#[derive(Debug, Serialize, ToSchema)]
pub struct JournalShare {
    #[schema(value_type = Uuid)]
    pub member_id: AccountId,
    pub shared_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
    /// The revision they see, if not always the latest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frozen_revision: Option<i32>,
}

/// Everybody who may read an entry now.
#[derive(Debug, Serialize, ToSchema)]
pub struct JournalShareList {
    pub items: Vec<JournalShare>,
}

/// An entry as the member of the care team reads it with whom it was shared.
#[derive(Debug, Serialize, ToSchema)]
pub struct SharedEntry {
    #[schema(value_type = Uuid)]
    pub id: JournalEntryId,
    #[schema(example = 1)]
    pub revision: i32,
    #[schema(example = "free-note")]
    pub template_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "The morning after")]
    pub title: Option<String>,
    pub fields: EntryFields,
    pub to_talk_about: bool,
    pub written_at: DateTime<Utc>,
    pub shared_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
}

/// A page of shared entries, last shared first.
#[derive(Debug, Serialize, ToSchema)]
pub struct SharedEntryList {
    pub items: Vec<SharedEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

fn check_fields(checks: &mut Checks, fields: &EntryFields) {
    checks.text("/fields/text", Some(&fields.text), 1, 20_000);
    crate::checkins::check_emotions(checks, "/fields/emotions", &fields.emotions);
}

impl Validate for EntryCreate {
    fn validate(&self, checks: &mut Checks) {
        checks.require(
            self.template_id == rules::FREE_NOTE,
            "/template_id",
            "unknown_template",
            "must be a template this server takes: free-note",
        );
        checks.text("/title", self.title.as_deref(), 1, 200);
        check_fields(checks, &self.fields);
    }
}

impl Validate for EntryPatch {
    fn validate(&self, checks: &mut Checks) {
        checks.text("/title", self.title.value().map(String::as_str), 1, 200);
        if let Some(fields) = &self.fields {
            check_fields(checks, fields);
        }
    }
}
