//! The words of the digest (`content/digest.json`), in the languages of `content/`.

use std::{collections::BTreeMap, sync::LazyLock};

use chrono::NaiveDate;
use jiff::civil;
use serde::Deserialize;

use crate::content::{ByLocale, in_locale};

/// The words of one language. `{0}`, `{1}` and `{2}` stand for what is filled in.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Texts {
    pub title: String,
    pub covering: String,
    pub alerts: String,
    pub next: String,
    pub no_next: String,
    pub readiness: String,
    pub done: String,
    pub open: String,
    pub intention: String,
    pub no_intention: String,
    pub course: String,
    pub no_course: String,
    pub talk: String,
    pub no_talk: String,
    pub not_for_cover: String,
    pub measures: String,
    pub no_measures: String,
    pub missing: String,
    pub days: String,
    pub no_days: String,
    pub numbers: String,
    pub day: String,
    pub mood: String,
    pub anxiety: String,
    pub energy: String,
    pub sleep: String,
    pub footer: String,
    pub as_of: String,
    pub looked: String,
    pub of: String,
    pub at: String,
    pub due: String,
    pub overdue: String,
    pub shared: String,
    pub times: String,
    pub more_talk: String,
    pub since: String,
    pub since_first: String,
    pub last: String,
    pub plan: String,
    pub chart: String,
    pub untitled: String,
    pub clinic: String,
    pub home: String,
    pub telehealth: String,
    pub notes: BTreeMap<String, String>,
    date: String,
    long_date: String,
    months: [String; 12],
    weekdays: [String; 7],
}

#[expect(clippy::expect_used, reason = "the words are compiled in, and a unit test reads them")]
static TEXTS: LazyLock<ByLocale<Texts>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../../content/digest.json")).expect("content/digest.json parses")
});

/// The words for a locale, else the English ones.
#[expect(clippy::expect_used, reason = "English is always there; a unit test reads it")]
pub fn texts(locale: &str) -> &'static Texts {
    in_locale(&TEXTS, locale).expect("English is there")
}

/// Fills a text in. What is filled in is not looked through again.
pub fn fill(text: &str, values: &[&str]) -> String {
    let mut filled = String::with_capacity(text.len() + 32);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let (number, after) = after.split_once('}').unwrap_or((after, ""));
        filled.push_str(number.parse().ok().and_then(|n: usize| values.get(n)).unwrap_or(&""));
        rest = after;
    }
    filled + rest
}

impl Texts {
    fn named(&self, pattern: &str, day: i8, month: i8, weekday: i8) -> String {
        let name = |names: &[String], number: i8| {
            let index = usize::try_from(number - 1).unwrap_or_default();
            names.get(index).cloned().unwrap_or_default()
        };
        let (month, weekday) = (name(&self.months, month), name(&self.weekdays, weekday));
        fill(pattern, &[&day.to_string(), &month, &weekday])
    }

    /// Such as "25 November".
    pub fn date(&self, date: civil::Date) -> String {
        self.named(&self.date, date.day(), date.month(), 1)
    }

    /// Such as "Friday 27 November".
    pub fn long_date(&self, date: civil::Date) -> String {
        self.named(&self.long_date, date.day(), date.month(), date.weekday().to_monday_one_offset())
    }

    /// Such as "13 Nov", for the axis of a chart.
    pub fn short_date(&self, date: NaiveDate) -> String {
        use chrono::Datelike;
        let month = usize::try_from(date.month0()).ok().and_then(|month| self.months.get(month));
        let month: String = month.map(|name| name.chars().take(3).collect()).unwrap_or_default();
        format!("{} {month}", date.day())
    }

    /// What a place is called.
    pub fn place(&self, location: &str) -> &str {
        match location {
            "clinic" => &self.clinic,
            "home" => &self.home,
            _ => &self.telehealth,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_languages_have_every_word_and_fill_the_same_values() {
        let text = include_str!("../../../content/digest.json");
        let raw: serde_json::Value = serde_json::from_str(text).unwrap();
        let (en, es) = (raw["en"].as_object().unwrap(), raw["es"].as_object().unwrap());
        assert_eq!(en.keys().collect::<Vec<_>>(), es.keys().collect::<Vec<_>>());
        let places = |text: &str| (0..3).filter(|n| text.contains(&format!("{{{n}}}"))).collect::<Vec<_>>();
        for (name, words) in en {
            if let Some(words) = words.as_str() {
                assert_eq!(places(words), places(es[name].as_str().unwrap()), "{name}");
            }
        }
        assert_ne!(texts("en").title, texts("es-MX").title);
    }

    #[test]
    fn dates_read_as_people_write_them() {
        let friday = civil::date(2026, 11, 27);
        assert_eq!(texts("en").long_date(friday), "Friday 27 November");
        assert_eq!(texts("es").long_date(friday), "viernes 27 de noviembre");
        assert_eq!(texts("es").date(friday), "27 de noviembre");
        assert_eq!(fill("{1}{0} {9}{x", &["{1}", "b"]), "b{1} ");
    }
}
