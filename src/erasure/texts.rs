//! What goes and what stays, in words (`content/erasure.json`).

use std::sync::LazyLock;

use serde::Deserialize;

use crate::content::{ByLocale, in_locale};

/// Both lists, as they are shown.
#[derive(Debug, Deserialize)]
pub struct Texts {
    goes: Vec<ByLocale<String>>,
    stays: Vec<ByLocale<String>>,
}

#[expect(clippy::expect_used, reason = "the text is compiled in, and a unit test parses it")]
static TEXTS: LazyLock<Texts> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../content/erasure.json")).expect("content/erasure.json parses")
});

fn shown(list: &[ByLocale<String>], locale: &str) -> Vec<String> {
    list.iter().filter_map(|text| in_locale(text, locale)).cloned().collect()
}

pub fn goes(locale: &str) -> Vec<String> {
    shown(&TEXTS.goes, locale)
}

pub fn stays(locale: &str) -> Vec<String> {
    shown(&TEXTS.stays, locale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_lists_are_there_in_both_languages() {
        for list in [goes, stays] {
            let (english, spanish) = (list("en"), list("es-MX"));
            assert!(english.len() >= 3 && english.len() == spanish.len());
            assert!(english.iter().zip(&spanish).all(|(one, other)| one != other));
        }
    }
}
