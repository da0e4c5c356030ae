//! Whom to call in a crisis, by country. Everything is in memory: it needs no login, no database and no network, and
//! asking is never recorded (`content/crisis_resources.json`, "selection").

use std::{collections::BTreeMap, path::Path, sync::LazyLock};

use chrono::NaiveDate;
use serde::Deserialize;

use super::dto::{CrisisResources, CrisisService, HelplineDirectory, TextMessage};
use crate::content::{ByLocale, in_locale};

/// After so many days somebody should check the numbers again.
pub const STALE_AFTER_DAYS: i64 = 90;

/// Where 112 reaches the emergency services for certain: the member states of the European Union.
const EUROPEAN_UNION: [&str; 27] = [
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IT", "LT",
    "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
];

/// What is known of crisis services.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Directory {
    reviewed: NaiveDate,
    texts: Texts,
    countries: Vec<Country>,
    international: Vec<Listing>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Texts {
    immediate: ByLocale<String>,
    talk: ByLocale<String>,
    not_monitored: ByLocale<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Country {
    country: String,
    name: ByLocale<String>,
    emergency: Vec<String>,
    services: Vec<Service>,
}

#[derive(Debug, Clone, Deserialize)]
struct Service {
    id: String,
    name: String,
    kind: String,
    #[serde(default)]
    phone: Vec<String>,
    sms: Option<TextMessage>,
    chat: Option<String>,
    web: Option<String>,
    hours: String,
    languages: Vec<String>,
    confidence: String,
}

#[derive(Debug, Clone, Deserialize)]
struct Listing {
    name: String,
    web: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Guidance {
    checked: ByLocale<String>,
    unknown_country: ByLocale<String>,
    directory: ByLocale<String>,
    services: BTreeMap<String, ByLocale<String>>,
}

/// Entries of the operator: a country here replaces the country of the same code.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Own {
    reviewed: NaiveDate,
    countries: Vec<Country>,
}

#[expect(clippy::expect_used, reason = "the text is compiled in, and a unit test parses it")]
static GUIDANCE: LazyLock<Guidance> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../content/crisis_guidance.json")).expect("the guidance parses")
});

/// The operator's file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadDirectory {
    #[error("cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    #[error("does not have the form of content/crisis_resources.json (reviewed, countries): {0}")]
    Malformed(#[from] serde_json::Error),
    #[error("country {0} needs a code of two capital letters and an emergency number")]
    Incomplete(String),
}

impl Directory {
    /// What ships with the program.
    #[expect(clippy::expect_used, reason = "the text is compiled in, and a unit test parses it")]
    pub fn embedded() -> Self {
        serde_json::from_str(include_str!("../../content/crisis_resources.json"))
            .expect("the directory parses")
    }

    /// The same with the operator's own countries laid over it.
    ///
    /// # Errors
    /// The file cannot be read, or says less than a person in danger needs.
    pub fn with_file(self, file: &Path) -> Result<Self, BadDirectory> {
        self.with(&std::fs::read_to_string(file)?)
    }

    fn with(mut self, text: &str) -> Result<Self, BadDirectory> {
        let own: Own = serde_json::from_str(text)?;
        for country in own.countries {
            let code_is_good =
                country.country.len() == 2 && country.country.bytes().all(|b| b.is_ascii_uppercase());
            if !code_is_good || country.emergency.is_empty() {
                return Err(BadDirectory::Incomplete(country.country));
            }
            self.countries.retain(|known| known.country != country.country);
            self.countries.push(country);
        }
        self.reviewed = self.reviewed.min(own.reviewed);
        Ok(self)
    }

    /// Days since somebody checked the oldest part.
    pub fn age_in_days(&self, today: NaiveDate) -> i64 {
        (today - self.reviewed).num_days()
    }

    /// What to show to somebody in this country. Emergency numbers come first; services that nobody has confirmed
    /// stay hidden; where none is left, the emergency number and the international directory remain.
    pub fn of(&self, country: Option<&str>, locale: &str) -> CrisisResources {
        let code = country.map(str::to_ascii_uppercase);
        let known = self.countries.iter().find(|one| Some(&one.country) == code.as_ref());
        let emergency = match (known, &code) {
            (Some(known), _) => known.emergency.clone(),
            (None, Some(code)) if EUROPEAN_UNION.contains(&code.as_str()) => vec!["112".to_owned()],
            _ => Vec::new(),
        };
        let services: Vec<CrisisService> = known
            .iter()
            .flat_map(|known| &known.services)
            .filter(|service| service.confidence == "verified")
            .map(|service| shown(service, locale))
            .collect();
        let say = |texts: &ByLocale<String>| in_locale(texts, locale).cloned().unwrap_or_default();
        let immediate = match emergency.first() {
            Some(number) => say(&self.texts.immediate).replace("{emergency}", number),
            None => say(&GUIDANCE.unknown_country),
        };
        CrisisResources {
            country: known.map(|known| known.country.clone()).or(code),
            country_name: known.map(|known| say(&known.name)),
            directory: if services.is_empty() { self.international(locale) } else { Vec::new() },
            talk: (!services.is_empty()).then(|| say(&self.texts.talk)),
            emergency,
            services,
            immediate,
            not_monitored: say(&self.texts.not_monitored),
            checked: say(&GUIDANCE.checked).replace("{date}", &self.reviewed.to_string()),
            reviewed: self.reviewed,
        }
    }

