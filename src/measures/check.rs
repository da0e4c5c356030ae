//! What has to hold of a questionnaire file beyond its types: every reference resolves, every range is the one its
//! questions give, no text lacks a language, urgent means at once. A test holds the embedded files to it, and the
//! start of the server those that an operator installs.

use std::collections::BTreeSet;

use super::definition::{
    Band, Coding, Condition, Direction, Flag, Item, ItemType, Level, Measure, Method, Notify, SafetyRule,
    Score,
};
use crate::{content::ByLocale, reminders::rules::localtime::IsoDuration};

const LANGUAGES: [&str; 4] = ["en", "es", "de", "fr"];

/// Everything wrong with a file called `name`. Nothing when it may be used.
pub fn check(name: &str, measure: &Measure) -> Vec<String> {
    let mut found = Findings { measure, problems: Vec::new() };
    found.require(measure.id == name, || "its id differs from its file name".into());
    found.head();
    found.texts();
    found.items();
    found.answer_sets();
    measure.scoring.scores.iter().for_each(|score| found.score(score));
    found.unique("score", measure.scoring.scores.iter().map(|score| &score.id));
    found.change_and_derived();
    measure.safety_rules.iter().for_each(|rule| found.rule(rule));
    found.unique("safety rule", measure.safety_rules.iter().map(|rule| &rule.id));
    found.problems
}

struct Findings<'a> {
    measure: &'a Measure,
    problems: Vec<String>,
}

