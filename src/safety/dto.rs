//! Wire types of crisis resources and the safety plan.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::validate::{Checks, Validate};

/// Where somebody is, and the language to answer in.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CrisisQuery {
    /// The country as the person states it, ISO 3166-1 alpha-2. It is never guessed.
    #[param(example = "ES", min_length = 2, max_length = 2)]
    pub country: Option<String>,
    /// A language tag; without it `Accept-Language` decides. No account is looked up.
    #[param(example = "es", max_length = 35)]
    pub locale: Option<String>,
}

impl Validate for CrisisQuery {
    fn validate(&self, checks: &mut Checks) {
        checks.text("query/country", self.country.as_deref(), 2, 2);
        checks.text("query/locale", self.locale.as_deref(), 0, 35);
    }
}

/// Whom to call. Show it in this order: `immediate`, `emergency`, `services` or `directory`, then the clinic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CrisisResources {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "ES")]
    pub country: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Spain")]
    pub country_name: Option<String>,
    /// What to do when somebody is in danger now.
    #[schema(example = "If you or someone else is in danger right now, call 112.")]
    pub immediate: String,
    /// Emergency numbers, the usual one first; empty where the country is not known.
    #[schema(example = json!(["112"]))]
    pub emergency: Vec<String>,
    /// Leads over to the services.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "You can talk to someone now:")]
    pub talk: Option<String>,
    pub services: Vec<CrisisService>,
    /// Where to look when no service of the country is confirmed.
    pub directory: Vec<HelplineDirectory>,
    #[schema(
        example = "Nobody watches this app around the clock. Messages here are not an emergency service."
    )]
    pub not_monitored: String,
    /// How far these numbers can be trusted.
    #[schema(example = "Numbers checked against published pages on 2026-11-22.")]
    pub checked: String,
    pub reviewed: NaiveDate,
}

/// One crisis line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CrisisService {
    #[schema(example = "es-024")]
    pub id: String,
    #[schema(example = "Línea 024")]
    pub name: String,
    /// `suicide-crisis`, `emotional-support`, `crisis-text`, `health-service`, `mental-health-line`; may grow.
    #[schema(example = "suicide-crisis")]
    pub kind: String,
    #[schema(example = json!(["024"]))]
    pub phone: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub sms: Option<TextMessage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "https://988lifeline.org")]
    pub chat: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "https://988lifeline.org")]
    pub web: Option<String>,
    /// Local opening times; absent when they are not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "24/7")]
    pub hours: Option<String>,
    #[schema(example = json!(["es"]))]
    pub languages: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Free and anonymous.")]
    pub note: Option<String>,
}

/// A number to write to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TextMessage {
    #[schema(example = "741741")]
    pub number: String,
    /// The word to send.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "HOME")]
    pub keyword: Option<String>,
}

/// A list of helplines kept by somebody else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct HelplineDirectory {
    #[schema(example = "Find A Helpline")]
    pub name: String,
    #[schema(example = "https://findahelpline.com")]
    pub web: String,
    #[schema(example = "Directory of helplines by country")]
    pub note: String,
}

const MOST_LINES: usize = 20;
const LONGEST_LINE: usize = 500;

/// What helps me, written in a calm hour for a hard one. Every part may be empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SafetyPlanContent {
    /// How I notice that a crisis may come.
    #[schema(max_items = 20, example = json!(["I stop answering messages"]))]
    pub warning_signs: Vec<String>,
    /// What I can do by myself.
    #[schema(max_items = 20, example = json!(["Walk to the river", "Name five things I see"]))]
    pub coping: Vec<String>,
    /// People I can be with or call.
    #[schema(max_items = 20)]
    pub people: Vec<SafetyContact>,
    /// Professionals and services I can call.
    #[schema(max_items = 20)]
    pub professionals: Vec<SafetyContact>,
    /// How I make my surroundings safer.
    #[schema(max_items = 20, example = json!(["My brother keeps the tablets"]))]
    pub means: Vec<String>,
    /// What is worth living for.
    #[schema(max_items = 20, example = json!(["My daughter"]))]
    pub reasons: Vec<String>,
}

/// Somebody to call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SafetyContact {
    #[schema(example = "Marta, my sister", min_length = 1, max_length = 100)]
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "+34 600 000 000", max_length = 50)]
    pub phone: Option<String>,
}

impl Validate for SafetyPlanContent {
    fn validate(&self, checks: &mut Checks) {
        let lists = [
            ("/warning_signs", &self.warning_signs),
            ("/coping", &self.coping),
            ("/means", &self.means),
            ("/reasons", &self.reasons),
        ];
        for (pointer, lines) in lists {
            checks.items(pointer, lines, MOST_LINES);
            for (number, line) in lines.iter().enumerate() {
                checks.text(&format!("{pointer}/{number}"), Some(line), 1, LONGEST_LINE);
            }
        }
        for (pointer, contacts) in [("/people", &self.people), ("/professionals", &self.professionals)] {
            checks.items(pointer, contacts, MOST_LINES);
            for (number, contact) in contacts.iter().enumerate() {
                checks.text(&format!("{pointer}/{number}/name"), Some(&contact.name), 1, 100);
                checks.text(&format!("{pointer}/{number}/phone"), contact.phone.as_deref(), 0, 50);
            }
        }
    }
}

/// My safety plan.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct SafetyPlan {
    /// 0 as long as nothing was written.
    #[schema(example = 3)]
    pub version: i32,
    pub plan: SafetyPlanContent,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<DateTime<Utc>>,
    /// Who watches, and who does not.
    #[schema(
        example = "Nobody watches this app around the clock. Messages here are not an emergency service."
    )]
    pub notice: String,
}
