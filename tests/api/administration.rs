//! The administration record: who writes it, who reads it, and that no version is ever lost.

use axum::http::Method;
use chrono::{DateTime, Duration, Utc};
use serde_json::{Value, json};

use crate::{
    authz::{administration, assign},
    harness::{Person, Reply, TestApp, both_engines, id_of},
};

both_engines![
    what_was_given_is_recorded_by_medical_staff_and_read_by_the_patient,
    a_dose_by_someone_not_medical_is_refused,
    a_correction_keeps_every_version,
    of_two_first_records_one_stays,
    what_is_wrong_with_a_record_is_named_and_nothing_is_written,
    only_a_dosing_session_has_a_record,
    medical_staff_reach_no_further,
    a_record_outlives_care_and_stays_closed,
];

async fn put(who: &Person, session: &str, version: i64, body: &Value) -> Reply {
    let request = who.request(Method::PUT, &format!("/v1/sessions/{session}/administration")).await;
    request.if_match(version).json(body).send().await
}

fn first(at: DateTime<Utc>) -> Value {
    let mut record = administration(at);
    record.as_object_mut().unwrap().remove("correction");
    record
}

/// Ana, her therapist, medical staff in her care, and a dosing session that begins now.
async fn day(app: &TestApp) -> (Person, Person, Person, String) {
    let (ana, bo, mia) = (app.patient("ana").await, app.therapist("bo").await, app.medical("mia").await);
    assign(app, &ana, &mia).await;
    let session = id_of(&bo.schedule(&ana, "dosing", app.now()).await);
    (ana, bo, mia, session)
}

fn theirs(ana: &Person, session: &str) -> String {
    format!("/v1/patients/{}/sessions/{session}/administration", ana.id)
}

async fn what_was_given_is_recorded_by_medical_staff_and_read_by_the_patient(app: TestApp) {
    let (ana, _, mia, session) = day(&app).await;
    let own = format!("/v1/sessions/{session}/administration");
    ana.get(&own).await.refused(404, "not_found");
    let reply = put(&mia, &session, 0, &first(app.now())).await;
    assert_eq!(reply.headers["etag"], "\"1\"");
    let made = reply.expect(200);
    assert_eq!((&made["recorded_by"], &made["recorded_by_name"]), (&json!(mia.id), &json!("mia")));
    assert_eq!(made["doses"][0], json!({"amount": 60.0, "unit": "mg", "given_at": "2026-11-22T12:00:00Z"}));
    assert_eq!(ana.get(&own).await.expect(200), made);
    assert_eq!(mia.get(&theirs(&ana, &session)).await.expect(200), made);
    assert_eq!(ana.get(&format!("{own}/versions")).await.expect(200)["items"], json!([made]));
    let log = ana.get("/v1/me/access-log").await.expect(200);
    let acts: Vec<_> = log["items"].as_array().unwrap().iter().map(|one| &one["action"]).collect();
    assert!(acts.contains(&&json!("administration.record")) && acts.contains(&&json!("administration.read")));
}

async fn a_dose_by_someone_not_medical_is_refused(app: TestApp) {
    let (ana, bo, _, session) = day(&app).await;
    for who in [&bo, &app.coordinator("cleo").await, &app.admin().await, &ana] {
        put(who, &session, 0, &first(app.now())).await.refused(403, "forbidden_role");
    }
    bo.get(&theirs(&ana, &session)).await.refused(403, "forbidden_role");
    let max = app.medical("max").await;
    put(&max, &session, 0, &first(app.now())).await.refused(404, "not_found");
    assert_eq!(app.count("administrations").await, 0);
    // One person may hold both.
    let sql = "UPDATE accounts SET capabilities = 'therapist medical' WHERE id = $1";
    app.execute(sql, vec![bo.id.into()]).await;
    put(&bo, &session, 0, &first(app.now())).await.expect(200);
}

async fn a_correction_keeps_every_version(app: TestApp) {
    let (ana, _, mia, session) = day(&app).await;
    let made = put(&mia, &session, 0, &first(app.now())).await.expect(200);
    app.advance(Duration::minutes(20));
    let mut body = administration(app.now() - Duration::minutes(20));
    body["doses"][0]["amount"] = json!(50.5);
    put(&mia, &session, 0, &first(app.now())).await.refused(412, "stale_version");
    let mut silent = body.clone();
    silent.as_object_mut().unwrap().remove("correction");
    put(&mia, &session, 1, &silent).await.invalid("/correction");
    let other = app.medical("max").await;
    assign(&app, &ana, &other).await;
    let corrected = put(&other, &session, 1, &body).await.expect(200);
    assert_eq!((&corrected["version"], &corrected["recorded_by"]), (&json!(2), &json!(other.id)));
    assert_ne!(corrected["recorded_at"], made["recorded_at"]);
    let versions = ana.get(&format!("/v1/sessions/{session}/administration/versions")).await.expect(200);
    assert_eq!(versions["items"], json!([corrected, made]), "the first is as it was");
    assert_eq!(mia.get(&format!("{}/versions", theirs(&ana, &session))).await.expect(200), versions);
}

async fn of_two_first_records_one_stays(app: TestApp) {
    let (_, _, mia, session) = day(&app).await;
    let body = first(app.now());
    let (one, other) = tokio::join!(put(&mia, &session, 0, &body), put(&mia, &session, 0, &body));
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412]);
    assert_eq!(app.count("administrations").await, 1);
}

