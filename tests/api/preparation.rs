//! What a patient prepares for a session, and what of it the care team sees.

use chrono::Duration;
use serde_json::{Value, json};

use crate::harness::{Person, TestApp, both_engines, id_of};

both_engines![
    an_intention_is_the_patients_until_it_is_shared,
    a_stale_intention_changes_nothing,
    readiness_is_ticked_off_and_taken_back,
    a_session_on_another_day_is_got_ready_for_anew,
    what_is_wrong_with_a_preparation_is_named,
];

async fn scheduled(app: &TestApp, kind: &str) -> (Person, Person, String) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let id = id_of(&bo.schedule(&ana, kind, app.now() + Duration::days(7)).await);
    (ana, bo, id)
}

async fn seen(bo: &Person, ana: &Person, id: &str) -> Value {
    bo.get(&format!("/v1/patients/{}/sessions/{id}/preparation", ana.id)).await.expect(200)
}

async fn an_intention_is_the_patients_until_it_is_shared(app: TestApp) {
    let (ana, bo, id) = scheduled(&app, "dosing").await;
    let path = format!("/v1/sessions/{id}/intention");
    let empty = ana.get(&path).await;
    assert_eq!(empty.headers["etag"], "\"1\"");
    assert_eq!(empty.expect(200), json!({"shared": false}));
    let mine = ana.patch(&path, 1, &json!({"text": "To meet my grief"})).await.expect(200);
    assert_eq!(mine, json!({"text": "To meet my grief", "shared": false}));
    assert_eq!(seen(&bo, &ana, &id).await.get("intention"), None);
    ana.patch(&path, 2, &json!({"shared": true})).await.expect(200);
    assert_eq!(seen(&bo, &ana, &id).await["intention"], "To meet my grief");
    ana.patch(&path, 3, &json!({"shared": false})).await.expect(200);
    assert_eq!(seen(&bo, &ana, &id).await.get("intention"), None);
    let gone = ana.patch(&path, 4, &json!({"text": null})).await.expect(200);
    assert_eq!(gone, json!({"shared": false}));
    let reads =
        "SELECT COUNT(*) AS n FROM audit_events WHERE action = 'sessions.preparation' AND outcome = 'done'";
    let rows = app.query(reads, vec![]).await;
    assert_eq!(rows[0].try_get::<i64>("", "n").unwrap(), 3, "each look is recorded");
}

async fn a_stale_intention_changes_nothing(app: TestApp) {
    let (ana, bo, id) = scheduled(&app, "preparation").await;
    let path = format!("/v1/sessions/{id}/intention");
    ana.patch(&path, 1, &json!({"text": "first"})).await.expect(200);
    ana.patch(&path, 1, &json!({"text": "second"})).await.refused(412, "stale_version");
    assert_eq!(ana.get(&path).await.expect(200)["text"], "first");
    // Moving the session keeps the words.
    let later = (app.now() + Duration::days(9)).to_rfc3339();
    bo.patch(&format!("/v1/sessions/{id}"), 2, &json!({"starts_at": later})).await.expect(200);
    assert_eq!(ana.get(&path).await.expect(200)["text"], "first");
}

async fn readiness_is_ticked_off_and_taken_back(app: TestApp) {
    let (ana, bo, id) = scheduled(&app, "dosing").await;
    let list = format!("/v1/sessions/{id}/readiness");
    let items = ana.get(&list).await.expect(200)["items"].clone();
    let ids: Vec<&str> = items.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert!(ids.contains(&"ride-home") && !ids.contains(&"companion"), "{ids:?}");
    let item = format!("{list}/ride-home");
    for done in [true, true, false, true] {
        let after = ana.put(&item, &json!({"done": done})).await.expect(200);
        let ride = after["items"].as_array().unwrap().iter().find(|one| one["id"] == "ride-home").unwrap();
        assert_eq!(ride["done"], done);
    }
    assert_eq!(seen(&bo, &ana, &id).await["readiness"], ana.get(&list).await.expect(200)["items"]);
    ana.patch("/v1/me", 1, &json!({"locale": "es"})).await.expect(200);
    assert!(ana.get(&list).await.expect(200)["items"][0]["text"].as_str().unwrap().starts_with("He leído"));
}

async fn a_session_on_another_day_is_got_ready_for_anew(app: TestApp) {
    let (ana, bo, id) = scheduled(&app, "dosing").await;
    let list = format!("/v1/sessions/{id}/readiness");
    ana.put(&format!("{list}/ride-home"), &json!({"done": true})).await.expect(200);
    let ticked = async || ana.get(&list).await.expect(200).to_string().matches("\"done\":true").count();
    let synced = ana.get("/v1/sync").await.expect(200)["next"].as_str().unwrap().to_owned();
    let to = async |version: i64, at| {
        bo.patch(&format!("/v1/sessions/{id}"), version, &json!({"starts_at": at})).await.expect(200);
    };
    let at = app.now() + Duration::days(7);
    to(1, at + Duration::hours(1)).await;
    assert_eq!(ticked().await, 1, "an hour later the same ride will do");
    to(2, at + Duration::days(5)).await;
    assert_eq!(ticked().await, 0);
    let news = ana.get(&format!("/v1/sync?since={synced}")).await.expect(200);
    assert_eq!(news["session_readiness"]["upserts"][0]["done"], json!([]), "the phone is told: {news}");
}

async fn what_is_wrong_with_a_preparation_is_named(app: TestApp) {
    let (ana, _, id) = scheduled(&app, "integration").await;
    let path = format!("/v1/sessions/{id}/intention");
    ana.patch(&path, 1, &json!({"text": "x".repeat(2_001)})).await.invalid("/text");
    ana.patch(&path, 1, &json!({"words": "x"})).await.invalid("/words");
    // It belongs to another kind of session.
    let ride = format!("/v1/sessions/{id}/readiness/ride-home");
    ana.put(&ride, &json!({"done": true})).await.refused(404, "not_found");
    ana.put(&format!("/v1/sessions/{id}/readiness/questions-noted"), &json!({})).await.invalid("/done");
}
