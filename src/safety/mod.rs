//! What helps in a crisis: what is said at once when an answer calls for it, whom to call, and the patient's own
//! safety plan. Card and resources come from embedded content and work without database or network.

mod dto;
mod queries;
mod resources;
mod routes;
mod sync;

use std::sync::LazyLock;

use serde::Deserialize;

pub use self::{
    dto::{CrisisResources, SafetyPlanContent},
    queries::{find_plan, plan_place},
    resources::{BadDirectory, Directory, STALE_AFTER_DAYS},
    routes::router,
    sync::{SafetyPlans, SyncedSafetyPlan},
};
use crate::checkins::CrisisCard;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Form {
    safety_rules: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    id: String,
    /// Some rules only speak to clinicians.
    #[serde(default)]
    patient_message: std::collections::BTreeMap<String, String>,
}

#[expect(clippy::expect_used, reason = "the form is part of the program and parsed by a test")]
static DAILY: LazyLock<Form> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../content/measures/daily-check-in.json"))
        .expect("the daily form parses")
});

/// The card of a rule of the daily form, in the locale's language or else in English.
pub fn crisis_card(rule: &str, locale: &str) -> CrisisCard {
    let language = locale.split('-').next().unwrap_or("en");
    let message = DAILY
        .safety_rules
        .iter()
        .find(|candidate| candidate.id == rule)
        .and_then(|rule| rule.patient_message.get(language).or_else(|| rule.patient_message.get("en")))
        .cloned()
        .unwrap_or_default();
    CrisisCard { message }
}

/// A card with the words of another form's rule; a rule without words of its own gets the first message of the daily
/// form.
pub fn card(message: &str, locale: &str) -> CrisisCard {
    if message.is_empty() {
        crisis_card("checkin-very-low", locale)
    } else {
        CrisisCard { message: message.to_owned() }
    }
}

#[derive(Deserialize)]
struct Resources {
    texts: Texts,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Texts {
    not_monitored: std::collections::BTreeMap<String, String>,
}

#[expect(clippy::expect_used, reason = "the texts are part of the program and parsed by a test")]
static RESOURCES: LazyLock<Resources> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../content/crisis_resources.json")).expect("the crisis texts parse")
});

/// What every form says: nobody watches around the clock.
pub fn not_monitored(locale: &str) -> &'static str {
    crate::content::in_locale(&RESOURCES.texts.not_monitored, locale).map_or("", String::as_str)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_card_speaks_the_accounts_language() {
        let english = super::crisis_card("checkin-very-low", "en");
        let spanish = super::crisis_card("checkin-very-low", "es-MX");
        assert!(english.message.contains("crisis contacts"));
        assert!(spanish.message.contains("contactos de crisis"));
        assert_eq!(super::crisis_card("checkin-very-low", "fi").message, english.message);
        assert_eq!(super::card("", "en").message, english.message);
    }

    #[test]
    fn every_form_can_say_that_nobody_watches() {
        assert!(super::not_monitored("en-GB").starts_with("Nobody watches this app around the clock."));
        assert!(super::not_monitored("es").starts_with("Nadie vigila esta aplicación"));
    }
}
