//! Phones that were offline: pages of what changed, and pushes of what they did.

mod conflicts;
mod convergence;
mod phone;
mod prepared;
mod pull;
mod push;

use std::collections::BTreeSet;

use afterglow::sync::SOURCES;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Person, TestApp, both_engines};

both_engines![a_refusal_is_said_in_the_language_of_the_account];

/// Tables with a sync number that devices do not get, and why.
const NOT_SYNCED: [(&str, &str); 2] =
    [("patients", "holds the counter itself"), ("tombstones", "are the `deleted` of the other collections")];
/// Collections whose rows are in the table of another one.
const WITHIN: [(&str, &str); 1] = [("session_intentions", "sessions")];

#[test]
fn every_table_with_a_sync_number_travels_or_says_why_not() {
    let of = |table: &'static str| WITHIN.iter().find(|(one, _)| *one == table).map_or(table, |(_, of)| of);
    let synced: BTreeSet<&str> = SOURCES.iter().map(|source| of(source.table)).collect();
    assert_eq!(synced.len() + WITHIN.len(), SOURCES.len(), "one is there twice");
    let not: BTreeSet<&str> = NOT_SYNCED.iter().map(|(table, _)| *table).collect();
    assert!(synced.is_disjoint(&not), "one is both");
    let known: BTreeSet<&str> = synced.union(&not).copied().collect();
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
    let reply = who.post("/v1/sync", &json!({ "ops": ops })).await;
    let language = reply.headers["content-language"].clone();
    let results = reply.expect(200)["results"].as_array().unwrap().clone();
    // What is said in one language is known in the other; `src/messages.rs` says how.
    for detail in results.iter().flat_map(details) {
        let known = afterglow::messages::spanish(&detail).is_some();
        assert_eq!(known, language == "en", "add to content/messages.es.json: {detail:?}: \"\"");
    }
    assert_eq!(results.len(), ops.len());
    for (op, result) in ops.iter().zip(&results) {
        assert_eq!(op["id"], result["id"]);
        assert_eq!(result["status"] == "refused", result.get("problem").is_some(), "{result}");
    }
    results
}

/// Everything that a result says to people.
fn details(result: &Value) -> Vec<String> {
    let problem = &result["problem"];
    let errors = problem["errors"].as_array().into_iter().flatten();
    let said = std::iter::once(problem).chain(errors).filter_map(|one| one["detail"].as_str());
    said.map(str::to_owned).collect()
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

/// An operation of each way to be refused.
fn refusals(app: &TestApp, who: &Person) -> Vec<Value> {
    let (id, mine) = (new_id(app), who.id);
    let daily = json!({"measure_id": "daily-check-in", "version": "1.0.0", "language": "en", "answers": []});
    vec![
        op(app, "create", ("sessions", id), None, json!({})),
        op(app, "create", ("checkins", id), None, json!({"mood": 11, "colour": 1})),
        op(app, "create", ("checkins", id), None, json!({"mood": "high"})),
        op(app, "create", ("checkins", id), None, Value::Null),
        op(app, "create", ("journal_entries", id), None, json!({"fields": {"text": ""}})),
        op(app, "create", ("goal_progress", id), None, json!({"goal_id": id, "note": "n"})),
        op(app, "create", ("measure_responses", id), None, daily),
        op(app, "create", ("session_intentions", id), None, json!({"text": "words"})),
        op(app, "create", ("prompt_favourites", mine), None, json!({"prompt_id": "none", "active": true})),
        op(app, "update", ("safety_plan", mine), Some(0), json!({"coping": [""]})),
        op(app, "update", ("checkins", id), Some(1), json!({"note": "words"})),
    ]
}

async fn a_refusal_is_said_in_the_language_of_the_account(app: TestApp) {
    let ana = app.patient("ana").await;
    let english = push(&ana, &refusals(&app, &ana)).await;
    ana.patch("/v1/me", 1, &json!({"locale": "es-MX"})).await.expect(200);
    let spanish = push(&ana, &refusals(&app, &ana)).await;
    for (english, spanish) in english.iter().zip(&spanish) {
        assert_eq!(english["status"], "refused", "{english}");
        assert_eq!(english["problem"]["code"], spanish["problem"]["code"]);
        let (english, spanish) = (details(english), details(spanish));
        assert!(!english.is_empty() && english.len() == spanish.len(), "{english:?} {spanish:?}");
        assert!(english.iter().zip(&spanish).all(|(english, spanish)| english != spanish), "{spanish:?}");
    }
}
