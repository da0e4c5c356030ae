//! Forms filled in by hand, with the numbers that a person with the paper form gets.

mod any;
mod change;
mod flags;
mod scores;

use super::{Answers, Given};
use crate::measures::{Measure, embedded};

fn measure(id: &str) -> &'static Measure {
    embedded(id).unwrap()
}

/// A form of choices in the order of its questions; `-` is a question that was left out.
fn choices(prefix: &str, answers: &str) -> Answers {
    let numbered = answers.chars().enumerate().filter(|(_, answer)| *answer != '-');
    numbered
        .map(|(index, answer)| (format!("{prefix}.{}", index + 1), Given::Choice(answer.into())))
        .collect()
}

fn form<const N: usize>(answers: [(&str, Given); N]) -> Answers {
    answers.into_iter().map(|(item, given)| (item.to_owned(), given)).collect()
}

fn number(number: f64) -> Given {
    Given::Number(number)
}

fn yes() -> Given {
    Given::Boolean(true)
}

fn no() -> Given {
    Given::Boolean(false)
}

fn ticked(choices: &[&str]) -> Given {
    Given::Choices(choices.iter().map(|choice| (*choice).to_owned()).collect())
}
