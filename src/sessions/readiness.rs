//! What a patient can tick off before a session (`content/readiness.json`). Practical things only: nothing here
//! decides whether somebody is fit for a session.

use std::sync::LazyLock;

use serde::Deserialize;

use crate::content::{ByLocale, in_locale};

#[derive(Deserialize)]
struct Content {
    items: Vec<Item>,
}

/// One thing to tick off, and for which sessions. An empty list means every one.
#[derive(Debug, Deserialize)]
pub struct Item {
    pub id: String,
    kinds: Vec<String>,
    #[serde(default)]
    locations: Vec<String>,
    #[serde(default)]
    routes: Vec<String>,
    text: ByLocale<String>,
}

#[expect(clippy::expect_used, reason = "the text is compiled in, and a unit test parses it")]
static CONTENT: LazyLock<Content> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../content/readiness.json")).expect("content/readiness.json parses")
});

impl Item {
    pub fn text(&self, locale: &str) -> &str {
        in_locale(&self.text, locale).map_or("", String::as_str)
    }
}

/// The items of a session, in the order of the content.
pub fn items(kind: &str, location: &str, route: Option<&str>) -> impl Iterator<Item = &'static Item> {
    let admits = |list: &[String], word: &str| list.is_empty() || list.iter().any(|one| one == word);
    CONTENT.items.iter().filter(move |item| {
        admits(&item.kinds, kind)
            && admits(&item.locations, location)
            && admits(&item.routes, route.unwrap_or(""))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::protocols;

    fn ids(kind: &str, location: &str, route: Option<&str>) -> Vec<&'static str> {
        items(kind, location, route).map(|item| item.id.as_str()).collect()
    }

    #[test]
    fn items_fit_kind_place_and_route() {
        let iv = ids("dosing", "clinic", Some("iv"));
        assert_eq!(
            iv,
            [
                "instructions-read",
                "ride-home",
                "day-free",
                "health-changes-told",
                "comfort-packed",
                "intention-considered"
            ]
        );
        assert!(ids("dosing", "clinic", Some("intranasal")).contains(&"nasal-instructions"));
        let home = ids("dosing", "home", Some("oral-sublingual"));
        assert!(home.contains(&"companion") && !home.contains(&"ride-home"));
        assert_eq!(
            ids("integration", "telehealth", None),
            ["questions-noted", "quiet-place", "device-ready"]
        );
    }

    #[test]
    fn every_item_names_what_exists_and_has_both_languages() {
        for item in &CONTENT.items {
            assert!(item.kinds.iter().all(|kind| protocols().session_kind(kind).is_some()), "{}", item.id);
            assert!(item.routes.iter().all(|route| protocols().route(route).is_some()), "{}", item.id);
            assert!(
                item.locations.iter().all(|one| protocols().locations().contains(one.as_str())),
                "{}",
                item.id
            );
            assert!(item.text.contains_key("en") && item.text.contains_key("es"), "{}", item.id);
        }
        for kind in &protocols().session_kinds {
            let somewhere =
                ["clinic", "home", "telehealth"].iter().any(|place| !ids(&kind.id, place, None).is_empty());
            assert!(somewhere, "{}", kind.id);
        }
    }
}
