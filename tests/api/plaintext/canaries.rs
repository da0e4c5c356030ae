//! Texts that occur nowhere by themselves, and which fields they were written into.

use std::{collections::BTreeSet, sync::Mutex};

use super::search::Search;

/// The canaries of one test.
pub struct Canaries {
    test: &'static str,
    texts: Mutex<BTreeSet<String>>,
    fields: Mutex<BTreeSet<String>>,
}

impl Canaries {
    pub fn new(test: &'static str) -> Self {
        Self { test, texts: Mutex::default(), fields: Mutex::default() }
    }

    fn put(&self, field: &str, text: String) -> String {
        self.note(field);
        self.texts.lock().unwrap().insert(text.clone());
        text
    }

    pub fn ascii(&self, field: &str) -> String {
        self.put(field, format!("canary {} quartz {}", self.test, name(field)))
    }

    pub fn umlauts(&self, field: &str) -> String {
        self.put(field, format!("Kanarienvögel über Żółć 金丝雀 {} {}", self.test, name(field)))
    }

    pub fn emoji(&self, field: &str) -> String {
        self.put(field, format!("🐤🪶👩🏽‍🚀 {} {}", self.test, name(field)))
    }

    /// Something that is no canary and must not be found either.
    pub fn secret(&self, text: &str) {
        self.texts.lock().unwrap().insert(text.to_owned());
    }

    /// A field that got its canary under another name.
    pub fn note(&self, field: &str) {
        self.fields.lock().unwrap().insert(field.to_owned());
    }

    /// Which of them stand in `bytes`, in any writing.
    pub fn found_in(&self, bytes: &[u8]) -> Vec<String> {
        let texts: Vec<String> = self.texts.lock().unwrap().iter().cloned().collect();
        Search::new(&texts).found_in(bytes).into_iter().map(|index| texts[index].clone()).collect()
    }

    /// Every field got a canary or has a reason not to.
    pub fn cover(&self, fields: &[String], exempt: &[(&str, &str)]) {
        let written = self.fields.lock().unwrap();
        assert!(fields.len() > 20, "the contract has no text fields? {fields:?}");
        let excused = |field: &str| exempt.iter().any(|(name, reason)| *name == field && !reason.is_empty());
        let open: Vec<&String> =
            fields.iter().filter(|field| written.contains(*field) == excused(field)).collect();
        assert!(open.is_empty(), "give each a canary, or a reason in EXEMPT, not both: {open:?}");
        for (name, _) in exempt {
            assert!(fields.iter().any(|field| field == name), "{name} is gone; take it out of EXEMPT");
        }
    }
}

/// Without the characters that a writing might treat apart.
fn name(field: &str) -> String {
    field.chars().filter(char::is_ascii_alphanumeric).collect()
}
