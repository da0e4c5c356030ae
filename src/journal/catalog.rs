//! The forms as clients read them: in the reader's language, without a login, and cheap to ask for again.

use aws_lc_rs::digest;
use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    form, notice,
    templates::{self, Choice, DefaultSharing, Field, Kind, Template},
};
use crate::{
    app::AppState,
    content::{ByLocale, in_locale},
    error::{ApiError, ApiResult},
    language::ReaderLocale,
    openapi::Problems,
};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_journal_templates))
}

/// What a field takes, and what its value looks like.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FieldType {
    /// A text of one line.
    Text,
    /// A text of many lines.
    Longtext,
    /// A list of texts of one line.
    List,
    /// A whole number from `min` to `max`.
    Scale,
    /// `true` or `false`.
    Boolean,
    /// `YYYY-MM-DD`.
    Date,
    /// Date, time and offset (RFC 3339).
    Datetime,
    /// One of `options`.
    Choice,
    /// A list of some of `options`.
    Multichoice,
    /// A list of some of `emotion_tags`.
    Emotions,
    /// A list of `{speaker, text}` in the order in which it was said.
    Dialogue,
    /// A list of some of `options`; may be drawn on a figure.
    BodyAreas,
    /// The id of one of the patient's sessions.
    SessionLink,
    /// The id of a recording attached to the entry.
    Audio,
    /// The id of a picture attached to the entry.
    Image,
}

/// One of several answers, or one of several speakers.
#[derive(Debug, Serialize, ToSchema)]
pub struct TemplateOption {
    /// What is sent.
    #[schema(example = "chest")]
    pub value: &'static str,
    /// What is shown.
    #[schema(example = "Chest")]
    pub text: &'static str,
}

/// One field of a form.
#[derive(Debug, Serialize, ToSchema)]
pub struct TemplateField {
    /// Its name in `fields` of an entry.
    #[schema(example = "one")]
    pub id: &'static str,
    #[serde(rename = "type")]
    pub kind: FieldType,
    #[schema(example = "First")]
    pub label: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "No rules. Nobody sees this unless you share it.")]
    pub help: Option<&'static str>,
    /// Needed before the entry is final; a draft may leave it out.
    #[schema(example = true)]
    pub required: bool,
    /// Characters of the text, or of each item.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 500)]
    pub max_length: Option<usize>,
    /// Items of the list.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 20)]
    pub max_items: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 0)]
    pub min: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 10)]
    pub max: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 300)]
    pub max_seconds: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<TemplateOption>,
    /// Who may speak in a dialogue.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub speakers: Vec<TemplateOption>,
}

/// A form of the journal.
#[derive(Debug, Serialize, ToSchema)]
pub struct JournalTemplate {
    #[schema(example = "gratitude")]
    pub id: &'static str,
    #[schema(example = "1.0.0")]
    pub version: &'static str,
    /// Offer this one for new entries; others are here to show entries that were written with them.
    #[schema(example = true)]
    pub current: bool,
    #[schema(example = "gratitude")]
    pub modality: &'static str,
    /// When it fits: `pre` or `post` a session, `any`.
    #[schema(example = json!(["any"]))]
    pub phases: &'static [String],
    /// About how long it takes.
    #[schema(example = 5)]
    pub minutes: u32,
    #[schema(example = "Gratitude")]
    pub title: &'static str,
    #[schema(example = "Three things, however small.")]
    pub description: &'static str,
    pub default_sharing: DefaultSharing,
    /// How to take care of oneself with this form: show it with the form.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Keep it light: no analysis today.")]
    pub care: Option<&'static str>,
    pub fields: Vec<TemplateField>,
}

/// All forms of the journal.
#[derive(Debug, Serialize, ToSchema)]
pub struct JournalTemplateList {
    pub items: Vec<JournalTemplate>,
    /// What fields of the type `emotions` take.
    #[schema(example = json!(["calm", "hopeful"]))]
    pub emotion_tags: &'static [String],
    /// To be shown wherever somebody writes.
    #[schema(
        example = "Nobody watches this app around the clock. Messages here are not an emergency service."
    )]
    pub notice: &'static str,
}

