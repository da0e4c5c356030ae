//! Whether what somebody wrote fits its form: one check for each kind of field, with a pointer to the very place.
//! Nothing here knows a database or a clock. `""` and `[]` are fields left empty: fine, unless the entry is final and
//! the field required.

use chrono::{DateTime, Datelike, NaiveDate};
use serde_json::Value;
use uuid::Uuid;

use super::{
    dto::{EntryFields, EntryState},
    templates::{self, Choice, Kind, Template},
};
use crate::validate::Checks;

/// Characters of one line of a list.
pub const LIST_ITEM: usize = 200;
/// Turns of a dialogue.
pub const TURNS: usize = 200;
/// Characters of one turn.
pub const TURN: usize = 5_000;
/// Emotions of one field.
pub const EMOTIONS: usize = 20;
/// Years that a date may lie in: beyond them it is a slip of the finger.
const YEARS: std::ops::RangeInclusive<i32> = 1900..=2199;
/// How many fields that the form does not have are named.
const NAMED: usize = 20;

/// What kind of file a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttachmentKind {
    Audio,
    Image,
}

/// A field that names an attachment of its own entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachmentRef {
    pub field: String,
    pub kind: AttachmentKind,
    pub id: Uuid,
}

/// The attachments that the fields name. What is no id is left out: [`check`] refuses it.
pub fn attachment_refs(template: &Template, fields: &EntryFields) -> Vec<AttachmentRef> {
    ids(template, fields, |kind| match kind {
        Kind::Audio { .. } => Some(AttachmentKind::Audio),
        Kind::Image => Some(AttachmentKind::Image),
        _ => None,
    })
    .map(|(field, kind, id)| AttachmentRef { field: field.to_owned(), kind, id })
    .collect()
}

/// The sessions that the fields name, each with its field.
pub fn session_refs(template: &Template, fields: &EntryFields) -> Vec<(String, Uuid)> {
    ids(template, fields, |kind| matches!(kind, Kind::SessionLink).then_some(()))
        .map(|(field, (), id)| (field.to_owned(), id))
        .collect()
}

fn ids<'a, T: 'a>(
    template: &'a Template,
    fields: &'a EntryFields,
    wanted: impl Fn(&Kind) -> Option<T> + 'a,
) -> impl Iterator<Item = (&'a str, T, Uuid)> {
    template.fields.iter().filter_map(move |field| {
        let kind = wanted(&field.kind)?;
        Some((field.id.as_str(), kind, uuid(fields.0.get(&field.id)?.as_str()?)?))
    })
}

fn uuid(text: &str) -> Option<Uuid> {
    (text.len() == 36).then(|| text.parse().ok()).flatten()
}

/// Whether somebody answered that they are not safe now; the content asks for the crisis card then.
pub fn is_unsafe(fields: &EntryFields) -> bool {
    fields.0.get("safe-now") == Some(&Value::Bool(false))
}

/// Checks the fields against their form. What is required has to be there only in a final entry.
pub fn check(checks: &mut Checks, template: &Template, fields: &EntryFields, state: EntryState) {
    let mut unknown = 0;
    for (id, value) in &fields.0 {
        if let Some(field) = template.field(id) {
            check_value(checks, &format!("/fields/{id}"), &field.kind, value);
            continue;
        }
        unknown += 1;
        if unknown <= NAMED {
            let detail = format!("is not a field of the template {}; leave it out", template.id);
            checks.require(false, &below("/fields", id), "unknown_field", detail);
        }
    }
    if state == EntryState::Draft {
        return;
    }
    for field in template.fields.iter().filter(|field| field.required) {
        let filled = fields.0.get(&field.id).is_some_and(|value| !is_empty(value));
        let detail = "is required in a final entry; fill it in, or save a draft";
        checks.require(filled, &format!("/fields/{}", field.id), "required", detail);
    }
}

