//! Phones that were offline: pages of what changed, and pushes of what they did.

mod conflicts;
mod convergence;
mod phone;
mod pull;
mod push;

use std::collections::BTreeSet;

use afterglow::sync::TABLES;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Person, TestApp};

/// Tables with a sync number that devices do not get, and why.
const NOT_SYNCED: [(&str, &str); 8] = [
    ("patients", "holds the counter itself"),
    ("tombstones", "are the `deleted` of the other collections"),
    ("prompt_favourites", "read and set with a network for now"),
    ("safety_plans", "read and written with a network for now"),
    ("session_readiness", "read and set with a network for now"),
    ("measure_assignments", "read with a network for now"),
    (
        "measure_responses",
        "answered with a network for now: the server scores and may answer with the crisis card",
    ),
    ("plans", "read with a network for now"),
];

#[test]
fn every_table_with_a_sync_number_travels_or_says_why_not() {
    let known: BTreeSet<&str> =
        TABLES.iter().map(|(_, table, _)| *table).chain(NOT_SYNCED.iter().map(|(table, _)| *table)).collect();
    assert_eq!(known.len(), TABLES.len() + NOT_SYNCED.len(), "one is both");
    let numbered: BTreeSet<&str> = entity::TABLES
        .iter()
        .filter(|rules| rules.columns.iter().any(|rule| rule.column == "sync_seq"))
        .map(|rules| rules.table)
        .collect();
    assert_eq!(
        numbered, known,
        "left the tables with sync_seq, right what src/sync/pull.rs or this list names"
    );
}

pub fn new_id(app: &TestApp) -> Uuid {
    app.state.random.uuid_v7(app.now())
}

/// An operation under an id of its own.
pub fn op(
    app: &TestApp,
    kind: &str,
    (collection, id): (&str, Uuid),
    base: Option<i64>,
    fields: Value,
) -> Value {
    let mut op = json!({"op_id": new_id(app), "collection": collection, "kind": kind, "id": id});
    if let Some(base) = base {
        op["base_version"] = json!(base);
    }
    if !fields.is_null() {
        op["fields"] = fields;
    }
    op
}

pub async fn push(who: &Person, ops: &[Value]) -> Vec<Value> {
    let answer = who.post("/v1/sync", &json!({ "ops": ops })).await.expect(200);
    let results = answer["results"].as_array().unwrap().clone();
    assert_eq!(results.len(), ops.len());
    for (op, result) in ops.iter().zip(&results) {
        assert_eq!(op["id"], result["id"]);
        assert_eq!(result["status"] == "refused", result.get("problem").is_some(), "{result}");
    }
    results
}

/// One operation, and what became of it.
pub async fn push_one(who: &Person, op: &Value, status: &str) -> Value {
    let result = push(who, std::slice::from_ref(op)).await.remove(0);
    assert_eq!(result["status"], status, "{op}: {result}");
    result
}

pub async fn page(who: &Person, since: Option<&str>, limit: usize) -> Value {
    let since = since.map(|since| format!("&since={since}")).unwrap_or_default();
    who.get(&format!("/v1/sync?limit={limit}{since}")).await.expect(200)
}

/// All pages from a place on, and where they end.
pub async fn pages(who: &Person, since: Option<&str>, limit: usize) -> (Vec<Value>, String) {
    let mut all = vec![page(who, since, limit).await];
    while all.last().unwrap()["has_more"] == true {
        let next = all.last().unwrap()["next"].as_str().unwrap().to_owned();
        all.push(page(who, Some(&next), limit).await);
    }
    let next = all.last().unwrap()["next"].as_str().unwrap().to_owned();
    (all, next)
}

/// Ids in one part of several pages.
pub fn ids(pages: &[Value], collection: &str, part: &str) -> Vec<String> {
    let id = |row: &Value| row.as_str().unwrap_or_else(|| row["id"].as_str().unwrap()).to_owned();
    pages.iter().flat_map(|page| page[collection][part].as_array().unwrap().iter().map(id)).collect()
}

pub fn text(words: &str) -> Value {
    json!({"fields": {"text": words}})
}
