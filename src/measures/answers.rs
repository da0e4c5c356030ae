//! Answers as they travel, checked against the questions they are for.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    definition::{Item, ItemType, Measure},
    scoring::{Answers, Given},
};
use crate::validate::Checks;

/// Words of a question whose file sets no limit.
const MOST_WORDS: usize = 4_000;

/// The answer to one question: `item`, and the one part that the type of the question asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MeasureAnswer {
    /// `link_id` of the question.
    #[schema(example = "phq9.1")]
    pub item: String,
    /// For `choice`: the `value` of one option.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "2")]
    pub choice: Option<String>,
    /// For `multi-choice`: the `value` of each ticked option.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_items = 100)]
    pub choices: Option<Vec<String>>,
    /// For `integer` and `decimal`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub number: Option<f64>,
    /// For `boolean`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub boolean: Option<bool>,
    /// For `text`; the question says how long it may be. Nobody watches it around the clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, min_length = 1)]
    pub text: Option<String>,
}

impl MeasureAnswer {
    fn parts(&self) -> [(&'static str, bool); 5] {
        [
            ("choice", self.choice.is_some()),
            ("choices", self.choices.is_some()),
            ("number", self.number.is_some()),
            ("boolean", self.boolean.is_some()),
            ("text", self.text.is_some()),
        ]
    }

    /// The answer as it is kept, if it has a part.
    fn given(self) -> Option<Given> {
        let one = self.choice.map(Given::Choice).or(self.choices.map(Given::Choices));
        let one = one.or(self.number.map(Given::Number)).or(self.boolean.map(Given::Boolean));
        one.or(self.text.map(Given::Text))
    }
}

/// Checks every answer; what is wrong is named with its place below `/answers`.
pub fn read(measure: &Measure, given: Vec<MeasureAnswer>, checks: &mut Checks) -> Answers {
    checks.require(!given.is_empty(), "/answers", "required", "must have at least one answer");
    let mut answers = Answers::new();
    for (index, answer) in given.into_iter().enumerate() {
        let pointer = format!("/answers/{index}");
        let Some(item) = measure.item(&answer.item) else {
            let detail = "is no question of this measure; see GET /v1/measures/{id}";
            checks.require(false, &format!("{pointer}/item"), "unknown_item", detail);
            continue;
        };
        let twice = answers.contains_key(&answer.item);
        checks.require(!twice, &format!("{pointer}/item"), "duplicate_item", "was answered more than once");
        check(measure, item, &answer, &pointer, checks);
        let link_id = answer.item.clone();
        if let Some(given) = answer.given() {
            answers.insert(link_id, given);
        }
    }
    answers
}

fn part_of(kind: ItemType) -> &'static str {
    match kind {
        ItemType::Choice => "choice",
        ItemType::MultiChoice => "choices",
        ItemType::Integer | ItemType::Decimal => "number",
        ItemType::Boolean => "boolean",
        ItemType::Text => "text",
    }
}

fn check(measure: &Measure, item: &Item, answer: &MeasureAnswer, pointer: &str, checks: &mut Checks) {
    let wanted = part_of(item.kind);
    for (part, there) in answer.parts() {
        let at = format!("{pointer}/{part}");
        if part == wanted {
            checks.require(
                there,
                &at,
                "required",
                "is how this question is answered; leave out what was not answered",
            );
        } else {
            checks.require(
                !there,
                &at,
                "wrong_part",
                format!("is not how this question is answered; send {wanted}"),
            );
        }
    }
    match item.kind {
        ItemType::Choice => {
            answer
                .choice
                .iter()
                .for_each(|choice| option(measure, item, choice, &format!("{pointer}/choice"), checks));
        }
        ItemType::MultiChoice => choices(measure, item, answer, &format!("{pointer}/choices"), checks),
        ItemType::Integer | ItemType::Decimal => {
            number(item, answer.number, &format!("{pointer}/number"), checks)
        }
        ItemType::Boolean => {}
        ItemType::Text => {
            let most = item.max_length.unwrap_or(MOST_WORDS);
            checks.text(&format!("{pointer}/text"), answer.text.as_deref(), 1, most);
        }
    }
}

fn option(measure: &Measure, item: &Item, choice: &str, pointer: &str, checks: &mut Checks) {
    let options = measure.options(item);
    let known = options.iter().any(|option| option.value == choice);
    let values: Vec<&str> = options.iter().map(|option| option.value.as_str()).collect();
    checks.require(known, pointer, "unknown_value", format!("must be one of: {}", values.join(", ")));
}

fn choices(measure: &Measure, item: &Item, answer: &MeasureAnswer, pointer: &str, checks: &mut Checks) {
    let Some(choices) = &answer.choices else { return };
    let options = measure.options(item);
    checks.require(!choices.is_empty(), pointer, "required", "must have at least one choice, or be left out");
    checks.items(pointer, choices, options.len());
    for (index, choice) in choices.iter().enumerate().take(options.len()) {
        let at = format!("{pointer}/{index}");
        option(measure, item, choice, &at, checks);
        checks.require(
            !choices[..index].contains(choice),
            &at,
            "duplicate_value",
            "was chosen more than once",
        );
    }
    let alone = |value: &String| options.iter().any(|option| option.exclusive && option.value == *value);
    let mixed = choices.len() > 1 && choices.iter().any(alone);
    checks.require(
        !mixed,
        pointer,
        "exclusive_choice",
        "holds a choice that excludes the others; send it alone",
    );
}

fn number(item: &Item, number: Option<f64>, pointer: &str, checks: &mut Checks) {
    let Some(number) = number else { return };
    let (min, max) = (item.min.unwrap_or(f64::MIN), item.max.unwrap_or(f64::MAX));
    checks.range(pointer, Some(number), min, max);
    let step = item.step.or((item.kind == ItemType::Integer).then_some(1.0));
    if let Some(step) = step {
        let steps = (number - min) / step;
        let whole = (steps - steps.round()).abs() < 1e-9;
        checks.require(whole, pointer, "wrong_step", format!("must be in steps of {step}"));
    }
}

/// The kept answers as they travel, in the order of the form's questions.
pub fn write(measure: Option<&Measure>, answers: Answers) -> Vec<MeasureAnswer> {
    let mut all: Vec<MeasureAnswer> = answers.into_iter().map(|(item, given)| wire(item, given)).collect();
    if let Some(measure) = measure {
        let place =
            |answer: &MeasureAnswer| measure.items.iter().position(|item| item.link_id == answer.item);
        all.sort_by_key(|answer| place(answer).unwrap_or(usize::MAX));
    }
    all
}

fn wire(item: String, given: Given) -> MeasureAnswer {
    let mut answer =
        MeasureAnswer { item, choice: None, choices: None, number: None, boolean: None, text: None };
    match given {
        Given::Choice(choice) => answer.choice = Some(choice),
        Given::Choices(choices) => answer.choices = Some(choices),
        Given::Number(number) => answer.number = Some(number),
        Given::Boolean(boolean) => answer.boolean = Some(boolean),
        Given::Text(text) => answer.text = Some(text),
    }
    answer
}
