//! Scoring: answers in, numbers out, by the rules of the form's own file. No database, no clock.

mod change;
mod flags;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use change::{Change, Direction as ChangeDirection, Earlier, change};
pub use flags::{Facts, Shown, fired, shown, waits_for_signature, worst_of_each_flag};

use super::definition::{Measure, Method, Score};

/// One answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Given {
    Choice(String),
    Choices(Vec<String>),
    Number(f64),
    Boolean(bool),
    Text(String),
}

/// The answers of a form by `link_id`; what is not in it was not answered.
pub type Answers = BTreeMap<String, Given>;

/// What a form comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Whether every required question was answered.
    pub complete: bool,
    /// Every score whose questions were all answered.
    pub scores: BTreeMap<String, f64>,
    /// The score that stands for the whole form, if there is one and it could be counted.
    pub total: Option<f64>,
    /// The band in which the total lies.
    pub band: Option<String>,
}

/// Counts a form. A score with an unanswered question is left out: no file allows to guess it.
pub fn score(measure: &Measure, answers: &Answers) -> Outcome {
    let complete =
        measure.items.iter().filter(|item| item.required).all(|item| answers.contains_key(&item.link_id));
    let scores: BTreeMap<String, f64> = measure
        .scoring
        .scores
        .iter()
        .filter_map(|score| Some((score.id.clone(), value(measure, score, answers)?)))
        .collect();
    let principal = measure.principal();
    let total = principal.and_then(|score| scores.get(&score.id)).copied();
    let band = principal.zip(total).and_then(|(score, total)| band(score, total)).map(str::to_owned);
    Outcome { complete, scores, total, band }
}

fn value(measure: &Measure, score: &Score, answers: &Answers) -> Option<f64> {
    let mut numbers = score.items.iter().map(|link_id| item_score(measure, link_id, answers));
    match score.method {
        Method::Sum => numbers.sum::<Option<f64>>().map(|sum| sum * score.multiplier.unwrap_or(1.0)),
        Method::Value => numbers.next().flatten(),
    }
}

/// The number that an answer counts for.
fn item_score(measure: &Measure, link_id: &str, answers: &Answers) -> Option<f64> {
    match answers.get(link_id)? {
        Given::Number(number) => Some(*number),
        Given::Choice(choice) => {
            let options = measure.options(measure.item(link_id)?);
            options.iter().find(|option| option.value == *choice)?.score
        }
        Given::Choices(_) | Given::Boolean(_) | Given::Text(_) => None,
    }
}

/// The band of a score in which a value lies.
pub fn band(score: &Score, value: f64) -> Option<&str> {
    let band = score.bands.iter().find(|band| (band.min..=band.max).contains(&value));
    band.map(|band| band.id.as_str())
}

/// Patterns of answers that the file names for clinicians. An unanswered question counts for nothing.
pub fn patterns<'a>(measure: &'a Measure, answers: &Answers) -> Vec<&'a str> {
    let holds = |clause: &super::definition::Clause| {
        let marked = clause.items.iter().filter(|link_id| {
            item_score(measure, link_id, answers).is_some_and(|score| score >= clause.item_score_at_least)
        });
        marked.count() >= clause.count
    };
    let derived = measure.scoring.derived.iter().filter(|derived| derived.all.iter().all(holds));
    derived.map(|derived| derived.id.as_str()).collect()
}