/// The place of a member that the client named. A name too long to be a slip is not repeated.
fn below(at: &str, name: &str) -> String {
    if name.chars().count() > 64 {
        return at.to_owned();
    }
    format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

fn check_value(checks: &mut Checks, at: &str, kind: &Kind, value: &Value) {
    match kind {
        Kind::Text { max_length } => line(checks, at, value, 0, *max_length),
        Kind::Longtext { max_length } => text(checks, at, value, 0, *max_length),
        Kind::List { max_items } => {
            for (index, item) in items(checks, at, value, *max_items) {
                line(checks, &format!("{at}/{index}"), item, 1, LIST_ITEM);
            }
        }
        Kind::Scale { min, max } => match value.as_i64() {
            Some(number) => checks.range(at, Some(number), *min, *max),
            None => wrong_type(checks, at, &format!("must be a whole number from {min} to {max}")),
        },
        Kind::Boolean => {
            if !value.is_boolean() {
                wrong_type(checks, at, "must be true or false");
            }
        }
        Kind::Date => date(checks, at, value),
        Kind::Datetime => datetime(checks, at, value),
        Kind::Choice { options } => one_of(checks, at, value, &values(options)),
        Kind::Multichoice { options } | Kind::BodyAreas { options } => {
            several_of(checks, at, value, &values(options), options.len());
        }
        Kind::Emotions => {
            let known: Vec<&str> = templates::content().emotion_tags.iter().map(String::as_str).collect();
            several_of(checks, at, value, &known, EMOTIONS);
        }
        Kind::Dialogue { speakers } => dialogue(checks, at, value, &values(speakers)),
        Kind::SessionLink | Kind::Audio { .. } | Kind::Image => {
            if value.as_str().and_then(uuid).is_none() {
                checks.require(false, at, "invalid_id", "must be an id: ids are UUIDs");
            }
        }
    }
}

fn values(choices: &[Choice]) -> Vec<&str> {
    choices.iter().map(|choice| choice.value.as_str()).collect()
}

fn wrong_type(checks: &mut Checks, at: &str, detail: &str) {
    checks.require(false, at, "wrong_type", detail);
}

fn string<'a>(checks: &mut Checks, at: &str, value: &'a Value) -> Option<&'a str> {
    if !value.is_string() {
        wrong_type(checks, at, "must be a text; leave the field out if it is empty");
    }
    value.as_str()
}

fn text(checks: &mut Checks, at: &str, value: &Value, min: usize, max: usize) {
    let text = string(checks, at, value);
    checks.text(at, text, min, max);
}

fn line(checks: &mut Checks, at: &str, value: &Value, min: usize, max: usize) {
    text(checks, at, value, min, max);
    let one = value.as_str().is_none_or(|text| !text.contains(['\n', '\r']));
    checks.require(one, at, "line_break", "is one line; take the line breaks out");
}

/// The items of a list, no more than it may have.
fn items<'a>(
    checks: &mut Checks,
    at: &str,
    value: &'a Value,
    max: usize,
) -> impl Iterator<Item = (usize, &'a Value)> + use<'a> {
    let items = match value.as_array() {
        Some(items) => {
            checks.items(at, items, max);
            items.as_slice()
        }
        None => {
            wrong_type(checks, at, "must be a list; leave the field out if it is empty");
            &[]
        }
    };
    items.iter().enumerate().take(max)
}

fn date(checks: &mut Checks, at: &str, value: &Value) {
    let Some(text) = string(checks, at, value) else { return };
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| text.len() == 10);
    let possible = date.is_some_and(|date| YEARS.contains(&date.year()));
    checks.require(
        possible,
        at,
        "impossible_date",
        "must be a date of the calendar, as YYYY-MM-DD, from 1900 on",
    );
}

fn datetime(checks: &mut Checks, at: &str, value: &Value) {
    let Some(text) = string(checks, at, value) else { return };
    let possible = DateTime::parse_from_rfc3339(text).is_ok_and(|instant| YEARS.contains(&instant.year()));
    let detail = "must be date, time and offset as in 2026-11-22T18:30:00+01:00, from 1900 on";
    checks.require(possible, at, "impossible_time", detail);
}

fn one_of(checks: &mut Checks, at: &str, value: &Value, allowed: &[&str]) {
    if let Some(text) = string(checks, at, value) {
        let detail = format!("must be one of: {}", allowed.join(", "));
        checks.require(allowed.contains(&text), at, "unknown_value", detail);
    }
}

fn several_of(checks: &mut Checks, at: &str, value: &Value, allowed: &[&str], max: usize) {
    let mut seen: Vec<&Value> = Vec::new();
    for (index, item) in items(checks, at, value, max) {
        let at = format!("{at}/{index}");
        one_of(checks, &at, item, allowed);
        checks.require(!seen.contains(&item), &at, "duplicate", "was chosen already; send it once");
        seen.push(item);
    }
}

fn dialogue(checks: &mut Checks, at: &str, value: &Value, speakers: &[&str]) {
    for (index, turn) in items(checks, at, value, TURNS) {
        let at = format!("{at}/{index}");
        let Some(turn) = turn.as_object() else {
            wrong_type(checks, &at, "must be an object with speaker and text");
            continue;
        };
        if let Some(name) = turn.keys().find(|name| *name != "speaker" && *name != "text") {
            checks.require(false, &below(&at, name), "unknown_field", "takes nothing but speaker and text");
        }
        for name in ["speaker", "text"] {
            checks.require(turn.contains_key(name), &format!("{at}/{name}"), "required", "is required");
        }
        if let Some(speaker) = turn.get("speaker") {
            one_of(checks, &format!("{at}/speaker"), speaker, speakers);
        }
        if let Some(said) = turn.get("text") {
            text(checks, &format!("{at}/text"), said, 1, TURN);
        }
    }
}

#[cfg(test)]
mod tests;
