//! Questionnaires as a reader gets them: in one language, with every notice their licences ask for. Safety rules and
//! what speaks only to clinicians stay on the server.

use axum::{
    extract::{Path, State},
    response::Response,
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::definition::{Coding, Item, ItemType, Measure, Score};
use crate::{
    app::AppState,
    content::{ByLocale, in_locale},
    error::{ApiError, ApiResult},
    etag::tagged,
    language::ReaderLocale,
    openapi::Problems,
};

/// To be shown wherever codes of LOINC are used.
pub const LOINC_NOTICE: &str = "This material contains content from LOINC (http://loinc.org). LOINC is copyright © \
    Regenstrief Institute, Inc. and the Logical Observation Identifiers Names and Codes (LOINC) Committee and is \
    available at no cost under the license at http://loinc.org/license. LOINC® is a registered United States \
    trademark of Regenstrief Institute, Inc.";

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_measures)).routes(routes!(get_measure))
}

/// A questionnaire in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct MeasureSummary {
    #[schema(example = "phq-9")]
    pub id: String,
    #[schema(example = "1.0.0")]
    pub version: String,
    /// `validated-scale`, `diary` or `checklist`. Only the first may be called validated.
    #[schema(example = "validated-scale")]
    pub kind: &'static str,
    #[schema(example = "PHQ-9")]
    pub short_title: String,
    #[schema(example = "Patient Health Questionnaire-9")]
    pub title: String,
    /// The language of this answer.
    #[schema(example = "en")]
    pub language: String,
    /// The languages in which it exists. None of them is a machine translation of a validated scale.
    #[schema(example = json!(["en", "es"]))]
    pub languages: Vec<String>,
    /// How long it takes.
    #[schema(example = 3.0)]
    pub minutes: f64,
    /// To be shown beside it.
    #[schema(example = "No permission required to reproduce, translate, display or distribute.")]
    pub licence_notice: String,
}

/// All questionnaires of this server.
#[derive(Debug, Serialize, ToSchema)]
pub struct MeasureList {
    pub items: Vec<MeasureSummary>,
}

/// A questionnaire to fill in.
#[derive(Debug, Serialize, ToSchema)]
pub struct MeasureForm {
    #[serde(flatten)]
    pub summary: MeasureSummary,
    #[schema(example = "the last 2 weeks")]
    pub recall_period: String,
    #[schema(example = "Please answer for the last two weeks.")]
    pub instructions: String,
    /// Stands before each question.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(
        example = "Over the last 2 weeks, how often have you been bothered by any of the following problems?"
    )]
    pub stem: Option<String>,
    pub items: Vec<MeasureItem>,
    pub scores: Vec<MeasureScoring>,
    /// Code of the whole form in LOINC.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "44249-1")]
    pub loinc: Option<String>,
    /// To be shown where codes are shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "This material contains content from LOINC (http://loinc.org).")]
    pub loinc_notice: Option<&'static str>,
    /// To be shown with the form.
    #[schema(
        example = "Nobody watches this app around the clock. Messages here are not an emergency service."
    )]
    pub not_monitored: String,
}

/// A question.
#[derive(Debug, Serialize, ToSchema)]
pub struct MeasureItem {
    #[schema(example = "phq9.1")]
    pub link_id: String,
    /// `choice`, `multi-choice`, `integer`, `decimal`, `boolean` or `text`.
    #[serde(rename = "type")]
    #[schema(example = "choice")]
    pub kind: &'static str,
    #[schema(example = "Little interest or pleasure in doing things")]
    pub text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    pub required: bool,
    /// Not to be shown to somebody who looks over the shoulder.
    pub sensitive: bool,
    /// For choices, in the order to show them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<MeasureOption>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 0.0)]
    pub min: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 10.0)]
    pub max: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 1.0)]
    pub step: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Not at all")]
    pub min_label: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Completely")]
    pub max_label: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "h")]
    pub unit: Option<String>,
    /// For texts, in characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 2000)]
    pub max_length: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "44250-9")]
    pub loinc: Option<String>,
}

/// One way to answer a question.
#[derive(Debug, Serialize, ToSchema)]
pub struct MeasureOption {
    #[schema(example = "2")]
    pub value: String,
    #[schema(example = "More than half the days")]
    pub text: String,
    /// Choosing it clears the others.
    pub exclusive: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "LA6570-1")]
    pub loinc: Option<String>,
}

/// What the answers come to.
#[derive(Debug, Serialize, ToSchema)]
pub struct MeasureScoring {
    #[schema(example = "total")]
    pub id: String,
    #[schema(example = "PHQ-9 total")]
    pub title: String,
    #[schema(example = 0.0)]
    pub min: f64,
    #[schema(example = 27.0)]
    pub max: f64,
    /// `higher-worse`, `higher-better` or `neutral`.
    #[schema(example = "higher-worse")]
    pub direction: &'static str,
    pub bands: Vec<MeasureBand>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "44261-6")]
    pub loinc: Option<String>,
}

