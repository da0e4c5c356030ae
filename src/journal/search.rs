//! Finding words: what counts as the same word, and which words an entry has. No database, no clock.

use serde_json::Value;
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use super::dto::JournalEntry;

/// Words of one search.
pub const WORDS: usize = 10;

/// Without case and accents: `Über` and `uber` are one word, `STRASSE` and `Straße` too.
pub fn fold(text: &str) -> String {
    // Through capitals and back, because some letters only meet there.
    let capitals = text.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_uppercase);
    capitals.flat_map(char::to_lowercase).nfkd().filter(|c| !is_combining_mark(*c)).collect()
}

/// The words that were asked for, each once.
pub fn words(query: &str) -> Vec<String> {
    let folded = fold(query);
    let mut words: Vec<String> = folded.split_whitespace().map(str::to_owned).collect();
    words.sort_unstable();
    words.dedup();
    words
}

/// Whether all words occur somewhere in title, fields or tags.
pub fn matches(entry: &JournalEntry, words: &[String]) -> bool {
    let mut missing: Vec<&String> = words.iter().collect();
    let mut look = |text: &str| {
        if !missing.is_empty() {
            let text = fold(text);
            missing.retain(|word| !text.contains(word.as_str()));
        }
    };
    entry.title.iter().chain(&entry.tags).for_each(|text| look(text));
    entry.fields.0.values().for_each(|value| texts(value, &mut look));
    missing.is_empty()
}

/// Every text below a value; the ids in it find nothing that a person would type.
fn texts(value: &Value, look: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => look(text),
        Value::Array(items) => items.iter().for_each(|item| texts(item, look)),
        Value::Object(turn) => {
            turn.iter().filter(|(name, _)| *name != "speaker").for_each(|(_, text)| texts(text, look))
        }
        _ => {}
    }
}

/// Whether one of the tags is this one.
pub fn has_tag(tags: &[String], wanted: &str) -> bool {
    let wanted = fold(wanted);
    tags.iter().any(|tag| fold(tag) == wanted)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::journal::dto::EntryState;

    fn entry(title: &str, fields: Value, tags: &[&str]) -> JournalEntry {
        JournalEntry {
            id: Uuid::nil().into(),
            version: 1,
            revision: 1,
            state: EntryState::Final,
            template_id: "free-note".into(),
            template_version: "1.0.0".into(),
            title: Some(title.into()),
            fields: serde_json::from_value(fields).unwrap(),
            to_talk_about: false,
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            crisis_card: None,
            conflict_of: None,
            created_at: DateTime::default(),
            updated_at: DateTime::default(),
        }
    }

    #[test]
    fn case_and_accents_do_not_matter() {
        for (one, other) in [
            ("Über", "uber"),
            ("STRASSE", "Straße"),
            ("ΣΊΣΥΦΟΣ", "σίσυφος"),
            ("sueño", "SUENO"),
            ("e\u{301}", "É"),
            ("Żółć", "zołc"),
            ("ﬁn", "fin"),
        ] {
            assert_eq!(fold(one), fold(other), "{one} {other}");
        }
        assert_ne!(fold("river"), fold("rover"));
        assert_eq!(words("  Río   rio RÍO agua "), ["agua", "rio"]);
        assert!(words(" \u{301} ").is_empty());
    }

    #[test]
    fn all_words_must_occur_and_each_may_stand_anywhere() {
        let fields = json!({"text": "El río era ancho", "words": ["barco"], "n": 7,
            "dialogue": [{"speaker": "part", "text": "Hola"}]});
        let entry = entry("La mañana", fields, &["Sueño"]);
        for (query, wanted) in [
            ("rio", true),
            ("RIO manana sueno", true),
            ("barco hola", true),
            ("ancho mar", false),
            ("part", false),
            ("7", false),
        ] {
            assert_eq!(matches(&entry, &words(query)), wanted, "{query}");
        }
        assert!(has_tag(&entry.tags, "SUEÑO") && !has_tag(&entry.tags, "sue"));
    }
}
