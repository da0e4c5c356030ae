//! Journal entries in the revision that the reader sees: one section a field, in the order of the form.

use serde_json::{Map, Value, json};

use super::{
    bundle::{Resource, to},
    codes::{concept, loinc, own},
    facts::{Entry, Facts},
    sessions::encounter_of,
    xhtml::{list, narrative, paragraph},
};
use crate::{
    content::in_locale,
    journal::templates::{self, Choice, Field, Kind, Template},
    journal::{form, template_title},
};

pub fn resources(facts: &Facts<'_>) -> Vec<Resource> {
    facts.entries.iter().map(|entry| composition(facts, entry)).collect()
}

fn composition(facts: &Facts<'_>, entry: &Entry) -> Resource {
    let template = templates::find(&entry.template_id, Some(&entry.template_version)).ok();
    let titled = || template_title(&entry.template_id, &entry.template_version, facts.locale);
    let title = entry.title.clone().filter(|title| !title.trim().is_empty()).unwrap_or_else(titled);
    let linked = template.map(|template| form::session_refs(template, &entry.fields)).unwrap_or_default();
    let encounter = linked.iter().find_map(|(_, id)| facts.met(*id)).map(encounter_of);
    let body = json!({
        "status": if entry.revision > 1 { "amended" } else { "final" },
        "type": concept(loinc("51855-5", "Patient Note")),
        "category": entry.tags.iter().map(|tag| json!({ "text": tag })).collect::<Vec<_>>(),
        "subject": to("Patient", facts.patient),
        "encounter": encounter,
        "date": facts.clock.instant(entry.written_at),
        "author": [to("Patient", facts.patient)],
        "title": title,
        "section": sections(facts, entry, template),
    });
    Resource::new("Composition", entry.id, body).revision(entry.revision)
}

/// Fields of the form in its order; what no form explains any more comes after them.
fn sections(facts: &Facts<'_>, entry: &Entry, template: Option<&Template>) -> Vec<Value> {
    let fields = &entry.fields.0;
    let known = template.map(|template| template.fields.as_slice()).unwrap_or_default();
    let explained = known.iter().filter_map(|field| {
        let text = shown(facts, &field.kind, fields.get(&field.id)?)?;
        Some(section(entry, &field.id, in_locale(&field.label, facts.locale), &text))
    });
    let others = fields.iter().filter(|(id, _)| !known.iter().any(|field: &Field| field.id == **id));
    let others = others.filter_map(|(id, value)| Some(section(entry, id, None, &plain(value)?)));
    explained.chain(others).collect()
}

fn section(entry: &Entry, field: &str, title: Option<&String>, text: &str) -> Value {
    let code = own(&format!("{}.{field}", entry.template_id));
    json!({"title": title, "code": code, "text": narrative(text)})
}

/// A value in the words that its reader saw. Nothing where nothing was filled in.
fn shown(facts: &Facts<'_>, kind: &Kind, value: &Value) -> Option<String> {
    let word = |choices: &[Choice], value: &str| {
        let choice = choices.iter().find(|choice| choice.value == value);
        let text = choice.and_then(|choice| in_locale(&choice.text, facts.locale));
        text.cloned().unwrap_or_else(|| value.to_owned())
    };
    match kind {
        Kind::Choice { options } => Some(paragraph(&word(options, value.as_str()?))),
        Kind::Multichoice { options } | Kind::BodyAreas { options } => {
            let chosen: Vec<String> =
                value.as_array()?.iter().filter_map(|one| Some(word(options, one.as_str()?))).collect();
            filled(list(chosen.iter().map(String::as_str)))
        }
        Kind::Dialogue { speakers } => {
            let turn = |turn: &Map<String, Value>| {
                let speaker = word(speakers, turn.get("speaker")?.as_str()?);
                Some(paragraph(&format!("{speaker}: {}", turn.get("text")?.as_str()?)))
            };
            filled(value.as_array()?.iter().filter_map(|one| turn(one.as_object()?)).collect())
        }
        // Files are not in the bundle; the archive has them under this name and the ending of their kind.
        Kind::Audio { .. } | Kind::Image => Some(paragraph(&format!("files/{}", value.as_str()?))),
        // It is the encounter of the whole entry.
        Kind::SessionLink => None,
        _ => plain(value),
    }
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if text.trim().is_empty() => None,
        Value::String(text) => Some(paragraph(text)),
        Value::Array(items) => filled(list(items.iter().filter_map(Value::as_str))),
        Value::Null => None,
        other => Some(paragraph(&other.to_string())),
    }
}

fn filled(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use entity::ids::JournalEntryId;
    use uuid::Uuid;

    use super::*;
    use crate::{
        fhir::{Bundle, facts::tests::nobody, sessions::tests::session},
        journal::EntryFields,
        measures::Catalogue,
    };

    fn entry(template: &str, fields: Value) -> Entry {
        Entry {
            id: JournalEntryId(Uuid::from_u128(50)),
            revision: 1,
            template_id: template.into(),
            template_version: "1.0.0".into(),
            title: None,
            fields: EntryFields(fields.as_object().unwrap().clone()),
            tags: Vec::new(),
            written_at: "2026-07-15T20:00:00Z".parse().unwrap(),
        }
    }

    fn told(entry: Entry) -> Value {
        let catalogue = Catalogue::default();
        let mut facts = nobody(&catalogue);
        facts.sessions = vec![session("completed")];
        facts.entries = vec![entry];
        let bundle = serde_json::to_value(Bundle::of(&facts)).unwrap();
        let mut all = bundle["entry"].as_array().unwrap().iter().map(|entry| entry["resource"].clone());
        all.find(|one| one["resourceType"] == "Composition").unwrap()
    }

    #[test]
    fn words_are_escaped_and_titles_come_from_the_form() {
        let made =
            told(entry("free-note", json!({"text": "<b>&</b>\nnext", "gone": "old words", "empty": " "})));
        let sections = made["section"].as_array().unwrap();
        assert_eq!(sections.len(), 2, "{made}");
        let text = sections[0]["text"]["div"].as_str().unwrap();
        assert_eq!(
            text,
            "<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>&lt;b&gt;&amp;&lt;/b&gt;<br/>next</p></div>"
        );
        assert_eq!(sections[0]["code"]["coding"][0]["code"], "free-note.text");
        assert!(sections[1]["text"]["div"].as_str().unwrap().contains("old words"));
        assert!(!made["title"].as_str().unwrap().is_empty());
        assert_eq!((&made["status"], &made["date"]), (&json!("final"), &json!("2026-07-15T22:00:00+02:00")));
    }

    #[test]
    fn a_changed_entry_is_amended_and_a_linked_session_is_its_encounter() {
        let template = templates::content()
            .templates
            .iter()
            .find(|one| one.fields.iter().any(|field| matches!(field.kind, Kind::SessionLink)))
            .unwrap();
        let link = template.fields.iter().find(|field| matches!(field.kind, Kind::SessionLink)).unwrap();
        let mut fields = Map::new();
        fields.insert(link.id.clone(), json!(Uuid::from_u128(40)));
        let made =
            told(Entry { revision: 3, title: Some("Mine".into()), ..entry(&template.id, fields.into()) });
        assert_eq!((&made["status"], &made["meta"]["versionId"]), (&json!("amended"), &json!("3")));
        assert_eq!((&made["title"], &made["encounter"]["type"]), (&json!("Mine"), &json!("Encounter")));
        assert!(made.get("section").is_none());
    }
}
