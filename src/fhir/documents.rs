//! What a patient wrote beside the journal: intentions for sessions, and in their own archive the safety plan.

use base64::{Engine, prelude::BASE64_STANDARD};
use entity::sessions;
use serde_json::{Value, json};

use super::{
    bundle::{Resource, derived, to},
    codes::{concept, loinc, own},
    facts::{Facts, SafetyPlan},
    sessions::encounter_of,
};

pub fn resources(facts: &Facts<'_>) -> Vec<Resource> {
    let intended = facts.intentions.iter().filter_map(|(id, words)| Some((facts.session(id.0)?, words)));
    let intentions = intended.map(|(row, words)| intention(facts, row, words));
    intentions.chain(facts.safety_plan.as_ref().map(|plan| safety_plan(facts, plan))).collect()
}

fn intention(facts: &Facts<'_>, row: &sessions::Model, words: &str) -> Resource {
    let context = facts.met(row.id.0).map(|row| json!({"encounter": [encounter_of(row)]}));
    let body = document(facts, "intention", ("text/plain", words.as_bytes()), context);
    let id = derived("intention", row.id);
    Resource::new("DocumentReference", id, body).version(row.version, facts.clock.instant(row.updated_at))
}

/// In the words of its own keys, as `GET /v1/safety-plan` has it.
fn safety_plan(facts: &Facts<'_>, plan: &SafetyPlan) -> Resource {
    let content = serde_json::to_vec(&plan.content).unwrap_or_default();
    let mut body = document(facts, "safety-plan", ("application/json", &content), None);
    let since = facts.clock.instant(plan.updated_at);
    body["date"] = json!(since);
    let id = derived("safety-plan", facts.patient);
    Resource::new("DocumentReference", id, body).version(plan.version, since)
}

fn document(
    facts: &Facts<'_>,
    code: &str,
    (content_type, content): (&str, &[u8]),
    context: Option<Value>,
) -> Value {
    json!({
        "status": "current",
        "type": concept(loinc("51855-5", "Patient Note")),
        "category": [own(code)],
        "subject": to("Patient", facts.patient),
        "author": [to("Patient", facts.patient)],
        "content": [{"attachment": {
            "contentType": content_type,
            "language": facts.patient_locale,
            "data": BASE64_STANDARD.encode(content),
        }}],
        "context": context,
    })
}
