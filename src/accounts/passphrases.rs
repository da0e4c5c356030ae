//! A passphrase for whoever does not want to think of one: five words by chance, in the reader's language.

use std::sync::LazyLock;

use crate::{clock::Random, language};

const WORDS: usize = 5;

static ENGLISH: LazyLock<Vec<&str>> =
    LazyLock::new(|| include_str!("../../content/passphrases/en.txt").lines().collect());
static SPANISH: LazyLock<Vec<&str>> =
    LazyLock::new(|| include_str!("../../content/passphrases/es.txt").lines().collect());

/// A fresh one; nobody keeps it.
pub fn draw(random: &dyn Random, locale: &str) -> String {
    let list = if language::of(locale) == "es" { &SPANISH } else { &ENGLISH };
    let words: Vec<&str> = (0..WORDS).map(|_| list[index(random, list.len())]).collect();
    words.join(" ")
}

/// An index below `length`, each as likely as the others: what would favour the first ones is drawn again.
fn index(random: &dyn Random, length: usize) -> usize {
    let fair = (usize::from(u16::MAX) + 1) / length * length;
    loop {
        let drawn = usize::from(u16::from_be_bytes(random.bytes()));
        if drawn < fair {
            return drawn % length;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::clock::SystemRandom;

    #[test]
    fn lists_are_long_and_plain() {
        for (list, least) in [(&ENGLISH, 1_900), (&SPANISH, 1_600)] {
            assert!(list.iter().collect::<BTreeSet<_>>().len() == list.len() && list.len() >= least);
            assert!(list.iter().all(|word| word.bytes().all(|letter| letter.is_ascii_lowercase())));
        }
    }

    #[test]
    fn a_passphrase_is_five_words_of_its_language_and_passes_as_a_password() {
        for (locale, list) in [("en", &ENGLISH), ("es-MX", &SPANISH), ("fi", &ENGLISH)] {
            for _ in 0..50 {
                let phrase = draw(&SystemRandom, locale);
                assert!(phrase.split(' ').all(|word| list.contains(&word)), "{phrase}");
                let mut checks = crate::validate::Checks::default();
                super::super::strength::check(&mut checks, "/password", &phrase, &[], 15);
                assert!(checks.finish().is_ok(), "{phrase}");
            }
        }
        assert_ne!(draw(&SystemRandom, "en"), draw(&SystemRandom, "en"));
    }
}
