//! The words of the day (`content/today.json`).

use std::{collections::BTreeMap, sync::LazyLock};

use serde::Deserialize;

use super::rules::{DayPhase, Task};
use crate::content::{ByLocale, in_locale};

#[derive(Deserialize)]
struct Texts {
    phases: BTreeMap<String, Words>,
    tasks: BTreeMap<String, ByLocale<String>>,
}

#[derive(Deserialize)]
struct Words {
    title: ByLocale<String>,
    detail: ByLocale<String>,
}

#[expect(clippy::expect_used, reason = "the text is compiled in, and a unit test parses it")]
static TEXTS: LazyLock<Texts> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../content/today.json")).expect("content/today.json parses")
});

/// Title and detail of a phase.
pub fn phase(phase: DayPhase, locale: &str) -> (String, String) {
    let Some(words) = TEXTS.phases.get(phase.as_str()) else { return Default::default() };
    let of = |text: &ByLocale<String>| in_locale(text, locale).cloned().unwrap_or_default();
    (of(&words.title), of(&words.detail))
}

/// What a task is called; that of a questionnaire is its own title.
pub fn task(task: &Task, locale: &str) -> String {
    TEXTS.tasks.get(task.id()).and_then(|text| in_locale(text, locale)).cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phase_and_task_has_words_in_both_languages() {
        assert_eq!(TEXTS.phases.len(), DayPhase::ALL.len());
        for one in DayPhase::ALL {
            let (english, spanish) = (phase(one, "en"), phase(one, "es"));
            assert!(!english.0.is_empty() && !english.1.is_empty(), "{one:?}");
            assert!(english.1 != spanish.1 && !spanish.0.is_empty(), "{one:?}");
        }
        let tasks = [Task::Support, Task::Readiness, Task::FirstImpressions, Task::Intention, Task::CheckIn];
        assert_eq!(TEXTS.tasks.len(), tasks.len());
        for one in tasks {
            assert_ne!(task(&one, "en"), task(&one, "es"), "{one:?}");
        }
    }

    #[test]
    fn no_word_counts_absence_or_presses() {
        for words in TEXTS.phases.values() {
            let english = in_locale(&words.detail, "en").unwrap().to_lowercase();
            for never in ["missed", "streak", "hurry", "must", "overdue", "ketamine"] {
                assert!(!english.contains(never), "{never}: {english}");
            }
        }
    }
}
