//! Questionnaires, what was answered, and what it comes to. Answers are never edited here, so none is amended; a score
//! whose questions were not all answered is not there, and neither is a question without an answer.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    bundle::{Resource, derived, to},
    codes::{LOINC, OWN, coding, concept, hl7, loinc, number, own, quantity},
    facts::{Facts, FilledIn},
};
use crate::{
    content::in_locale,
    measures::{AnswerOption, Item, ItemType, LOINC_NOTICE, Measure, MeasureAnswer, Score},
};

pub fn resources(facts: &Facts<'_>) -> Vec<Resource> {
    let used: BTreeMap<&str, &Measure> =
        facts.responses.iter().filter_map(|one| form_of(facts, one)).map(|form| (&*form.id, form)).collect();
    let mut all: Vec<Resource> = used.values().map(|form| questionnaire(form, facts.locale)).collect();
    for one in &facts.responses {
        all.push(response(facts, one));
        all.extend(scores(facts, one));
    }
    all
}

/// The form in the very version that was answered.
fn form_of<'a>(facts: &Facts<'a>, one: &FilledIn) -> Option<&'a Measure> {
    facts.catalogue.find(&one.result.measure_id).filter(|form| form.version == one.result.measure_version)
}

fn canonical(id: &str) -> String {
    format!("urn:afterglow:measure:{id}")
}

/// Words of a form leave with it only where its licence lets it be embedded.
fn words(form: &Measure, texts: &crate::content::ByLocale<String>, language: &str) -> Option<String> {
    in_locale(texts, language).filter(|_| form.licence.embeddable).cloned()
}

fn questionnaire(form: &Measure, locale: &str) -> Resource {
    let language = form.language_for(locale);
    let loinc_notice = if form.shows_codes() { format!("\n{LOINC_NOTICE}") } else { String::new() };
    let panel = form.codes.panel.as_ref().map(|panel| vec![loinc(&panel.code, &panel.display)]);
    let items: Vec<Value> = form.items.iter().map(|one| item(form, one, language)).collect();
    let body = json!({
        "url": canonical(&form.id),
        "version": form.version,
        "name": name(&form.short_title),
        "title": in_locale(&form.title, language),
        "language": language,
        "status": "active",
        "subjectType": ["Patient"],
        "copyright": format!("{}{loinc_notice}", form.licence.notice),
        "code": panel,
        "item": items,
    });
    // Its id is the same wherever this version of the form is.
    Resource::new("Questionnaire", derived(&format!("{}|{}", form.id, form.version), uuid::Uuid::nil()), body)
}

/// As programs can use it: letters and digits, the first a capital.
fn name(title: &str) -> String {
    let name: String = title.chars().filter(char::is_ascii_alphanumeric).collect();
    if name.starts_with(|first: char| first.is_ascii_uppercase()) { name } else { format!("Q{name}") }
}

fn item(form: &Measure, item: &Item, language: &str) -> Value {
    let kind = match item.kind {
        ItemType::Choice | ItemType::MultiChoice => "choice",
        ItemType::Integer => "integer",
        ItemType::Decimal => "decimal",
        ItemType::Boolean => "boolean",
        ItemType::Text => "text",
    };
    let options = form.options(item).iter().map(|option| {
        let url = "http://hl7.org/fhir/StructureDefinition/ordinalValue";
        let score = option.score.map(|score| json!([{"url": url, "valueDecimal": number(score)}]));
        json!({"extension": score, "valueCoding": option_coding(form, item, option, language)})
    });
    json!({
        "linkId": item.link_id,
        "code": item.loinc.as_ref().map(|code| vec![loinc(&code.code, &code.display)]),
        "text": words(form, &item.text, language),
        "type": kind,
        "required": item.required,
        "repeats": (item.kind == ItemType::MultiChoice).then_some(true),
        "maxLength": item.max_length.filter(|_| item.kind == ItemType::Text),
        "answerOption": options.collect::<Vec<_>>(),
    })
}