impl Findings<'_> {
    fn require(&mut self, holds: bool, problem: impl FnOnce() -> String) {
        if !holds {
            self.problems.push(problem());
        }
    }

    fn unique<'v>(&mut self, what: &str, values: impl Iterator<Item = &'v String>) {
        let mut seen = BTreeSet::new();
        for value in values {
            self.require(is_slug(value, "-."), || format!("{what} {value} is not a name"));
            self.require(seen.insert(value), || format!("{what} {value} appears twice"));
        }
    }

    fn head(&mut self) {
        let measure = self.measure;
        self.require(measure.schema_version == "1.0", || "its schemaVersion is not 1.0".into());
        self.require(is_slug(&measure.id, "-"), || "its id is not a name".into());
        self.require(is_version(&measure.version), || "its version is not three numbers".into());
        let known = measure.languages.iter().all(|language| LANGUAGES.contains(&language.as_str()));
        self.require(known && measure.languages.iter().any(|one| one == "en"), || {
            "its languages are unknown, or English is not among them".into()
        });
        self.require(measure.administration.minutes > 0.0, || "it takes no time".into());
        self.require(measure.recall_period.iso.parse::<IsoDuration>().is_ok(), || {
            "its recall period is no duration".into()
        });
        let licence = &measure.licence;
        self.require(!licence.notice.is_empty() && !licence.seen_in.is_empty(), || {
            "its licence has no notice or nowhere to be seen".into()
        });
        self.require(licence.embeddable || !measure.enabled_by_default, || {
            "it is restricted and on by default".into()
        });
        self.require(!measure.cadence.is_empty() && !measure.sources.is_empty(), || {
            "it has no cadence or no sources".into()
        });
        let codings = measure.items.iter().filter_map(|item| item.loinc.as_ref());
        let codings = codings.chain(measure.scoring.scores.iter().filter_map(|score| score.loinc.as_ref()));
        for Coding { code, .. } in codings.chain(&measure.codes.panel) {
            self.require(is_loinc(code), || format!("{code} is no LOINC code"));
        }
    }

    fn texts(&mut self) {
        let measure = self.measure;
        let mut texts = vec![
            ("title", &measure.title),
            ("instructions", &measure.instructions),
            ("recallPeriod", &measure.recall_period.text),
        ];
        texts.extend(measure.stem.iter().map(|text| ("stem", text)));
        for item in &measure.items {
            let labels = [&item.help, &item.min_label, &item.max_label].into_iter().flatten();
            texts.extend(std::iter::once(&item.text).chain(labels).map(|text| (item.link_id.as_str(), text)));
        }
        for (set, options) in &measure.answer_sets {
            texts.extend(options.iter().map(|option| (set.as_str(), &option.text)));
        }
        for score in &measure.scoring.scores {
            let labels = score.bands.iter().map(|band| &band.label);
            texts.extend(std::iter::once(&score.title).chain(labels).map(|text| (score.id.as_str(), text)));
        }
        texts.extend(measure.scoring.derived.iter().map(|derived| (derived.id.as_str(), &derived.title)));
        texts.extend(
            measure
                .safety_rules
                .iter()
                .filter_map(|rule| Some((rule.id.as_str(), rule.patient_message.as_ref()?))),
        );
        texts.into_iter().for_each(|(place, text)| self.text(place, text));
    }

    /// A text in every language of the form and in no other: there is no machine translation to fill a gap.
    fn text(&mut self, place: &str, text: &ByLocale<String>) {
        let languages = &self.measure.languages;
        for language in languages {
            let there = text.get(language).is_some_and(|words| !words.is_empty());
            self.require(there, || format!("{place}: language {language} is missing"));
        }
        for language in text.keys() {
            self.require(languages.contains(language), || {
                format!("{place}: language {language} is not its own")
            });
        }
    }

    fn items(&mut self) {
        let measure = self.measure;
        self.unique("item", measure.items.iter().map(|item| &item.link_id));
        self.require(!measure.items.is_empty(), || "it asks nothing".into());
        for item in &measure.items {
            self.item(item);
        }
    }

    fn item(&mut self, item: &Item) {
        let link_id = &item.link_id;
        match item.kind {
            ItemType::Choice | ItemType::MultiChoice => {
                let options = self.measure.options(item);
                self.require(!options.is_empty(), || format!("{link_id}: unknown answer set"));
                let counted = !item.scored || options.iter().all(|option| option.score.is_some());
                self.require(counted, || format!("{link_id}: scored, with answers without a score"));
            }
            ItemType::Integer | ItemType::Decimal => {
                let range = item.min.zip(item.max).is_some_and(|(min, max)| min < max);
                self.require(range, || format!("{link_id}: min is not below max"));
                let step = item.step.is_none_or(|step| step > 0.0);
                self.require(step, || format!("{link_id}: the step is not above zero"));
            }
            ItemType::Text | ItemType::Boolean => {}
        }
        let countable = !matches!(item.kind, ItemType::Text | ItemType::Boolean | ItemType::MultiChoice);
        self.require(countable || !item.scored, || format!("{link_id}: this type cannot be scored"));
        self.require(item.max_length != Some(0), || format!("{link_id}: no room for words"));
    }

    fn answer_sets(&mut self) {
        let used: BTreeSet<&String> =
            self.measure.items.iter().filter_map(|item| item.answer_set.as_ref()).collect();
        for (key, options) in &self.measure.answer_sets {
            self.require(used.contains(key), || format!("answer set {key} is not used"));
            self.require(options.len() >= 2, || format!("answer set {key} leaves no choice"));
            self.unique(key, options.iter().map(|option| &option.value));
            for code in options.iter().filter_map(|option| option.loinc.as_ref()) {
                let code = code.strip_prefix("LA").unwrap_or("-");
                self.require(is_loinc(code), || format!("answer set {key}: {code} is no LOINC code"));
            }
        }
    }

    fn score(&mut self, score: &Score) {
        let id = &score.id;
        let (mut low, mut high) = (0.0, 0.0);
        for link_id in &score.items {
            let Some(item) = self.measure.item(link_id) else {
                self.problems.push(format!("score {id}: unknown item {link_id}"));
                continue;
            };
            self.require(item.scored, || format!("score {id}: item {link_id} is not scored"));
            self.require(score.method == Method::Value || item.required, || {
                format!("score {id}: summed item {link_id} is optional")
            });
            let (least, most) = bounds(self.measure, item);
            low += least;
            high += most;
        }
        let multiplier = score.multiplier.unwrap_or(1.0);
        let (low, high) = (low * multiplier, high * multiplier);
        self.require(multiplier > 0.0, || format!("score {id}: its multiplier is not above zero"));
        self.require(same(score.min, low) && same(score.max, high), || {
            format!("score {id}: its range should be {low} to {high}")
        });
        self.require(score.method == Method::Sum || score.items.len() == 1, || {
            format!("score {id}: a value is that of one item")
        });
        self.bands(score);
    }

    fn bands(&mut self, score: &Score) {
        let id = &score.id;
        self.unique("band", score.bands.iter().map(|band| &band.id));
        if let (Some(first), Some(last)) = (score.bands.first(), score.bands.last()) {
            self.require(same(first.min, score.min) && same(last.max, score.max), || {
                format!("score {id}: its bands do not cover its range")
            });
        }
        let joined = |pair: &[Band]| same(pair[1].min, pair[0].max + 1.0);
        self.require(score.bands.windows(2).all(joined), || {
            format!("score {id}: a gap or overlap between bands")
        });
        for cutoff in &score.cutoffs {
            self.require((score.min..=score.max).contains(&cutoff.value), || {
                format!("score {id}: cutoff {} lies outside", cutoff.id)
            });
        }
    }

    fn change_and_derived(&mut self) {
        let measure = self.measure;
        if let Some(change) = &measure.scoring.change {
            let followed = measure.score(&change.score);
            self.require(followed.is_some(), || "change refers to an unknown score".into());
            self.require(followed.is_none_or(|score| score.direction != Direction::Neutral), || {
                "change refers to a score without a direction".into()
            });
        }
        for derived in &measure.scoring.derived {
            for clause in &derived.all {
                let known = clause.items.iter().all(|link_id| measure.item(link_id).is_some());
                self.require(known, || format!("derived {}: unknown item", derived.id));
                self.require((1..=clause.items.len()).contains(&clause.count), || {
                    format!("derived {}: its count cannot be reached", derived.id)
                });
            }
        }
    }

    fn rule(&mut self, rule: &SafetyRule) {
        let id = &rule.id;
        self.require(rule.level != Level::Urgent || rule.notify == Notify::Immediate, || {
            format!("{id}: urgent rules must notify at once")
        });
        self.require(rule.flag != Flag::SelfHarm || rule.show_crisis_resources, || {
            format!("{id}: self-harm rules must show crisis resources")
        });
        self.condition(id, &rule.when);
    }

    fn condition(&mut self, rule: &str, condition: &Condition) {
        let measure = self.measure;
        match condition {
            Condition::Item(item) => {
                let known = measure.item(&item.item).is_some();
                self.require(known, || format!("{rule}: unknown item {}", item.item));
            }
            Condition::Includes(includes) => {
                let options = measure.item(&includes.item).map_or(&[][..], |item| measure.options(item));
                let known = |answer: &String| options.iter().any(|option| option.value == *answer);
                let all = !includes.includes.is_empty() && includes.includes.iter().all(known);
                self.require(all, || format!("{rule}: unknown item or answer in includes"));
            }
            Condition::Score(score) => {
                let known = measure.score(&score.score).is_some();
                self.require(known, || format!("{rule}: unknown score {}", score.score));
            }
            Condition::Change(change) => {
                let known = measure.score(&change.change).is_some();
                self.require(known, || format!("{rule}: unknown score {}", change.change));
            }
            Condition::Consecutive(consecutive) => {
                self.require(consecutive.consecutive >= 2, || format!("{rule}: one form is no row"));
                self.condition(rule, &consecutive.of);
            }
            Condition::Any(any) => any.any.iter().for_each(|one| self.condition(rule, one)),
            Condition::All(all) => all.all.iter().for_each(|one| self.condition(rule, one)),
        }
    }
}

/// The least and the most that a question counts for.
fn bounds(measure: &Measure, item: &Item) -> (f64, f64) {
    let scores: Vec<f64> = measure.options(item).iter().filter_map(|option| option.score).collect();
    if item.answer_set.is_some() {
        let least = scores.iter().copied().fold(f64::INFINITY, f64::min);
        return (least, scores.iter().copied().fold(f64::NEG_INFINITY, f64::max));
    }
    (item.min.unwrap_or(f64::NAN), item.max.unwrap_or(f64::NAN))
}

fn same(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-9
}

/// Small letters and digits, with some of `between` inside.
fn is_slug(text: &str, between: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.starts_with(plain) && text.chars().all(|c| plain(c) || between.contains(c))
}

fn is_version(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    parts.len() == 3 && parts.iter().all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
}

/// Digits, a dash and a check digit.
fn is_loinc(code: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    code.split_once('-').is_some_and(|(number, check)| digits(number) && digits(check) && check.len() == 1)
}
