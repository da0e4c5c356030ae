//! What every place says where people write to each other: nobody watches around the clock.

use std::sync::LazyLock;

use serde::Deserialize;

use crate::content::{ByLocale, in_locale};

#[derive(Deserialize)]
struct Resources {
    texts: Texts,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Texts {
    not_monitored: ByLocale<String>,
}

#[expect(clippy::expect_used, reason = "the text is compiled in, and a unit test parses it")]
static RESOURCES: LazyLock<Resources> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../content/crisis_resources.json"))
        .expect("content/crisis_resources.json must match its types")
});

/// The notice in the reader's language, or in English.
pub fn not_monitored(locale: &str) -> &'static str {
    in_locale(&RESOURCES.texts.not_monitored, locale).map_or("", String::as_str)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_notice_exists_in_the_languages_of_patients() {
        assert!(super::not_monitored("en").contains("Nobody watches"));
        assert!(super::not_monitored("es-MX").contains("Nadie vigila"));
        assert_eq!(super::not_monitored("fi"), super::not_monitored("en"));
    }
}
