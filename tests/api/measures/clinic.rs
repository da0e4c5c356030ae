//! What a clinic decides about its questionnaires: who answers alerts, and which thresholds count.

use axum::http::Method;
use chrono::Duration;
use serde_json::{Value, json};

use super::{alerts, hand_in};
use crate::harness::{Person, Reply, TestApp, both_engines};

both_engines![
    a_response_policy_lets_a_form_that_may_ring_be_asked_for,
    what_is_wrong_with_a_policy_is_named,
    a_policy_that_is_in_use_stays,
    who_stands_in_is_a_clinician_of_the_clinic,
    a_signature_is_for_what_was_read,
    policies_of_two_clinics_have_nothing_to_do_with_each_other,
];

const PATH: &str = "/v1/clinic/response-policy";

/// A policy as a small clinic writes it.
pub fn policy() -> Value {
    json!({
        "hours": [{"weekday": "mon", "opens": "09:00", "closes": "17:00"}],
        "steps": [{"to": "care_team", "after_minutes": 0}, {"to": "clinic_line", "after_minutes": 60}],
        "line_phone": "+49 30 901820",
        "text": "Whoever acknowledges an alert calls the patient.",
    })
}

async fn version(admin: &Person) -> i64 {
    admin.get("/v1/clinic").await.expect(200)["version"].as_i64().unwrap()
}

async fn put(admin: &Person, version: i64, body: &Value) -> Reply {
    admin.request(Method::PUT, PATH).await.if_match(version).json(body).send().await
}

async fn ask(app: &TestApp, bo: &Person, ana: &Person, measure: &str) -> Reply {
    let due = app.now() + Duration::days(3);
    bo.post(
        &format!("/v1/patients/{}/measure-assignments", ana.id),
        &json!({"measure_id": measure, "due_at": due}),
    )
    .await
}

async fn a_response_policy_lets_a_form_that_may_ring_be_asked_for(app: TestApp) {
    let (ana, bo, admin) = (app.patient("ana").await, app.therapist("bo").await, app.admin().await);
    assert!(admin.get(PATH).await.expect(200).get("policy").is_none());
    ask(&app, &bo, &ana, "phq-9").await.refused(409, "response_policy_missing");
    let written = put(&admin, 1, &policy()).await;
    assert_eq!(written.headers["etag"], "\"2\"");
    let written = written.expect(200);
    assert_eq!((&written["version"], &written["policy"]), (&json!(2), &policy()));
    assert_eq!(bo.get(PATH).await.expect(200), written);
    ask(&app, &bo, &ana, "phq-9").await.expect(201);
    put(&admin, 1, &policy()).await.refused(412, "stale_version");
    let sealed = app.query("SELECT response_policy_sealed AS s FROM clinics", vec![]).await;
    let sealed: Vec<u8> = sealed[0].try_get("", "s").unwrap();
    assert!(!String::from_utf8_lossy(&sealed).contains("acknowledges"));
    let sql = "SELECT COUNT(*) AS n FROM audit_events WHERE action = 'clinic.response_policy'";
    assert_eq!(app.query(sql, vec![]).await[0].try_get::<i64>("", "n").unwrap(), 1);
}

async fn what_is_wrong_with_a_policy_is_named(app: TestApp) {
    let admin = app.admin().await;
    let with = |field: &str, value: Value| {
        let mut body = policy();
        body[field] = value;
        body
    };
    let step = |to: &str, after: i64| json!({"to": to, "after_minutes": after});
    let (team, line) = (step("care_team", 0), step("clinic_line", 60));
    let reversed = json!([{"weekday": "mon", "opens": "17:00", "closes": "09:00"}]);
    for (body, pointer) in [
        (json!({}), "/hours"),
        (with("hours", json!([])), "/hours"),
        (with("hours", reversed), "/hours/0/closes"),
        (with("steps", json!([])), "/steps"),
        (with("steps", json!([team, team, team, line])), "/steps"),
        (with("steps", json!([team])), "/steps/0/to"),
        (with("steps", json!([line, team])), "/steps/0/to"),
        (with("steps", json!([step("care_team", 5), line])), "/steps/0/after_minutes"),
        (with("steps", json!([team, step("clinic_line", 0)])), "/steps/1/after_minutes"),
        (with("steps", json!([team, step("clinic_line", 4321)])), "/steps/1/after_minutes"),
        (with("steps", json!([team, step("covering_clinician", 10), line])), "/covering_member_id"),
        (with("steps", json!([step("nobody", 0)])), "/steps/0/to"),
        (with("covering_member_id", json!(admin.id)), "/covering_member_id"),
        (with("line_phone", json!("1")), "/line_phone"),
        (with("text", json!("  ")), "/text"),
        (with("text", json!("x".repeat(4001))), "/text"),
        (with("colour", json!("red")), "/colour"),
    ] {
        put(&admin, 1, &body).await.invalid(pointer);
    }
    admin.put(PATH, &policy()).await.refused(428, "if_match_required");
    assert!(admin.get(PATH).await.expect(200).get("policy").is_none());
    assert_eq!(version(&admin).await, 1);
}

