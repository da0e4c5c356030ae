//! H3: bodies of any JSON, built of the names that an operation knows, so that they get as deep as they can.

use proptest::{collection, prelude::*, sample, strategy::ValueTree, test_runner::TestRunner};
use serde_json::{Value, json};

use crate::{
    harness::{TestApp, both_engines},
    openapi::{Operation, document, operations},
};

both_engines![h3_any_json_in_any_body_is_answered_and_never_quoted];

/// Looked for in every refusal.
const CANARY: &str = "canary-9d1c";
/// Bodies of each operation, sent by three people in turn.
const BODIES: usize = 12;

/// Every name of a field below a schema.
fn names(schema: &Value, found: &mut Vec<String>, depth: usize) {
    let target = schema["$ref"].as_str().and_then(|name| document().pointer(name.trim_start_matches('#')));
    let schema = target.unwrap_or(schema);
    for (name, below) in schema["properties"].as_object().into_iter().flatten() {
        found.push(name.clone());
        if depth > 0 {
            names(below, found, depth - 1);
        }
    }
    if schema["items"].is_object() {
        names(&schema["items"], found, depth);
    }
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-1..12_i64).prop_map(Value::from),
        Just(json!("2026-11-02T19:30:00Z")),
        Just(json!("2026-11-02")),
        Just(json!("Europe/Berlin")),
        any::<u128>().prop_map(|id| json!(uuid::Uuid::from_u128(id))),
        "\\PC{0,12}".prop_map(|text| Value::from(format!("{text}{CANARY}"))),
    ]
}

fn bodies(known: Vec<String>) -> impl Strategy<Value = Value> {
    let field = prop_oneof![20 => sample::select(known), 1 => "\\PC{0,8}"];
    let object = move |values: BoxedStrategy<Value>| {
        collection::btree_map(field.clone(), values, 0..8)
            .prop_map(|fields| Value::Object(fields.into_iter().collect()))
    };
    let below = object.clone();
    let values = leaf().prop_recursive(3, 24, 4, move |inner| {
        prop_oneof![collection::vec(inner.clone(), 0..4).prop_map(Value::from), below(inner)]
    });
    object(values.boxed())
}

fn with_body(operation: &&Operation) -> bool {
    // Would end the logins that the rest is asked with.
    let ends_logins = ["delete_login"].contains(&operation.id.as_str());
    !ends_logins && !operation.spec["requestBody"]["content"]["application/json"].is_null()
}

/// So many bodies for an operation.
fn made_for(operation: &Operation, count: usize, runner: &mut TestRunner) -> Vec<Value> {
    let mut known = Vec::new();
    names(&operation.spec["requestBody"]["content"]["application/json"]["schema"], &mut known, 3);
    assert!(!known.is_empty(), "{} knows no field", operation.id);
    let bodies = bodies(known);
    (0..count).map(|_| bodies.new_tree(runner).unwrap().current()).collect()
}

async fn h3_any_json_in_any_body_is_answered_and_never_quoted(app: TestApp) {
    const NO_ID: &str = "0198f000-0000-7000-8000-000000000000";
    let (ana, bo, admin) = (app.patient("ana").await, app.therapist("bo").await, app.admin().await);
    let everybody = [&ana, &bo, &admin];
    let mut read = 0;
    for operation in operations().iter().filter(with_body) {
        let path = operation.path.replace("{patient_id}", &ana.id.to_string());
        let path: Vec<&str> =
            path.split('/').map(|part| if part.starts_with('{') { NO_ID } else { part }).collect();
        let bodies = made_for(operation, BODIES, &mut TestRunner::deterministic());
        for (body, who) in bodies.iter().zip(everybody.iter().cycle()) {
            let request = who.request(operation.method.parse().unwrap(), &path.join("/")).await.if_match(1);
            let reply = request.json(body).send().await;
            assert!(reply.status.as_u16() < 500, "{} with {body}: {}", operation.id, reply.status);
            let text = String::from_utf8_lossy(&reply.body).into_owned();
            let quoted = reply.status.is_client_error() && text.contains(CANARY);
            assert!(!quoted, "{} with {body}: {text}", operation.id);
            read += usize::from(reply.status == 422 || reply.status.is_success());
        }
        // Limits of guesses are not what is asked about here.
        app.advance(chrono::Duration::minutes(16));
    }
    assert!(read > 100, "most were refused before they were read: {read}");
}
