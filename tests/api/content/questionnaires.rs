//! The questionnaires against the JSON schema that lies beside them.

use jsonschema::Validator;
use serde_json::{Value, json};

use super::{measures, read};

fn validator() -> Validator {
    let schema = read("measures/schema.json");
    jsonschema::meta::validate(&schema).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

fn problems(validator: &Validator, measure: &Value) -> Vec<String> {
    validator.iter_errors(measure).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[test]
fn every_questionnaire_has_the_form_of_the_schema() {
    let validator = validator();
    let names = measures();
    assert!(!names.is_empty());
    for name in names {
        let found = problems(&validator, &read(&format!("measures/{name}.json")));
        assert!(found.is_empty(), "{name}: {found:#?}");
    }
}

#[test]
fn a_breach_of_the_schema_is_found() {
    let validator = validator();
    let measure = read("measures/phq-9.json");
    let breaches = [
        ("/licence", Value::Null),
        ("/items/0/text", json!("only one language")),
        ("/safetyRules/0/level", json!("no-such")),
        ("/scoring", json!([])),
        ("/version", json!(1)),
    ];
    for (at, value) in breaches {
        let mut broken = measure.clone();
        *broken.pointer_mut(at).unwrap_or_else(|| panic!("{at} is not there")) = value;
        assert!(!problems(&validator, &broken).is_empty(), "{at} was not found");
    }
    let mut broken = measure;
    broken["advice"] = json!("take more");
    assert!(!problems(&validator, &broken).is_empty(), "an unknown field was not found");
}