/// List the forms of the journal, with all their fields, in the reader's language.
#[utoipa::path(get, path = "/journal/templates", operation_id = "list_journal_templates", tag = "journal",
    security(()),
    params(("Accept-Language" = Option<String>, Header, description = "Without a login: the reader's language.", example = "es"),
        ("If-None-Match" = Option<String>, Header, description = "The ETag that the app already has.")),
    responses((status = 200, body = JournalTemplateList), (status = 304, description = "Unchanged"), Problems))]
async fn list_journal_templates(ReaderLocale(locale): ReaderLocale) -> ApiResult<Response> {
    let body = serde_json::to_vec(&list(&locale)).map_err(ApiError::internal)?;
    let hash = digest::digest(&digest::SHA256, &body);
    let etag = format!("\"{}\"", BASE64_URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16]));
    let headers = [
        (header::ETAG, etag),
        (header::CONTENT_TYPE, "application/json".to_owned()),
        (header::CACHE_CONTROL, "private, no-cache".to_owned()),
        (header::VARY, "Accept-Language, Authorization".to_owned()),
    ];
    Ok((headers, body).into_response())
}

fn list(locale: &str) -> JournalTemplateList {
    let content = templates::content();
    JournalTemplateList {
        items: content.templates.iter().map(|template| view(template, locale)).collect(),
        emotion_tags: &content.emotion_tags,
        notice: notice::not_monitored(locale),
    }
}

fn said(text: &'static ByLocale<String>, locale: &str) -> &'static str {
    in_locale(text, locale).map_or("", String::as_str)
}

fn view(template: &'static Template, locale: &str) -> JournalTemplate {
    JournalTemplate {
        id: &template.id,
        version: &template.version,
        current: template.is_current(),
        modality: &template.modality,
        phases: &template.phases,
        minutes: template.minutes,
        title: said(&template.title, locale),
        description: said(&template.description, locale),
        default_sharing: template.default_sharing,
        care: template.care.as_ref().map(|text| said(text, locale)),
        fields: template.fields.iter().map(|field| view_field(field, locale)).collect(),
    }
}

fn options(choices: &'static [Choice], locale: &str) -> Vec<TemplateOption> {
    choices
        .iter()
        .map(|choice| TemplateOption { value: &choice.value, text: said(&choice.text, locale) })
        .collect()
}

/// What every field has; its kind adds the rest.
fn plain(field: &'static Field, kind: FieldType, locale: &str) -> TemplateField {
    TemplateField {
        id: &field.id,
        kind,
        label: said(&field.label, locale),
        help: field.help.as_ref().map(|text| said(text, locale)),
        required: field.required,
        max_length: None,
        max_items: None,
        min: None,
        max: None,
        max_seconds: None,
        options: Vec::new(),
        speakers: Vec::new(),
    }
}

fn view_field(field: &'static Field, locale: &str) -> TemplateField {
    let of = |kind| plain(field, kind, locale);
    let text = |kind, max: usize| TemplateField { max_length: Some(max), ..of(kind) };
    let list = |kind, items, length| TemplateField { max_items: Some(items), max_length: length, ..of(kind) };
    let choice = |kind, all| TemplateField { options: options(all, locale), ..of(kind) };
    match &field.kind {
        Kind::Text { max_length } => text(FieldType::Text, *max_length),
        Kind::Longtext { max_length } => text(FieldType::Longtext, *max_length),
        Kind::List { max_items } => list(FieldType::List, *max_items, Some(form::LIST_ITEM)),
        Kind::Scale { min, max } => {
            TemplateField { min: Some(*min), max: Some(*max), ..of(FieldType::Scale) }
        }
        Kind::Boolean => of(FieldType::Boolean),
        Kind::Date => of(FieldType::Date),
        Kind::Datetime => of(FieldType::Datetime),
        Kind::Choice { options } => choice(FieldType::Choice, options),
        Kind::Multichoice { options } => choice(FieldType::Multichoice, options),
        Kind::BodyAreas { options } => choice(FieldType::BodyAreas, options),
        Kind::Emotions => list(FieldType::Emotions, form::EMOTIONS, None),
        Kind::Dialogue { speakers } => TemplateField {
            speakers: options(speakers, locale),
            ..list(FieldType::Dialogue, form::TURNS, Some(form::TURN))
        },
        Kind::SessionLink => of(FieldType::SessionLink),
        Kind::Audio { max_seconds } => {
            TemplateField { max_seconds: Some(*max_seconds), ..of(FieldType::Audio) }
        }
        Kind::Image => of(FieldType::Image),
    }
}