/// A range of a score that has a name; both ends belong to it. A name, not a diagnosis.
#[derive(Debug, Serialize, ToSchema)]
pub struct MeasureBand {
    #[schema(example = "mild")]
    pub id: String,
    #[schema(example = 5.0)]
    pub min: f64,
    #[schema(example = 9.0)]
    pub max: f64,
    #[schema(example = "Mild")]
    pub label: String,
}

fn words(texts: &ByLocale<String>, language: &str) -> String {
    in_locale(texts, language).cloned().unwrap_or_default()
}

fn code(coding: Option<&Coding>) -> Option<String> {
    coding.map(|coding| coding.code.clone())
}

fn summary(measure: &Measure, locale: &str) -> MeasureSummary {
    let language = measure.language_for(locale);
    MeasureSummary {
        id: measure.id.clone(),
        version: measure.version.clone(),
        kind: measure.kind.as_str(),
        short_title: measure.short_title.clone(),
        title: words(&measure.title, language),
        language: language.to_owned(),
        languages: measure.languages.clone(),
        minutes: measure.administration.minutes,
        licence_notice: measure.licence.notice.clone(),
    }
}

fn form(measure: &Measure, locale: &str) -> MeasureForm {
    let language = measure.language_for(locale);
    MeasureForm {
        summary: summary(measure, locale),
        recall_period: words(&measure.recall_period.text, language),
        instructions: words(&measure.instructions, language),
        stem: measure.stem.as_ref().map(|stem| words(stem, language)),
        items: measure.items.iter().map(|one| item(measure, one, language)).collect(),
        scores: measure.scoring.scores.iter().map(|score| scoring(score, language)).collect(),
        loinc: code(measure.codes.panel.as_ref()),
        loinc_notice: measure.shows_codes().then_some(LOINC_NOTICE),
        not_monitored: crate::safety::not_monitored(language).to_owned(),
    }
}

fn item(measure: &Measure, item: &Item, language: &str) -> MeasureItem {
    let words_of = |text: &Option<ByLocale<String>>| text.as_ref().map(|text| words(text, language));
    let options = measure.options(item).iter().map(|option| MeasureOption {
        value: option.value.clone(),
        text: words(&option.text, language),
        exclusive: option.exclusive,
        loinc: option.loinc.clone(),
    });
    MeasureItem {
        link_id: item.link_id.clone(),
        kind: match item.kind {
            ItemType::Choice => "choice",
            ItemType::MultiChoice => "multi-choice",
            ItemType::Integer => "integer",
            ItemType::Decimal => "decimal",
            ItemType::Boolean => "boolean",
            ItemType::Text => "text",
        },
        text: words(&item.text, language),
        help: words_of(&item.help),
        required: item.required,
        sensitive: item.sensitive,
        options: options.collect(),
        min: item.min,
        max: item.max,
        step: item.step,
        min_label: words_of(&item.min_label),
        max_label: words_of(&item.max_label),
        unit: item.unit.clone(),
        max_length: item.max_length,
        loinc: code(item.loinc.as_ref()),
    }
}

fn scoring(score: &Score, language: &str) -> MeasureScoring {
    let bands = score.bands.iter().map(|band| MeasureBand {
        id: band.id.clone(),
        min: band.min,
        max: band.max,
        label: words(&band.label, language),
    });
    MeasureScoring {
        id: score.id.clone(),
        title: words(&score.title, language),
        min: score.min,
        max: score.max,
        direction: score.direction.as_str(),
        bands: bands.collect(),
        loinc: code(score.loinc.as_ref()),
    }
}

/// The questionnaires of this server.
#[utoipa::path(get, path = "/measures", operation_id = "list_measures", tag = "measures", security(()),
    params(("Accept-Language" = Option<String>, Header, description = "For readers without a login."),
        ("If-None-Match" = Option<String>, Header, description = "The ETag that the app already has.")),
    responses((status = 200, body = MeasureList), (status = 304, description = "Unchanged"), Problems))]
async fn list_measures(
    State(app): State<AppState>,
    ReaderLocale(locale): ReaderLocale,
) -> ApiResult<Response> {
    let items = app.measures.all().into_iter().map(|measure| summary(measure, &locale)).collect();
    tagged(&MeasureList { items }, crate::language::of(&locale))
}

/// A questionnaire with its questions, in the reader's language where it exists in it, else in English.
#[utoipa::path(get, path = "/measures/{id}", operation_id = "get_measure", tag = "measures", security(()),
    params(("id" = String, Path, example = "phq-9"),
        ("Accept-Language" = Option<String>, Header, description = "For readers without a login."),
        ("If-None-Match" = Option<String>, Header, description = "The ETag that the app already has.")),
    responses((status = 200, body = MeasureForm), (status = 304, description = "Unchanged"), Problems))]
async fn get_measure(
    State(app): State<AppState>,
    ReaderLocale(locale): ReaderLocale,
    Path(id): Path<String>,
) -> ApiResult<Response> {
    let measure = app.measures.find(&id).ok_or(ApiError::NotFound)?;
    tagged(&form(measure, &locale), measure.language_for(&locale))
}