    /// Everywhere, for an app that has no network later.
    pub fn every_country(&self, locale: &str) -> Vec<CrisisResources> {
        self.countries.iter().map(|one| self.of(Some(&one.country), locale)).collect()
    }

    fn international(&self, locale: &str) -> Vec<HelplineDirectory> {
        let note = in_locale(&GUIDANCE.directory, locale).cloned().unwrap_or_default();
        let entry = |one: &Listing| HelplineDirectory {
            name: one.name.clone(),
            web: one.web.clone(),
            note: note.clone(),
        };
        self.international.iter().map(entry).collect()
    }
}

fn shown(service: &Service, locale: &str) -> CrisisService {
    CrisisService {
        id: service.id.clone(),
        name: service.name.clone(),
        kind: service.kind.clone(),
        phone: service.phone.clone(),
        sms: service.sms.clone(),
        chat: service.chat.clone(),
        web: service.web.clone(),
        hours: (service.hours != "not checked").then(|| service.hours.clone()),
        languages: service.languages.clone(),
        note: GUIDANCE.services.get(&service.id).and_then(|note| in_locale(note, locale)).cloned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_emergency_number_comes_first_and_unconfirmed_services_stay_hidden() {
        let all = Directory::embedded();
        let spain = all.of(Some("es"), "es-ES");
        assert_eq!((spain.country.as_deref(), spain.country_name.as_deref()), (Some("ES"), Some("España")));
        assert_eq!(spain.immediate, "Si usted u otra persona está en peligro ahora mismo, llame al 112.");
        assert_eq!(spain.services[0].phone, ["024"]);
        assert_eq!(spain.services[0].note.as_deref(), Some("Gratis y anónimo."));
        assert!(spain.directory.is_empty());
        // Belgium's lines were only found in lists.
        let belgium = all.of(Some("BE"), "en");
        assert_eq!((belgium.emergency, belgium.services.len()), (vec!["112".to_owned()], 0));
        assert_eq!(belgium.directory[0].web, "https://findahelpline.com");
        for country in all.every_country("en") {
            assert!(
                !country.emergency.is_empty() && !country.immediate.contains('{'),
                "{:?}",
                country.country
            );
            assert!(country.services.iter().all(|one| !one.phone.is_empty() || one.sms.is_some()));
            assert_eq!(country.services.is_empty(), !country.directory.is_empty());
        }
    }

    #[test]
    fn an_unknown_country_still_gets_help() {
        let all = Directory::embedded();
        let finland = all.of(Some("FI"), "en");
        assert_eq!((finland.emergency, finland.country.as_deref()), (vec!["112".to_owned()], Some("FI")));
        for country in [Some("JP"), None] {
            let answer = all.of(country, "es");
            assert!(answer.emergency.is_empty() && answer.country_name.is_none());
            assert!(answer.immediate.contains("número de emergencias del país donde está"));
            assert_eq!(answer.directory.len(), 1);
        }
    }

    #[test]
    fn it_says_checked_and_never_called() {
        let english = Directory::embedded().of(Some("DE"), "en");
        assert_eq!(english.checked, "Numbers checked against published pages on 2026-11-22.");
        assert!(english.not_monitored.contains("Nobody watches"));
    }

    #[test]
    fn the_operators_own_entry_overrides() {
        let own = r#"{"reviewed": "2026-10-01", "countries": [{"country": "BE", "name": {"en": "Belgium"},
            "emergency": ["112"], "services": [{"id": "own", "name": "Our line", "kind": "suicide-crisis",
            "phone": ["1813"], "hours": "24/7", "languages": ["nl"], "confidence": "verified"}]}]}"#;
        let all = Directory::embedded().with(own).unwrap();
        assert_eq!(all.of(Some("BE"), "en").services[0].phone, ["1813"]);
        assert_eq!(all.countries.len(), Directory::embedded().countries.len());
        assert_eq!(all.age_in_days("2026-12-31".parse().unwrap()), 91);
        let nameless = own.replace("\"BE\"", "\"Belgium\"");
        assert!(matches!(Directory::embedded().with(&nameless), Err(BadDirectory::Incomplete(_))));
        let without = own.replace("\"emergency\": [\"112\"]", "\"emergency\": []");
        assert!(matches!(Directory::embedded().with(&without), Err(BadDirectory::Incomplete(_))));
        assert!(matches!(Directory::embedded().with("{}"), Err(BadDirectory::Malformed(_))));
    }

    #[test]
    fn every_note_belongs_to_a_service_and_has_both_languages() {
        let all = Directory::embedded();
        let ids: Vec<&str> = all.countries.iter().flat_map(|c| &c.services).map(|s| s.id.as_str()).collect();
        for (id, note) in &GUIDANCE.services {
            assert!(ids.contains(&id.as_str()), "{id}");
            assert!(note.contains_key("en") && note.contains_key("es"), "{id}");
        }
    }
}