fn option_coding(form: &Measure, item: &Item, option: &AnswerOption, language: &str) -> Value {
    let mut coded = match &option.loinc {
        Some(code) => coding(LOINC, code),
        None => {
            let set = item.answer_set.as_deref().unwrap_or_default();
            coding(OWN, &format!("{}.{set}.{}", form.id, option.value))
        }
    };
    coded["display"] = json!(words(form, &option.text, language));
    coded
}

fn response(facts: &Facts<'_>, one: &FilledIn) -> Resource {
    let result = &one.result;
    let form = form_of(facts, one);
    let items = result.answers.iter().map(|answer| answered(form, answer, &result.language));
    let body = json!({
        "questionnaire": format!("{}|{}", canonical(&result.measure_id), result.measure_version),
        "status": if result.state == "complete" { "completed" } else { "stopped" },
        "language": result.language,
        "subject": to("Patient", facts.patient),
        "authored": facts.clock.instant(result.taken_at),
        "source": to("Patient", facts.patient),
        "item": items.collect::<Vec<_>>(),
    });
    Resource::new("QuestionnaireResponse", one.id, body)
}

fn answered(form: Option<&Measure>, answer: &MeasureAnswer, language: &str) -> Value {
    let item = form.and_then(|form| Some((form, form.item(&answer.item)?)));
    let chosen = |value: &String| {
        let option = item.and_then(|(form, item)| {
            let option = form.options(item).iter().find(|option| option.value == *value)?;
            Some(option_coding(form, item, option, language))
        });
        // A form that is not here any more: what was chosen, without its words.
        json!({"valueCoding": option.unwrap_or_else(|| coding(OWN, &format!("{}.{value}", answer.item)))})
    };
    let whole = item.is_some_and(|(_, item)| item.kind == ItemType::Integer);
    let name = if whole { "valueInteger" } else { "valueDecimal" };
    let mut values: Vec<Value> = answer.choice.iter().map(chosen).collect();
    values.extend(answer.choices.iter().flatten().map(chosen));
    values.extend(answer.number.map(|value| json!({name: number(value)})));
    values.extend(answer.boolean.map(|value| json!({ "valueBoolean": value })));
    values.extend(answer.text.iter().map(|text| json!({ "valueString": text })));
    json!({
        "linkId": answer.item,
        "text": item.and_then(|(form, item)| words(form, &item.text, language)),
        "answer": values,
    })
}

/// What a score is, in LOINC where a code was verified.
pub fn score_code(form: &Measure, score: &Score, locale: &str) -> Value {
    let ours = coding(OWN, &format!("{}.{}", form.id, score.id));
    let title = in_locale(&score.title, locale);
    let codes = score.loinc.as_ref().map(|code| loinc(&code.code, &code.display)).into_iter().chain([ours]);
    json!({"coding": codes.collect::<Vec<_>>(), "text": title})
}

