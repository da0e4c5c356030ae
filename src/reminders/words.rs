//! What the ledger says to a patient (`content/ledger.json`): what became of a reminder and why, in plain words.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::Deserialize;

use crate::content::{ByLocale, in_locale};

#[derive(Deserialize)]
struct Content {
    support: ByLocale<String>,
    states: BTreeMap<String, ByLocale<String>>,
    reasons: BTreeMap<String, ByLocale<String>>,
}

#[expect(clippy::expect_used, reason = "the text is compiled in, and a unit test parses it")]
static CONTENT: LazyLock<Content> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../content/ledger.json")).expect("content/ledger.json parses")
});

fn text(texts: &'static ByLocale<String>, locale: &str) -> &'static str {
    in_locale(texts, locale).map_or("", String::as_str)
}

/// The reason if there is one, else the state, in words.
pub fn explain(state: &str, reason: Option<&str>, locale: &str) -> &'static str {
    let reason = reason.and_then(|reason| CONTENT.reasons.get(reason));
    reason.or_else(|| CONTENT.states.get(state)).map_or("", |texts| text(texts, locale))
}

/// Where help is, for whoever gave an answer that called for it.
pub fn support(locale: &str) -> &'static str {
    text(&CONTENT.support, locale)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{language::LANGUAGES, reminders::rules::policy::Reason};

    #[test]
    fn every_state_and_reason_is_said_in_every_language() {
        let states =
            ["planned", "claimed", "retrying", "accepted", "expired", "suppressed", "cancelled", "failed"];
        let reasons = Reason::ALL.map(Reason::as_str).into_iter().chain(["unreachable"]);
        for language in LANGUAGES {
            assert!(states.iter().all(|state| !explain(state, None, language).is_empty()));
            for reason in reasons.clone() {
                let said = CONTENT.reasons.get(reason).and_then(|texts| texts.get(language));
                assert!(said.is_some_and(|text| !text.is_empty()), "{reason} in {language}");
            }
            assert!(CONTENT.support.contains_key(language));
        }
        assert_eq!(explain("suppressed", Some("paused"), "es"), CONTENT.reasons["paused"]["es"]);
    }
}
