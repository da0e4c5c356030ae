//! Wire types of exercises.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::catalogue::{Care, Phase, Prompt, TimeOfDay};
use crate::{
    safety::CrisisResources,
    validate::{Checks, Validate},
};

/// Which exercises to list; without any, all of them.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PromptQuery {
    #[param(example = "grounding", max_length = 40)]
    pub category: Option<String>,
    #[param(example = "somatic", max_length = 40)]
    pub modality: Option<String>,
    /// Those that fit this phase; `any` fits each.
    pub phase: Option<Phase>,
    /// Those that fit this part of the day; `any` fits each.
    pub time_of_day: Option<TimeOfDay>,
    /// Not longer than so many minutes.
    #[param(example = 5, minimum = 1, maximum = 60)]
    pub max_minutes: Option<u8>,
    /// Only my favourites.
    pub favourite: Option<bool>,
}

impl PromptQuery {
    pub fn admits(&self, prompt: &Prompt, favourite: bool) -> bool {
        let phase = |wanted| prompt.phase == wanted || prompt.phase == Phase::Any;
        let time = |wanted| prompt.time_of_day == wanted || prompt.time_of_day == TimeOfDay::Any;
        self.category.as_ref().is_none_or(|wanted| *wanted == prompt.category)
            && self.modality.as_ref().is_none_or(|wanted| *wanted == prompt.modality)
            && self.phase.is_none_or(phase)
            && self.time_of_day.is_none_or(time)
            && self.max_minutes.is_none_or(|most| prompt.minutes <= most)
            && self.favourite.is_none_or(|wanted| wanted == favourite)
    }
}

impl Validate for PromptQuery {
    fn validate(&self, checks: &mut Checks) {
        checks.text("query/category", self.category.as_deref(), 0, 40);
        checks.text("query/modality", self.modality.as_deref(), 0, 40);
        checks.range("query/max_minutes", self.max_minutes, 1, 60);
    }
}

/// A short exercise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct OfferedPrompt {
    #[schema(example = "ground-five-senses")]
    pub id: String,
    #[schema(example = "grounding")]
    pub category: String,
    #[schema(example = "mindfulness")]
    pub modality: String,
    #[schema(example = 3)]
    pub minutes: u8,
    pub phase: Phase,
    pub time_of_day: TimeOfDay,
    /// What to mind with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub care: Option<Care>,
    #[schema(example = "Name five things you see, four you can touch, three you hear.")]
    pub text: String,
    #[schema(example = false)]
    pub favourite: bool,
}

/// Exercises in the order of the catalogue.
#[derive(Debug, Serialize, ToSchema)]
pub struct PromptList {
    pub items: Vec<OfferedPrompt>,
}

/// The exercise for today.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TodaysPrompt {
    /// The patient's own date.
    pub local_date: NaiveDate,
    pub prompt: OfferedPrompt,
    /// Shown beside the exercise while a safety alert is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub support: Option<CrisisResources>,
}
