//! How a form is scored, as its file says it.

use serde::Deserialize;

use super::Coding;
use crate::content::ByLocale;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scoring {
    pub scores: Vec<Score>,
    pub missing: Missing,
    pub change: Option<ChangeRule>,
    #[serde(default)]
    pub derived: Vec<Derived>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// The item scores added up, times the multiplier.
    Sum,
    /// The number of the single item.
    Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    HigherWorse,
    HigherBetter,
    Neutral,
}

impl Direction {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HigherWorse => "higher-worse",
            Self::HigherBetter => "higher-better",
            Self::Neutral => "neutral",
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Score {
    pub id: String,
    pub title: ByLocale<String>,
    pub method: Method,
    pub multiplier: Option<f64>,
    pub items: Vec<String>,
    pub min: f64,
    pub max: f64,
    pub direction: Direction,
    pub loinc: Option<Coding>,
    #[serde(default)]
    pub bands: Vec<Band>,
    #[serde(default)]
    pub cutoffs: Vec<Cutoff>,
}

impl Score {
    /// Whether coming down is what a patient hopes for.
    pub fn is_better_lower(&self) -> bool {
        self.direction == Direction::HigherWorse
    }
}

/// A closed range of whole numbers.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Band {
    pub id: String,
    pub min: f64,
    pub max: f64,
    pub label: ByLocale<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cutoff {
    pub id: String,
    pub op: Op,
    pub value: f64,
    pub applies_to: Option<String>,
    pub meaning: String,
    pub source: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MissingPolicy {
    NoScoreIfAnyMissing,
    NotApplicable,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Missing {
    pub policy: MissingPolicy,
    pub note: String,
}

/// What a difference between two results means.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeRule {
    pub score: String,
    /// Points, without a sign.
    pub clinically_meaningful: Option<f64>,
    pub reliable: Option<f64>,
    pub response: Option<ResponseRule>,
    pub remission: Option<RemissionRule>,
    #[serde(default)]
    pub notes: Vec<String>,
    pub sources: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResponseType {
    PercentReduction,
    AbsoluteReduction,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResponseRule {
    #[serde(rename = "type")]
    pub kind: ResponseType,
    pub value: f64,
    pub baseline_at_least: Option<f64>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RemissionRule {
    pub op: Op,
    pub value: f64,
    pub baseline_at_least: Option<f64>,
}

/// A pattern of answers that is named for clinicians.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Derived {
    pub id: String,
    pub title: ByLocale<String>,
    pub rule: String,
    pub all: Vec<Clause>,
    pub clinician_only: bool,
    pub source: String,
}

/// At least `count` of `items` score `item_score_at_least` or more.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Clause {
    pub items: Vec<String>,
    pub item_score_at_least: f64,
    pub count: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Op {
    #[serde(rename = "<")]
    Less,
    #[serde(rename = "<=")]
    AtMost,
    #[serde(rename = "==")]
    Equal,
    #[serde(rename = ">=")]
    AtLeast,
    #[serde(rename = ">")]
    More,
}

impl Op {
    pub fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Self::Less => left < right,
            Self::AtMost => left <= right,
            // Scores are whole or halves, which floats hold exactly.
            Self::Equal => (left - right).abs() < f64::EPSILON,
            Self::AtLeast => left >= right,
            Self::More => left > right,
        }
    }
}
