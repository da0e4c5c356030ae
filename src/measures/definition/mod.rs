//! A questionnaire file (`content/measures/*.json`) as types. What a type cannot say is in `check`.

mod safety;
mod scoring;

use std::collections::BTreeMap;

use serde::Deserialize;

pub use self::{
    safety::{Condition, Flag, Level, Notify, Operand, SafetyRule, Versus},
    scoring::{Band, Clause, Direction, Method, Op, ResponseType, Score, Scoring},
};
use crate::content::{ByLocale, in_locale};

/// Only `ValidatedScale` may be called validated; the others are our own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    ValidatedScale,
    Diary,
    Checklist,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ValidatedScale => "validated-scale",
            Self::Diary => "diary",
            Self::Checklist => "checklist",
        }
    }
}

/// One self-report instrument.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Measure {
    pub schema_version: String,
    pub id: String,
    pub version: String,
    pub short_title: String,
    pub title: ByLocale<String>,
    pub kind: Kind,
    pub construct: String,
    pub enabled_by_default: bool,
    pub languages: Vec<String>,
    #[serde(default)]
    pub translation_status: ByLocale<String>,
    pub licence: Licence,
    pub administration: Administration,
    pub recall_period: RecallPeriod,
    pub codes: Codes,
    pub instructions: ByLocale<String>,
    pub stem: Option<ByLocale<String>>,
    pub answer_sets: BTreeMap<String, Vec<AnswerOption>>,
    pub items: Vec<Item>,
    pub scoring: Scoring,
    pub safety_rules: Vec<SafetyRule>,
    pub cadence: Vec<Cadence>,
    pub sources: Vec<Source>,
    #[serde(default)]
    pub notes: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LicenceStatus {
    PublicDomain,
    NoPermissionRequired,
    NoncommercialSharealike,
    ConflictingStatements,
    OwnWork,
}

impl LicenceStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PublicDomain => "public-domain",
            Self::NoPermissionRequired => "no-permission-required",
            Self::NoncommercialSharealike => "noncommercial-sharealike",
            Self::ConflictingStatements => "conflicting-statements",
            Self::OwnWork => "own-work",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CommercialUse {
    Allowed,
    NotAllowed,
    Review,
}

/// What may be done with the instrument, and what has to be shown beside it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Licence {
    pub status: LicenceStatus,
    /// Whether it may be compiled in; otherwise an operator installs it.
    pub embeddable: bool,
    pub commercial_use: CommercialUse,
    pub notice: String,
    pub seen_in: Vec<String>,
    pub review_note: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    SelfReport,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Administration {
    pub mode: Mode,
    pub minutes: f64,
    pub population: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecallPeriod {
    /// ISO 8601; `PT0S` means right now.
    pub iso: String,
    pub text: ByLocale<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Codes {
    pub panel: Option<Coding>,
    pub note: Option<String>,
}

/// A LOINC code.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Coding {
    pub code: String,
    pub display: String,
    pub verified_in: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerOption {
    /// What is stored; stays the same in every language.
    pub value: String,
    pub score: Option<f64>,
    pub text: ByLocale<String>,
    pub loinc: Option<String>,
    /// Among several choices: this one clears the others.
    #[serde(default)]
    pub exclusive: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ItemType {
    Choice,
    MultiChoice,
    Integer,
    Decimal,
    Boolean,
    Text,
}

/// One question.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Item {
    pub link_id: String,
    #[serde(rename = "type")]
    pub kind: ItemType,
    pub text: ByLocale<String>,
    pub help: Option<ByLocale<String>>,
    pub answer_set: Option<String>,
    pub required: bool,
    pub scored: bool,
    #[serde(default)]
    pub sensitive: bool,
    pub min: Option<f64>,
    pub max: Option<f64>,
    pub step: Option<f64>,
    pub min_label: Option<ByLocale<String>>,
    pub max_label: Option<ByLocale<String>>,
    pub unit: Option<String>,
    pub max_length: Option<usize>,
    pub loinc: Option<Coding>,
}

/// When a clinic may want to ask for it; advice only.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cadence {
    pub event: String,
    pub session_kind: Option<String>,
    pub which: Option<String>,
    pub offset: Option<String>,
    pub every: Option<String>,
    pub after_measure: Option<String>,
    pub note: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Source {
    pub name: String,
    pub used_for: String,
}

impl Measure {
    pub fn item(&self, link_id: &str) -> Option<&Item> {
        self.items.iter().find(|item| item.link_id == link_id)
    }

    /// The options of a question, none for a question without any.
    pub fn options(&self, item: &Item) -> &[AnswerOption] {
        item.answer_set.as_ref().and_then(|set| self.answer_sets.get(set)).map_or(&[], Vec::as_slice)
    }

    pub fn score(&self, id: &str) -> Option<&Score> {
        self.scoring.scores.iter().find(|score| score.id == id)
    }

    /// The score that stands for the whole form, if there is one: the one whose change is followed, else the only sum.
    pub fn principal(&self) -> Option<&Score> {
        let followed = self.scoring.change.as_ref().and_then(|change| self.score(&change.score));
        followed.or_else(|| self.scoring.scores.iter().find(|score| score.method == Method::Sum))
    }

    pub fn rule(&self, id: &str) -> Option<&SafetyRule> {
        self.safety_rules.iter().find(|rule| rule.id == id)
    }

    /// The title in the locale's language, else in English.
    pub fn title_in(&self, locale: &str) -> &str {
        in_locale(&self.title, locale).map_or("", String::as_str)
    }

    /// Whether somebody of the clinic has to be there to look at what it may bring up.
    pub fn needs_response_policy(&self) -> bool {
        self.safety_rules.iter().any(|rule| rule.notify.needs_response_policy())
    }

    /// Whether LOINC's notice has to be shown with it.
    pub fn shows_codes(&self) -> bool {
        let options = || self.answer_sets.values().flatten();
        self.codes.panel.is_some()
            || self.items.iter().any(|item| item.loinc.is_some())
            || self.scoring.scores.iter().any(|score| score.loinc.is_some())
            || options().any(|option| option.loinc.is_some())
    }

    /// The language in which a reader of `locale` gets it: never a translation that does not exist.
    pub fn language_for(&self, locale: &str) -> &str {
        let language = locale.split(['-', '_']).next().unwrap_or(locale);
        let known = self.languages.iter().find(|known| known.eq_ignore_ascii_case(language));
        known.map_or("en", String::as_str)
    }
}
