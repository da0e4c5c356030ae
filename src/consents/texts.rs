//! The consent texts of `content/consents.json`. Every version that was ever shown stays there; the last is current.

use std::{collections::BTreeMap, sync::LazyLock};

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a consent is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Planning reminders and pushing them to devices.
    Reminders,
    /// Letting members of the care team read what the patient shares with them.
    SharingWithCareTeam,
}

impl Purpose {
    pub const ALL: [Self; 2] = [Self::Reminders, Self::SharingWithCareTeam];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reminders => "reminders",
            Self::SharingWithCareTeam => "sharing_with_care_team",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.as_str() == word)
    }
}

/// The words of one text in one language.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    pub title: String,
    pub body: String,
    pub withdrawal: String,
}

/// One version of a text.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextVersion {
    pub version: String,
    text: BTreeMap<String, Words>,
}

#[derive(Deserialize)]
struct PurposeTexts {
    id: Purpose,
    versions: Vec<TextVersion>,
}

#[derive(Deserialize)]
struct Texts {
    purposes: Vec<PurposeTexts>,
}

#[expect(clippy::expect_used, reason = "the texts are compiled in, and a unit test reads each of them")]
static TEXTS: LazyLock<Texts> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../content/consents.json")).expect("the consent texts parse")
});

fn versions(purpose: Purpose) -> &'static [TextVersion] {
    TEXTS.purposes.iter().find(|texts| texts.id == purpose).map_or(&[], |texts| &texts.versions)
}

/// The version that is shown now.
#[expect(clippy::expect_used, reason = "a unit test holds that every purpose has a text")]
pub fn current(purpose: Purpose) -> &'static TextVersion {
    versions(purpose).last().expect("every purpose has a text")
}

/// A version that is or was shown.
pub fn find(purpose: Purpose, version: &str) -> Option<&'static TextVersion> {
    versions(purpose).iter().find(|text| text.version == version)
}

impl TextVersion {
    /// The words in a locale's language, or in English, and which language that is.
    #[expect(clippy::expect_used, reason = "a unit test holds that every text is there in English")]
    pub fn words(&self, locale: &str) -> (&str, &Words) {
        let language = locale.split('-').next().unwrap_or(locale).to_ascii_lowercase();
        let found = self.text.get_key_value(&language).or_else(|| self.text.get_key_value("en"));
        found.map(|(language, words)| (language.as_str(), words)).expect("every text is there in English")
    }

    /// The words in exactly this language.
    pub fn exact(&self, language: &str) -> Option<&Words> {
        self.text.get(language)
    }

    pub fn languages(&self) -> Vec<&str> {
        self.text.keys().map(String::as_str).collect()
    }
}

impl Words {
    /// SHA-256 of title, body and withdrawal, each ended by a line feed, in hexadecimal: what exactly was shown.
    pub fn sha256(&self) -> String {
        let shown = format!("{}\n{}\n{}\n", self.title, self.body, self.withdrawal);
        let hash = digest::digest(&digest::SHA256, shown.as_bytes());
        hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::LANGUAGES;

    /// What was published. A line is added with each version and never changed: people have answered these words.
    const PUBLISHED: &[(&str, &str, &str, &str)] = &[
        ("reminders", "1", "en", "ae7d0113ea15cefb566f5293fe03ef2ca1b025678a98b12111218c959dc68aa6"),
        ("reminders", "1", "es", "056eef3aea3f9b12e69d1cf83dc84b5d8a0a3ea03e045cf7d073bcb5377593e6"),
        (
            "sharing_with_care_team",
            "1",
            "en",
            "ab812fc0281ec23bf60cad65ecfa6980977e6a12a874941b1f47ea585c757eff",
        ),
        (
            "sharing_with_care_team",
            "1",
            "es",
            "780628ce0e0995dc5b544054a61554173f7fc0f51f9ff7eb45314af00a332afb",
        ),
    ];

    #[test]
    fn every_purpose_has_a_text_in_every_language() {
        for purpose in Purpose::ALL {
            assert_eq!(Purpose::from_word(purpose.as_str()), Some(purpose));
            for text in versions(purpose) {
                assert_eq!(text.languages(), LANGUAGES, "{purpose:?} {}", text.version);
                let hashes = LANGUAGES.map(|language| text.words(language).1.sha256());
                assert_ne!(hashes[0], hashes[1], "{purpose:?} {} is not translated", text.version);
            }
            assert!(!current(purpose).version.is_empty());
            assert_eq!(current(purpose).words("es-MX").0, "es");
            assert_eq!(current(purpose).words("fi").0, "en");
        }
    }

    #[test]
    fn a_text_that_was_published_is_never_edited() {
        let mut now = Vec::new();
        for purpose in Purpose::ALL {
            for text in versions(purpose) {
                for language in text.languages() {
                    let words = text.words(language).1;
                    now.push((purpose.as_str(), text.version.as_str(), language, words.sha256()));
                }
            }
        }
        let now: Vec<_> = now.iter().map(|(p, v, l, hash)| (*p, *v, *l, hash.as_str())).collect();
        assert_eq!(now, PUBLISHED, "add a version instead of editing one, and its hashes here");
    }
}
