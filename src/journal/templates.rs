//! The forms that ship inside the binary (`content/journal_templates.json`), as types. An entry keeps the version of
//! the form it was written with, so a version that entries may have stays in the file; the last one of a form there
//! is the current one.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::content::{ByLocale, in_locale};

static TEXT: &str = include_str!("../../content/journal_templates.json");

#[expect(clippy::expect_used, reason = "the text is compiled in, and a unit test parses it")]
static CONTENT: LazyLock<Content> = LazyLock::new(|| {
    serde_json::from_str(TEXT).expect("content/journal_templates.json must match its types")
});

/// Everything of the file that the program reads.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Content {
    pub emotion_tags: Vec<String>,
    pub templates: Vec<Template>,
}

/// One version of one form.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Template {
    pub id: String,
    pub version: String,
    pub modality: String,
    pub phases: Vec<String>,
    pub minutes: u32,
    pub title: ByLocale<String>,
    pub description: ByLocale<String>,
    pub default_sharing: DefaultSharing,
    pub care: Option<ByLocale<String>>,
    pub fields: Vec<Field>,
}

/// What the form suggests about sharing. Entries are private either way until they are shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DefaultSharing {
    Private,
    /// The form asks whether to share.
    Ask,
}

/// One field of a form.
#[derive(Debug, Deserialize)]
pub struct Field {
    pub id: String,
    pub label: ByLocale<String>,
    pub help: Option<ByLocale<String>>,
    pub required: bool,
    #[serde(flatten)]
    pub kind: Kind,
}

/// What a field takes.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Kind {
    Text { max_length: usize },
    Longtext { max_length: usize },
    List { max_items: usize },
    Scale { min: i64, max: i64 },
    Boolean,
    Date,
    Datetime,
    Choice { options: Vec<Choice> },
    Multichoice { options: Vec<Choice> },
    BodyAreas { options: Vec<Choice> },
    Emotions,
    Dialogue { speakers: Vec<Choice> },
    SessionLink,
    Audio { max_seconds: u32 },
    Image,
}

/// One of several answers, or one of several speakers.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    pub value: String,
    pub text: ByLocale<String>,
}

/// Why there is no such form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    Template,
    Version,
}

/// The embedded forms, parsed once.
pub fn content() -> &'static Content {
    &CONTENT
}

/// The form of that id in that version, or in its current one.
pub fn find(id: &str, version: Option<&str>) -> Result<&'static Template, Unknown> {
    let mut all = CONTENT.templates.iter().filter(|template| template.id == id).rev().peekable();
    if all.peek().is_none() {
        return Err(Unknown::Template);
    }
    all.find(|template| version.is_none_or(|version| version == template.version)).ok_or(Unknown::Version)
}

/// What the form of an entry is called; its id if that version is gone.
pub fn title(id: &str, version: &str, locale: &str) -> String {
    let template = find(id, Some(version)).ok();
    let title = template.and_then(|template| in_locale(&template.title, locale));
    title.map_or_else(|| id.to_owned(), Clone::clone)
}

impl Template {
    pub fn field(&self, id: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.id == id)
    }

    /// Whether a new entry would be written with this version.
    pub fn is_current(&self) -> bool {
        find(&self.id, None).is_ok_and(|current| std::ptr::eq(current, self))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    #[test]
    fn the_embedded_forms_parse_and_are_complete() {
        let all = &content().templates;
        assert_eq!(all.len(), 12);
        assert_eq!(all.iter().map(|template| template.fields.len()).sum::<usize>(), 90);
        for template in all {
            assert!(template.is_current());
            let names: BTreeSet<_> = template.fields.iter().map(|field| &field.id).collect();
            assert_eq!(names.len(), template.fields.len(), "{} has a field twice", template.id);
            for language in crate::language::LANGUAGES {
                let care = template.care.iter();
                let texts = [&template.title, &template.description].into_iter().chain(care);
                assert!(texts.into_iter().all(|text| text.contains_key(language)), "{}", template.id);
                assert!(template.fields.iter().all(|field| field.label.contains_key(language)));
            }
        }
    }

    #[test]
    fn a_form_is_found_by_id_and_version() {
        assert_eq!(find("gratitude", None).unwrap().version, "1.0.0");
        assert_eq!(find("gratitude", Some("1.0.0")).unwrap().id, "gratitude");
        assert_eq!(find("gratitude", Some("0.9.0")).unwrap_err(), Unknown::Version);
        assert_eq!(find("diary", None).unwrap_err(), Unknown::Template);
    }

    #[test]
    fn nothing_of_a_field_is_overlooked() {
        let file: Value = serde_json::from_str(TEXT).unwrap();
        let kinds: BTreeSet<&str> =
            file["fieldTypes"].as_object().unwrap().keys().map(String::as_str).collect();
        let mut seen = BTreeSet::new();
        for field in
            file["templates"].as_array().unwrap().iter().flat_map(|one| one["fields"].as_array().unwrap())
        {
            let kind = field["type"].as_str().unwrap();
            let own: &[&str] = match kind {
                "text" | "longtext" => &["maxLength"],
                "list" => &["maxItems"],
                "scale" => &["min", "max"],
                "choice" | "multichoice" | "body-areas" => &["options"],
                "dialogue" => &["speakers"],
                "audio" => &["maxSeconds"],
                _ => &[],
            };
            for name in field.as_object().unwrap().keys() {
                let common = ["id", "type", "label", "help", "required"].contains(&name.as_str());
                assert!(common || own.contains(&name.as_str()), "{field}: {name} is not read");
            }
            seen.insert(kind);
        }
        assert_eq!(seen, kinds);
    }
}
