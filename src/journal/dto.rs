//! Wire types of the journal.

use chrono::{DateTime, Utc};
use entity::ids::{AccountId, JournalEntryId};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, MapAccess, Visitor},
};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    form, rules,
    templates::{self, Template, Unknown},
};
use crate::{
    checkins::CrisisCard,
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

/// What somebody wrote, in the shape of the template: field id to value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct EntryFields(pub Map<String, Value>);

impl EntryFields {
    /// The form of one field.
    pub fn of(field: &str, value: impl Into<Value>) -> Self {
        Self(Map::from_iter([(field.to_owned(), value.into())]))
    }
}

impl<'de> Deserialize<'de> for EntryFields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

/// Refuses a field that comes twice: one of the two texts would be lost.
struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = EntryFields;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<EntryFields, A::Error> {
        let mut fields = Map::new();
        while let Some((id, value)) = access.next_entry::<String, Value>()? {
            if fields.contains_key(&id) {
                return Err(A::Error::custom(format_args!("duplicate field `{id}`")));
            }
            fields.insert(id, value);
        }
        Ok(EntryFields(fields))
    }
}

/// A new entry.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EntryCreate {
    /// The form that was filled in.
    #[serde(default = "free_note")]
    #[schema(example = "gratitude", max_length = 64)]
    pub template_id: String,
    /// The version of the form that was shown; the current one if left out.
    #[schema(example = "1.0.0", max_length = 32, nullable = false)]
    pub template_version: Option<String>,
    #[serde(default = "finished")]
    pub state: EntryState,
    #[schema(min_length = 1, max_length = 200, example = "The morning after")]
    pub title: Option<String>,
    /// Field id to value, as the template says (`GET /v1/journal/templates`). Texts are kept exactly as written.
    /// Nobody sees them unless you share the entry, and nobody watches around the clock.
    #[schema(value_type = Object, example = json!({"one": "The light this morning", "two": "A call from my sister"}))]
    pub fields: EntryFields,
    /// Marked by the patient to bring up in the next session.
    #[serde(default)]
    pub to_talk_about: bool,
    /// Words of one's own to find it by; 1 to 40 characters each. They stay the patient's own: sharing shows none.
    #[serde(default)]
    #[schema(max_items = 20, example = json!(["river", "sleep"]))]
    pub tags: Vec<String>,
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
    /// The whole form as it should be now, checked against the version it was begun with. Recordings and pictures are
    /// the ids of attachments of this entry.
    #[schema(value_type = Object, nullable = false, example = json!({"one": "The light, and the quiet"}))]
    pub fields: Option<EntryFields>,
    pub to_talk_about: Option<bool>,
    /// All tags as they should be now.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, max_items = 20, example = json!(["river"]))]
    pub tags: Patch<Vec<String>>,
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
    #[schema(value_type = Object, example = json!({"one": "The light this morning"}))]
    pub fields: EntryFields,
    pub to_talk_about: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["river", "sleep"]))]
    pub tags: Vec<String>,
    /// Present in the answer to a change that says "I am not safe": show it at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub crisis_card: Option<CrisisCard>,
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
    #[schema(example = "1.0.0")]
    pub template_version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "The morning after")]
    pub title: Option<String>,
    #[schema(value_type = Object, example = json!({"one": "The light this morning"}))]
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

impl EntryCreate {
    /// The form it was written with.
    pub fn template(&self) -> Result<&'static Template, Unknown> {
        templates::find(&self.template_id, self.template_version.as_deref())
    }
}

fn check_tags(checks: &mut Checks, tags: &[String]) {
    checks.items("/tags", tags, rules::TAGS);
    for (index, tag) in tags.iter().enumerate().take(rules::TAGS) {
        let at = format!("/tags/{index}");
        checks.text(&at, Some(tag), 1, rules::TAG);
        checks.require(!tags[..index].contains(tag), &at, "duplicate", "stands there already; send it once");
    }
}

impl Validate for EntryCreate {
    fn validate(&self, checks: &mut Checks) {
        checks.text("/title", self.title.as_deref(), 1, 200);
        check_tags(checks, &self.tags);
        let template = match self.template() {
            Ok(template) => template,
            Err(unknown) => {
                let (pointer, code) = match unknown {
                    Unknown::Template => ("/template_id", "unknown_template"),
                    Unknown::Version => ("/template_version", "unknown_template_version"),
                };
                checks.require(false, pointer, code, "must be one of GET /v1/journal/templates");
                return;
            }
        };
        form::check(checks, template, &self.fields, self.state);
        for attachment in form::attachment_refs(template, &self.fields) {
            let detail =
                "comes after the entry: save it without, send the file, then set this field by PATCH";
            checks.require(false, &format!("/fields/{}", attachment.field), "attachment_needs_entry", detail);
        }
    }
}

impl Validate for EntryPatch {
    /// The fields are checked where the form is known that the entry was written with.
    fn validate(&self, checks: &mut Checks) {
        checks.text("/title", self.title.value().map(String::as_str), 1, 200);
        check_tags(checks, self.tags.value().map_or(&[], Vec::as_slice));
    }
}
