//! Which safety rules of a form hold. An unanswered question fulfils no condition, so that a partial form with a
//! worrying answer still counts, and nothing else does.

use std::collections::BTreeMap;

use super::{Answers, Given, Outcome, item_score};
use crate::measures::definition::{Condition, Flag, Kind, Measure, Op, Operand, SafetyRule, Versus};

/// What the conditions of a form are judged by.
#[derive(Debug)]
pub struct Facts<'a> {
    pub answers: &'a Answers,
    pub outcome: &'a Outcome,
    /// Scores of the last result before this one; empty without one.
    pub previous: &'a BTreeMap<String, f64>,
    /// Scores of the first result of all; empty without one.
    pub baseline: &'a BTreeMap<String, f64>,
    /// Answers of the forms before this one, the last first.
    pub before: &'a [Answers],
    /// Whether a clinician of the clinic has signed the thresholds that wait for it.
    pub thresholds_signed: bool,
}

/// Every rule that holds, the gravest first.
pub fn fired<'a>(measure: &'a Measure, facts: &Facts) -> Vec<&'a SafetyRule> {
    let on = |rule: &&SafetyRule| facts.thresholds_signed || !waits_for_signature(measure, rule);
    let rules = measure.safety_rules.iter().filter(on);
    let mut fired: Vec<&SafetyRule> = rules.filter(|rule| holds(measure, &rule.when, facts)).collect();
    fired.sort_by_key(|rule| std::cmp::Reverse(rule.level));
    fired
}

/// Whether a rule is silent until the clinic's clinicians have signed it: how much worse is worse, on every form, and
/// the limits of our own forms. The bands of published scales need no signature.
pub fn waits_for_signature(measure: &Measure, rule: &SafetyRule) -> bool {
    has_change(&rule.when) || measure.kind != Kind::ValidatedScale && has_threshold(&rule.when)
}

fn has_change(condition: &Condition) -> bool {
    match condition {
        Condition::Change(_) => true,
        Condition::Consecutive(rule) => has_change(&rule.of),
        Condition::Any(any) => any.any.iter().any(has_change),
        Condition::All(all) => all.all.iter().any(has_change),
        Condition::Item(_) | Condition::Includes(_) | Condition::Score(_) => false,
    }
}

/// A limit on a number that somebody chose; a plain yes, no or ticked box is what the patient said.
fn has_threshold(condition: &Condition) -> bool {
    match condition {
        Condition::Item(item) => matches!(item.value, Operand::Number(_)),
        Condition::Includes(_) => false,
        Condition::Score(_) | Condition::Change(_) | Condition::Consecutive(_) => true,
        Condition::Any(any) => any.any.iter().any(has_threshold),
        Condition::All(all) => all.all.iter().any(has_threshold),
    }
}

fn holds(measure: &Measure, condition: &Condition, facts: &Facts) -> bool {
    match condition {
        Condition::Item(item) => item_holds(measure, facts.answers, (&item.item, item.op, item.value)),
        Condition::Includes(rule) => includes(facts.answers.get(&rule.item), &rule.includes),
        Condition::Score(rule) => {
            facts.outcome.scores.get(&rule.score).is_some_and(|score| rule.op.holds(*score, rule.value))
        }
        Condition::Change(rule) => {
            let earlier = match rule.versus {
                Versus::Baseline => facts.baseline,
                Versus::Previous => facts.previous,
            };
            let both = facts.outcome.scores.get(&rule.change).zip(earlier.get(&rule.change));
            both.is_some_and(|(now, then)| rule.op.holds(now - then, rule.value))
        }
        Condition::Consecutive(rule) => {
            let before = facts.before.iter().take(rule.consecutive.saturating_sub(1));
            let forms: Vec<&Answers> = std::iter::once(facts.answers).chain(before).collect();
            let each = |answers: &&Answers| {
                let outcome = super::score(measure, answers);
                holds(measure, &rule.of, &Facts { answers, outcome: &outcome, ..*facts })
            };
            forms.len() == rule.consecutive && forms.iter().all(each)
        }
        Condition::Any(any) => any.any.iter().any(|one| holds(measure, one, facts)),
        Condition::All(all) => all.all.iter().all(|one| holds(measure, one, facts)),
    }
}

fn item_holds(measure: &Measure, answers: &Answers, (item, op, value): (&str, Op, Operand)) -> bool {
    match (answers.get(item), value) {
        (Some(Given::Boolean(given)), Operand::Flag(wanted)) => *given == wanted,
        (Some(_), Operand::Number(limit)) => {
            item_score(measure, item, answers).is_some_and(|score| op.holds(score, limit))
        }
        _ => false,
    }
}

fn includes(given: Option<&Given>, wanted: &[String]) -> bool {
    match given {
        Some(Given::Choice(choice)) => wanted.contains(choice),
        Some(Given::Choices(choices)) => choices.iter().any(|choice| wanted.contains(choice)),
        _ => false,
    }
}

/// What the patient is shown of all the rules that hold: the gravest one's words, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown<'a> {
    Nothing,
    /// A few words, without crisis contacts.
    Words(&'a str),
    /// The crisis card with these words.
    CrisisCard(&'a str),
}

/// Rules that call for crisis contacts come before those that do not, whatever else holds.
pub fn shown<'a>(fired: &[&'a SafetyRule], locale: &str) -> Shown<'a> {
    let words = |rule: &&'a SafetyRule| rule.message(locale);
    if fired.iter().any(|rule| rule.show_crisis_resources) {
        let grave = fired.iter().filter(|rule| rule.show_crisis_resources).find_map(words);
        return Shown::CrisisCard(grave.unwrap_or_default());
    }
    fired.iter().find_map(words).map_or(Shown::Nothing, Shown::Words)
}

/// The rules that become alerts: of each flag the gravest, so that one answer does not ring twice for one thing.
pub fn worst_of_each_flag<'a>(fired: &[&'a SafetyRule]) -> Vec<&'a SafetyRule> {
    let mut seen: Vec<Flag> = Vec::new();
    let mut worst = Vec::new();
    for rule in fired {
        if !seen.contains(&rule.flag) {
            seen.push(rule.flag);
            worst.push(*rule);
        }
    }
    worst
}