/// Also of a form that is here in another version, or not at all any more: then without its words.
fn scores(facts: &Facts<'_>, one: &FilledIn) -> Vec<Resource> {
    let form = facts.catalogue.find(&one.result.measure_id);
    let observed = one.result.scores.iter().map(|counted| {
        let known = form.and_then(|form| Some((form, form.score(&counted.id)?)));
        let code = match known {
            Some((form, score)) => score_code(form, score, facts.locale),
            None => own(&format!("{}.{}", one.result.measure_id, counted.id)),
        };
        let band = known.zip(counted.band.as_ref());
        let band = band.and_then(|((_, score), id)| score.bands.iter().find(|band| band.id == *id));
        let label = band.and_then(|band| in_locale(&band.label, facts.locale));
        let body = json!({
            "status": "final",
            "category": [concept(hl7("observation-category", "survey", "Survey"))],
            "code": code,
            "subject": to("Patient", facts.patient),
            "effectiveDateTime": facts.clock.instant(one.result.taken_at),
            "performer": [to("Patient", facts.patient)],
            "valueQuantity": quantity(number(counted.value), "{score}", "{score}"),
            "interpretation": label.map(|label| vec![json!({ "text": label })]),
            "derivedFrom": [to("QuestionnaireResponse", one.id)],
        });
        Resource::new("Observation", derived(&format!("score:{}", counted.id), one.id), body)
    });
    observed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fhir::facts::tests::nobody,
        measures::{Catalogue, MeasureResult, MeasureScore},
    };

    #[test]
    fn what_was_answered_in_an_older_form_is_told_without_its_words() {
        let catalogue = Catalogue::default();
        let mut facts = nobody(&catalogue);
        let answer = MeasureAnswer {
            item: "phq9.1".into(),
            choice: Some("2".into()),
            choices: None,
            number: None,
            boolean: None,
            text: None,
        };
        let result = MeasureResult {
            measure_id: "phq-9".into(),
            measure_version: "0.9.0".into(),
            language: "en".into(),
            state: "partial".into(),
            answers: vec![answer],
            scores: vec![MeasureScore { id: "total".into(), value: 7.0, band: None }],
            total: Some(7.0),
            band: None,
            change: None,
            started_at: None,
            taken_at: facts.now,
            assignment_id: None,
            shared_at: None,
        };
        facts.responses = vec![FilledIn { id: uuid::Uuid::from_u128(60).into(), result }];
        let told = serde_json::to_value(crate::fhir::Bundle::of(&facts)).unwrap();
        let told: Vec<&Value> =
            told["entry"].as_array().unwrap().iter().map(|entry| &entry["resource"]).skip(3).collect();
        let (response, score) = (told[0], told[1]);
        assert_eq!(told.len(), 2, "no form of another version: {told:?}");
        assert_eq!(
            (&response["status"], &response["questionnaire"]),
            (&json!("stopped"), &json!("urn:afterglow:measure:phq-9|0.9.0"))
        );
        assert_eq!(
            response["item"],
            json!([{"linkId": "phq9.1", "answer": [{"valueCoding": {"system": OWN, "code": "phq9.1.2"}}]}])
        );
        assert_eq!(
            (&score["code"]["coding"][0]["code"], &score["valueQuantity"]["value"]),
            (&json!("44261-6"), &json!(7))
        );
    }

    #[test]
    fn a_form_keeps_its_codes_scores_and_notices() {
        let catalogue = Catalogue::default();
        let form = catalogue.find("phq-9").unwrap();
        let first = item(form, &form.items[0], "en");
        assert_eq!((&first["linkId"], &first["code"][0]["code"]), (&json!("phq9.1"), &json!("44250-9")));
        let often = &first["answerOption"][2];
        assert_eq!(
            (&often["valueCoding"]["code"], &often["extension"][0]["valueDecimal"]),
            (&json!("LA6570-1"), &json!(2))
        );
        let ours = catalogue.find("pre-session-check").unwrap();
        let several = ours.items.iter().find(|one| one.kind == ItemType::MultiChoice).unwrap();
        let several = item(ours, several, "es");
        assert_eq!((&several["type"], &several["repeats"]), (&json!("choice"), &json!(true)));
        assert_eq!(several["answerOption"][0]["valueCoding"]["system"], OWN);
        assert_eq!((name("PHQ-9").as_str(), name("4 questions").as_str()), ("PHQ9", "Q4questions"));
        assert_eq!(score_code(form, form.principal().unwrap(), "en")["coding"][0]["code"], "44261-6");
    }

    #[test]
    fn the_words_of_a_form_that_may_not_be_embedded_stay_here() {
        let catalogue = Catalogue::default();
        let mut form = catalogue.find("gad-2").unwrap().clone();
        assert!(item(&form, &form.items[0], "en")["text"].is_string());
        form.licence.embeddable = false;
        let told = item(&form, &form.items[0], "en");
        assert_eq!(
            (&told["text"], &told["answerOption"][0]["valueCoding"]["display"]),
            (&Value::Null, &Value::Null)
        );
        assert_eq!(told["linkId"], "gad2.1");
    }
}