async fn what_is_wrong_with_a_record_is_named_and_nothing_is_written(app: TestApp) {
    let (_, _, mia, session) = day(&app).await;
    app.advance(Duration::hours(1));
    let (then, good) = (app.now() - Duration::minutes(40), first(app.now() - Duration::minutes(40)));
    let dose = |amount: Value, unit: &str| json!([{"amount": amount, "unit": unit, "given_at": then}]);
    let vitals = |values: Value| {
        let mut one = json!({"taken_at": then});
        one.as_object_mut().unwrap().extend(values.as_object().unwrap().clone());
        json!([one])
    };
    let ahead = app.now() + Duration::hours(1);
    for (field, wrong, pointer) in [
        ("route", json!("rectal"), "/route"),
        ("substance", json!(" "), "/substance"),
        ("doses", dose(json!(0), "mg"), "/doses/0/amount"),
        ("doses", dose(json!(-60), "mg"), "/doses/0/amount"),
        ("doses", dose(json!(60_000), "mg"), "/doses/0/amount"),
        ("doses", dose(json!(60), "mg/kg"), "/doses/0/amount"),
        ("doses", dose(json!("60"), "mg"), "/doses/0/amount"),
        ("doses", dose(json!(60), "spoons"), "/doses/0/unit"),
        ("doses", dose(json!(5), "mcg/kg/min"), "/doses/0/ended_at"),
        ("doses", json!([{"amount": 6, "unit": "mg", "given_at": ahead}]), "/doses/0/given_at"),
        (
            "doses",
            json!([{"amount": 6, "unit": "mg", "given_at": "2026-11-20T12:00:00Z"}]),
            "/doses/0/given_at",
        ),
        (
            "doses",
            json!([{"amount": 6, "unit": "mg", "given_at": then, "ended_at": then - Duration::minutes(1)}]),
            "/doses/0/ended_at",
        ),
        (
            "doses",
            json!([{"amount": 6, "unit": "mg", "given_at": then}, {"amount": 6, "unit": "mg", "given_at": then - Duration::minutes(1)}]),
            "/doses/1/given_at",
        ),
        ("vitals", vitals(json!({})), "/vitals/0"),
        ("vitals", vitals(json!({"systolic": 120})), "/vitals/0/diastolic"),
        ("vitals", vitals(json!({"systolic": 80, "diastolic": 120})), "/vitals/0/diastolic"),
        ("vitals", vitals(json!({"pulse": 900})), "/vitals/0/pulse"),
        ("vitals", vitals(json!({"oxygen_saturation": 101})), "/vitals/0/oxygen_saturation"),
        ("vitals", vitals(json!({"temperature": 98.6})), "/vitals/0/temperature"),
        ("vitals", json!([{"taken_at": ahead, "pulse": 70}]), "/vitals/0/taken_at"),
        ("events", json!([{"at": then, "what": "", "severity": "mild"}]), "/events/0/what"),
        ("events", json!([{"at": then, "what": "x", "severity": "fatal?"}]), "/events/0/severity"),
        ("events", json!([{"at": ahead, "what": "x", "severity": "mild"}]), "/events/0/at"),
        ("observed_until", json!(then - Duration::minutes(5)), "/observed_until"),
        ("correction", json!("of nothing"), "/correction"),
        ("advice", json!("more"), "/advice"),
    ] {
        let mut body = good.clone();
        body[field] = wrong;
        put(&mia, &session, 0, &body).await.invalid(pointer);
    }
    let request = mia.request(Method::PUT, &format!("/v1/sessions/{session}/administration")).await;
    request.json(&good).send().await.refused(428, "if_match_required");
    assert_eq!(app.count("administrations").await, 0);
    put(&mia, &session, 0, &good).await.expect(200);
}

async fn only_a_dosing_session_has_a_record(app: TestApp) {
    let (ana, bo, mia, dosing) = day(&app).await;
    let other = id_of(&bo.schedule(&ana, "integration", app.now() + Duration::days(1)).await);
    put(&mia, &other, 0, &first(app.now())).await.refused(409, "not_a_dosing_session");
    bo.step(&format!("/v1/sessions/{dosing}/no-show"), 1).await.expect(200);
    put(&mia, &dosing, 0, &first(app.now())).await.refused(409, "wrong_session_state");
    assert_eq!(app.count("administrations").await, 0);
}

async fn medical_staff_reach_no_further(app: TestApp) {
    let (ana, _, mia, session) = day(&app).await;
    let entry = ana.entry("hers").await;
    let base = format!("/v1/patients/{}", ana.id);
    let path = format!("{base}/journal/entries/{entry}");
    mia.get(&path).await.refused(404, "not_found");
    ana.share(&entry, &mia, &json!({})).await.expect(200);
    mia.get(&path).await.expect(200);
    mia.get(&format!("{base}/sessions/{session}/preparation")).await.expect(200);
    for closed in ["goals", "measure-responses", "checkins/trend?from=2026-11-01&to=2026-11-22", "plans"] {
        mia.get(&format!("{base}/{closed}")).await.refused(403, "forbidden_role");
    }
    mia.step(&format!("/v1/sessions/{session}/cancel"), 1).await.refused(403, "forbidden_role");
}

async fn a_record_outlives_care_and_stays_closed(app: TestApp) {
    let (ana, _, mia, session) = day(&app).await;
    let made = put(&mia, &session, 0, &first(app.now())).await.expect(200);
    ana.delete(&format!("/v1/care-team/{}", mia.id)).await.expect(204);
    mia.get(&theirs(&ana, &session)).await.refused(404, "not_found");
    put(&mia, &session, 1, &administration(app.now())).await.refused(404, "not_found");
    assert_eq!(ana.get(&format!("/v1/sessions/{session}/administration")).await.expect(200), made);
}