async fn a_policy_that_is_in_use_stays(app: TestApp) {
    let (ana, bo, admin) = (app.patient("ana").await, app.therapist("bo").await, app.admin().await);
    put(&admin, 1, &policy()).await.expect(200);
    let asked = ask(&app, &bo, &ana, "phq-9").await.expect(201);
    ask(&app, &bo, &ana, "gad-7").await.expect(201);
    admin.delete_at(PATH, 2).await.refused(409, "response_policy_in_use");
    let path = format!("/v1/patients/{}/measure-assignments/{}", ana.id, asked["id"].as_str().unwrap());
    bo.delete(&path).await.expect(204);
    admin.delete_at(PATH, 1).await.refused(412, "stale_version");
    admin.delete_at(PATH, 2).await.expect(204);
    ask(&app, &bo, &ana, "phq-9").await.refused(409, "response_policy_missing");
}

async fn who_stands_in_is_a_clinician_of_the_clinic(app: TestApp) {
    let (ana, bo, admin) = (app.patient("ana").await, app.therapist("bo").await, app.admin().await);
    let eve = app.therapist_of("elsewhere", "eve").await;
    let steps = json!([{"to": "care_team", "after_minutes": 0}, {"to": "covering_clinician", "after_minutes": 30},
        {"to": "clinic_line", "after_minutes": 60}]);
    let by = |member: uuid::Uuid| {
        let mut body = policy();
        body["steps"] = steps.clone();
        body["covering_member_id"] = json!(member);
        body
    };
    for stranger in [ana.id, admin.id, eve.id, uuid::Uuid::from_u128(7)] {
        put(&admin, 1, &by(stranger)).await.invalid("/covering_member_id");
    }
    let written = put(&admin, 1, &by(bo.id)).await.expect(200);
    assert_eq!(written["policy"]["covering_member_id"], json!(bo.id));
}

async fn a_signature_is_for_what_was_read(app: TestApp) {
    let (ana, bo, admin) = (app.patient("ana").await, app.therapist("bo").await, app.admin().await);
    let read = admin.get("/v1/clinic/form-thresholds").await.expect(200);
    assert_eq!(read["signed"], false);
    let rules: Vec<&str> =
        read["items"].as_array().unwrap().iter().map(|item| item["rule_id"].as_str().unwrap()).collect();
    assert!(rules.contains(&"post-still-altered") && !rules.contains(&"post-wants-contact"), "{rules:?}");
    let published: Vec<_> = rules.iter().filter(|rule| rule.starts_with("phq9")).collect();
    assert_eq!(published, [&"phq9-worse"], "bands of published scales need no signature");
    let path = "/v1/clinic/form-thresholds/signature";
    bo.put(path, &json!({"content": "post-session-check@0.9.0"})).await.invalid("/content");
    let signed = bo.put(path, &json!({"content": read["content"]})).await.expect(200);
    assert_eq!((&signed["signed"], &signed["signed_by"]), (&json!(true), &json!(bo.id)));
    let altered = json!({"measure_id": "post-session-check", "version": "1.0.0", "language": "en",
        "answers": [{"item": "post.distress", "number": 9}]});
    // Forms of a later version wait for a signature of their own.
    app.execute("UPDATE clinics SET form_thresholds_content = 'post-session-check@0.9.0'", vec![]).await;
    let again = bo.get("/v1/clinic/form-thresholds").await.expect(200);
    assert_eq!((&again["signed"], &again["signed_by"]), (&json!(false), &json!(bo.id)));
    hand_in(&ana, &altered).await;
    assert_eq!(alerts(&app).await, []);
    bo.put(path, &json!({"content": read["content"]})).await.expect(200);
    hand_in(&ana, &altered).await;
    assert_eq!(alerts(&app).await.len(), 1);
    bo.delete(path).await.expect(204);
    hand_in(&ana, &altered).await;
    assert_eq!(alerts(&app).await.len(), 1, "taken back, it is silent again");
    let sql = "SELECT COUNT(*) AS n FROM audit_events WHERE action LIKE 'clinic.%_thresholds'";
    assert_eq!(app.query(sql, vec![]).await[0].try_get::<i64>("", "n").unwrap(), 3);
}

async fn policies_of_two_clinics_have_nothing_to_do_with_each_other(app: TestApp) {
    let (here, there) = (app.admin().await, app.admin_of("elsewhere").await);
    put(&here, 1, &policy()).await.expect(200);
    assert!(there.get(PATH).await.expect(200).get("policy").is_none());
    let eve = app.therapist_of("elsewhere", "eve").await;
    let read = eve.get("/v1/clinic/form-thresholds").await.expect(200);
    eve.put("/v1/clinic/form-thresholds/signature", &json!({"content": read["content"]})).await.expect(200);
    assert_eq!(here.get("/v1/clinic/form-thresholds").await.expect(200)["signed"], false);
}
