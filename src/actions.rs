//! Where a thing to do leads. The content names actions (`action.type`); an app finds here which operation each of them
//! is. A test refuses content whose action leads nowhere, and an operation that is gone.

/// Each type of action with the `operationId` that it leads to.
pub const ACTIONS: [(&str, &str); 10] = [
    ("booking", "list_sessions"),
    ("call-clinic", "get_clinic"),
    ("care-plan", "list_plans"),
    ("journal", "create_journal_entry"),
    ("journal-list", "list_journal_entries"),
    ("measure", "create_measure_response"),
    ("measures-due", "list_measure_assignments"),
    ("prompt", "get_todays_prompt"),
    ("session-details", "get_session"),
    ("support", "get_crisis_resources"),
];

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use serde_json::Value;

    use super::ACTIONS;

    fn collect(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                if let Some(kind) = fields.get("action").and_then(|action| action.get("type")) {
                    found.insert(kind.as_str().unwrap().to_owned());
                }
                fields.values().for_each(|value| collect(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| collect(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_action_of_the_content_leads_somewhere_and_no_other_is_listed() {
        let content = Path::new(env!("CARGO_MANIFEST_DIR")).join("content");
        let mut found = BTreeSet::new();
        for folder in [content.clone(), content.join("measures")] {
            for file in fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()) {
                if file.extension().is_some_and(|end| end == "json") {
                    collect(&serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap(), &mut found);
                }
            }
        }
        let listed: BTreeSet<String> = ACTIONS.iter().map(|(kind, _)| (*kind).to_owned()).collect();
        assert_eq!(found, listed, "left the content, right this table");
    }

    #[test]
    fn every_action_is_an_operation() {
        let document = serde_json::to_value(crate::app::api().into_openapi()).unwrap();
        let paths = document["paths"].as_object().unwrap().values();
        let operations: BTreeSet<&str> = paths
            .flat_map(|path| path.as_object().unwrap().values())
            .filter_map(|operation| operation["operationId"].as_str())
            .collect();
        for (kind, operation) in ACTIONS {
            assert!(operations.contains(operation), "{kind} leads to {operation}, which is gone");
        }
    }
}
