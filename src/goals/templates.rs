//! Goals that one can start from: `goalTemplates` of `content/protocols.json`, in the reader's language.

use axum::Json;
use chrono::{Days, NaiveDate};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::target::{GoalTarget, TargetKind};
use crate::{
    app::AppState,
    content::{ByLocale, in_locale, protocols},
    language::ReaderLocale,
    openapi::Problems,
    reminders::rules::localtime::IsoDuration,
};

/// A goal that a patient can start from.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoalTemplate {
    pub id: String,
    /// The questionnaire whose score the target is about.
    pub measure: Option<String>,
    pub score: Option<String>,
    pub target: TemplateTarget,
    /// From the day on which the goal is set.
    pub due: IsoDuration,
    pub text: ByLocale<String>,
}

/// What is to be reached.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemplateTarget {
    #[serde(rename = "type")]
    pub kind: TargetKind,
    pub value: f64,
    pub of: Option<String>,
}

impl GoalTemplate {
    /// The goal's words in this locale, or in English.
    pub fn title(&self, locale: &str) -> String {
        in_locale(&self.text, locale).cloned().unwrap_or_default()
    }

    /// The target of a goal that is set today.
    pub fn target(&self, today: NaiveDate) -> GoalTarget {
        GoalTarget { due_date: today.checked_add_days(Days::new(self.due_days())), ..self.undated() }
    }

    fn undated(&self) -> GoalTarget {
        GoalTarget {
            measure: self.measure.clone(),
            score: self.score.clone(),
            kind: self.target.kind,
            value: self.target.value,
            of: self.target.of.clone(),
            due_date: None,
        }
    }

    fn due_days(&self) -> u64 {
        self.due.as_days().and_then(|days| u64::try_from(days).ok()).unwrap_or_default()
    }
}

/// The template with this id.
pub fn find(id: &str) -> Option<&'static GoalTemplate> {
    protocols().goal_templates.iter().find(|template| template.id == id)
}

/// A goal that one can start from: send its `id` as `template_id`.
#[derive(Debug, Serialize, ToSchema)]
pub struct GoalSuggestion {
    #[schema(example = "practice-three")]
    pub id: String,
    /// In the reader's language.
    #[schema(example = "Practise or write three times a week")]
    pub title: String,
    pub target: GoalTarget,
    /// How long from the day on which the goal is set.
    #[schema(example = "P28D")]
    pub due_after: String,
}

/// All goals that one can start from.
#[derive(Debug, Serialize, ToSchema)]
pub struct GoalSuggestionList {
    pub items: Vec<GoalSuggestion>,
}

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_goal_templates))
}

/// List goals that one can start from, in the reader's language.
#[utoipa::path(get, path = "/goal-templates", operation_id = "list_goal_templates", tag = "goals", security(()),
    params(("Accept-Language" = Option<String>, Header, description = "Used without a login.", example = "es")),
    responses((status = 200, body = GoalSuggestionList), Problems))]
async fn list_goal_templates(ReaderLocale(locale): ReaderLocale) -> Json<GoalSuggestionList> {
    let suggestion = |template: &GoalTemplate| GoalSuggestion {
        id: template.id.clone(),
        title: template.title(&locale),
        target: template.undated(),
        due_after: format!("P{}D", template.due_days()),
    };
    Json(GoalSuggestionList { items: protocols().goal_templates.iter().map(suggestion).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{goals::target::check, validate::Checks};

    #[test]
    fn every_template_is_a_goal_that_may_be_set() {
        assert_eq!(protocols().goal_templates.len(), 3);
        for template in &protocols().goal_templates {
            let mut checks = Checks::default();
            check(&mut checks, &template.undated());
            assert!(checks.finish().is_ok(), "{}", template.id);
            assert!(template.due_days() > 0, "{}", template.id);
            assert!(template.title("es") != template.title("en"), "{}", template.id);
        }
        let today = "2026-11-22".parse().unwrap();
        let due = find("phq9-half").and_then(|template| template.target(today).due_date);
        assert_eq!(due, "2027-01-17".parse().ok());
        assert!(find("no-such-template").is_none());
    }
}
