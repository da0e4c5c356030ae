//! The embedded exercises (`content/prompts.json`) as types.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::content::{ByLocale, in_locale};

#[expect(clippy::expect_used, reason = "the text is compiled in, and a unit test parses it")]
static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../content/prompts.json"))
        .expect("content/prompts.json must match its types")
});

/// Every exercise, parsed once.
pub fn catalogue() -> &'static [Prompt] {
    &CATALOGUE.prompts
}

#[derive(Deserialize)]
struct Catalogue {
    prompts: Vec<Prompt>,
}

/// Where in a treatment an exercise fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Before a dosing session.
    Pre,
    /// After one.
    Post,
    Any,
}

/// When in the day an exercise fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TimeOfDay {
    Morning,
    Midday,
    Evening,
    Night,
    Any,
}

/// What to mind when an exercise is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Care {
    /// Offer to keep the eyes open.
    EyesOpenOption,
    /// Offer another anchor than the breath.
    BreathOption,
    /// May bring up strong memories.
    MayStirMemories,
}

/// One exercise.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Prompt {
    pub id: String,
    pub category: String,
    pub modality: String,
    pub minutes: u8,
    pub phase: Phase,
    pub time_of_day: TimeOfDay,
    pub care: Option<Care>,
    pub text: ByLocale<String>,
}

impl Prompt {
    /// What to do, in the locale or in English.
    pub fn text(&self, locale: &str) -> &str {
        in_locale(&self.text, locale).map_or("", String::as_str)
    }

    pub fn is_grounding(&self) -> bool {
        self.category == "grounding"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exercise_parses_and_speaks_both_languages() {
        assert_eq!(catalogue().len(), 71);
        for prompt in catalogue() {
            assert!(prompt.text.contains_key("en") && prompt.text.contains_key("es"), "{}", prompt.id);
            assert_eq!(catalogue().iter().filter(|other| other.id == prompt.id).count(), 1, "{}", prompt.id);
        }
        assert!(catalogue().iter().filter(|prompt| prompt.is_grounding()).count() >= 5);
    }
}
