//! When an answer raises a flag, as the file says it.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::Deserialize;

use super::Op;
use crate::{
    content::{ByLocale, in_locale},
    language,
};

/// How much a flag matters, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Info,
    Moderate,
    High,
    Urgent,
}

impl Level {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Moderate => "moderate",
            Self::High => "high",
            Self::Urgent => "urgent",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flag {
    SelfHarm,
    Deterioration,
    SevereSymptoms,
    PostSession,
    Medical,
    Readiness,
    Support,
    SubstanceUse,
}

/// By when the care team has to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Notify {
    Immediate,
    SameDay,
    BeforeNextSession,
    NextReview,
}

impl Notify {
    /// Whether somebody has to be there to look: without a written policy of the clinic nobody is.
    pub fn needs_response_policy(self) -> bool {
        matches!(self, Self::Immediate | Self::SameDay)
    }
}

/// A condition for raising a flag.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SafetyRule {
    pub id: String,
    pub when: Condition,
    pub level: Level,
    pub flag: Flag,
    pub show_crisis_resources: bool,
    pub notify: Notify,
    /// The upcoming dosing session needs a clinician's acknowledgement first.
    #[serde(default)]
    pub blocks_session: bool,
    pub patient_message: Option<ByLocale<String>>,
    clinician_message: String,
}

/// What rules say to clinicians in Spanish; the questionnaires' files have the English.
#[expect(clippy::expect_used, reason = "the words are compiled in, and a unit test reads them")]
static SPANISH: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../../content/alert_rules.es.json")).expect("the words parse")
});

impl SafetyRule {
    /// What it says to clinicians.
    pub fn says(&self, locale: &str) -> &str {
        let spanish = if language::of(locale) == "es" { SPANISH.get(&self.id) } else { None };
        spanish.unwrap_or(&self.clinician_message)
    }

    pub fn message(&self, locale: &str) -> Option<&str> {
        self.patient_message.as_ref().and_then(|texts| in_locale(texts, locale)).map(String::as_str)
    }
}

/// What an answer is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Operand {
    Flag(bool),
    Number(f64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Versus {
    Baseline,
    Previous,
}

/// When a safety rule holds. Exactly one of the forms fits a JSON object, because unknown fields are refused.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Condition {
    Item(ItemCondition),
    Includes(IncludesCondition),
    Score(ScoreCondition),
    Change(ChangeCondition),
    Consecutive(ConsecutiveCondition),
    Any(AnyCondition),
    All(AllCondition),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemCondition {
    pub item: String,
    pub op: Op,
    pub value: Operand,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IncludesCondition {
    pub item: String,
    pub includes: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScoreCondition {
    pub score: String,
    pub op: Op,
    pub value: f64,
    pub applies_to: Option<String>,
}

/// Now minus then.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeCondition {
    pub change: String,
    pub versus: Versus,
    pub op: Op,
    pub value: f64,
}

/// So many answered forms in a row.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsecutiveCondition {
    pub consecutive: usize,
    pub of: Box<Condition>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnyCondition {
    pub any: Vec<Condition>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AllCondition {
    pub all: Vec<Condition>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_speaks_spanish_and_no_words_are_left_over() {
        let rules: Vec<&SafetyRule> =
            crate::measures::catalogue::embedded_forms().flat_map(|measure| &measure.safety_rules).collect();
        for rule in &rules {
            assert_ne!(rule.says("es"), rule.says("en"), "{}", rule.id);
        }
        for id in SPANISH.keys() {
            assert!(rules.iter().any(|rule| rule.id == *id), "{id} is no rule");
        }
    }
}
