//! What refusals say, in the reader's language. The source holds the English words; `content/messages.es.json` maps
//! each of them, as it is written there with its placeholders, to Spanish. Two tests find what has no translation: one
//! reads the source, and the API's test harness asks for every `detail` that any test provokes.

use std::{
    collections::{BTreeMap, HashMap},
    sync::LazyLock,
};

#[cfg(test)]
mod source;
#[cfg(test)]
mod tokens;

static TEXT: &str = include_str!("../content/messages.es.json");

#[expect(clippy::expect_used, reason = "the catalogue is compiled in, and a unit test reads it")]
static SPANISH: LazyLock<Catalogue> = LazyLock::new(|| {
    let entries: BTreeMap<String, String> = serde_json::from_str(TEXT).expect("the catalogue parses");
    Catalogue::new(entries)
});

/// The same message in `language`; English stays as it is, and so does what the catalogue does not know.
pub fn in_language(language: &str, english: String) -> String {
    match language {
        "es" => spanish(&english).unwrap_or(english),
        _ => english,
    }
}

/// The Spanish of a message, if the catalogue has it.
pub fn spanish(english: &str) -> Option<String> {
    SPANISH.find(english)
}

struct Catalogue {
    exact: HashMap<String, String>,
    /// Messages with values in them, those with the most words first.
    patterns: Vec<(Template, Template)>,
}

impl Catalogue {
    fn new(entries: BTreeMap<String, String>) -> Self {
        let (patterns, exact): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|(english, _)| english.contains('{'));
        let mut patterns: Vec<(Template, Template)> = patterns
            .iter()
            .map(|(english, spanish)| (Template::read(english), Template::read(spanish)))
            .collect();
        patterns.sort_by_key(|(english, _)| std::cmp::Reverse(english.words()));
        Self { exact: exact.into_iter().collect(), patterns }
    }

    fn find(&self, english: &str) -> Option<String> {
        if let Some(spanish) = self.exact.get(english) {
            return Some(spanish.clone());
        }
        self.patterns.iter().find_map(|(pattern, spanish)| {
            let values = pattern.values(english)?;
            Some(spanish.fill(&values, &self.exact))
        })
    }
}

/// Text with named places, as in a format string; places without a name are called by their number.
struct Template {
    /// Texts around the places: always one more than there are places.
    texts: Vec<String>,
    places: Vec<String>,
}

impl Template {
    fn read(text: &str) -> Self {
        let (mut texts, mut places) = (Vec::new(), Vec::new());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let Some((place, after)) = after.split_once('}') else { break };
            let name = place.split(':').next().unwrap_or(place);
            texts.push(before.to_owned());
            places.push(if name.is_empty() { places.len().to_string() } else { name.to_owned() });
            rest = after;
        }
        texts.push(rest.to_owned());
        Self { texts, places }
    }

    fn words(&self) -> usize {
        self.texts.iter().map(String::len).sum()
    }

    /// What stands at the places of a text of this form.
    fn values<'a>(&'a self, text: &'a str) -> Option<HashMap<&'a str, &'a str>> {
        let (first, others) = self.texts.split_first()?;
        let (last, middle) = others.split_last()?;
        let mut rest = text.strip_prefix(first.as_str())?.strip_suffix(last.as_str())?;
        let mut values = HashMap::new();
        for (between, place) in middle.iter().zip(&self.places) {
            let (value, after) = rest.split_once(between.as_str())?;
            values.insert(place.as_str(), value);
            rest = after;
        }
        values.insert(self.places.last()?.as_str(), rest);
        Some(values)
    }

    /// A value that is itself a message is said in the same language.
    fn fill(&self, values: &HashMap<&str, &str>, words: &HashMap<String, String>) -> String {
        let mut filled = String::new();
        for (index, text) in self.texts.iter().enumerate() {
            filled.push_str(text);
            if let Some(value) = self.places.get(index).and_then(|place| values.get(place.as_str())) {
                filled.push_str(words.get(*value).map_or(*value, String::as_str));
            }
        }
        filled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_said_in_spanish_with_their_values() {
        for (english, wanted) in [
            ("is required", "es obligatorio"),
            ("must be from 0 to 10", "debe ser de 0 a 10"),
            ("must have 1 to 80 characters, has 81", "debe tener de 1 a 80 caracteres y tiene 81"),
            (
                "The body is not valid JSON (line 1, column 22).",
                "El contenido no es JSON válido (línea 1, columna 22).",
            ),
            ("must be one of: clinic, home", "debe ser uno de: clinic, home"),
            (
                "The session is completed; that can no longer be done with it.",
                "La sesión está terminada; eso ya no se puede hacer con ella.",
            ),
        ] {
            assert_eq!(in_language("es", english.to_owned()), wanted);
            assert_eq!(in_language("en", english.to_owned()), english);
        }
        assert_eq!(spanish("something nobody says"), None);
        assert_eq!(spanish("must be from 0"), None);
    }

    #[test]
    fn translations_are_there_differ_and_keep_every_value() {
        let entries: BTreeMap<String, String> = serde_json::from_str(TEXT).unwrap();
        for (english, spanish) in &entries {
            assert!(!spanish.trim().is_empty() && spanish != english, "{english}");
            let places = |text: &str| {
                let mut places = Template::read(text).places;
                places.sort();
                places
            };
            assert_eq!(places(english), places(spanish), "{english}");
        }
        let written: serde_json::Map<String, serde_json::Value> = serde_json::from_str(TEXT).unwrap();
        assert_eq!(written.len(), entries.len(), "an entry is there twice");
    }
}
