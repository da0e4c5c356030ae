//! Everybody in a therapist's care at a glance.

use chrono::Duration;
use serde_json::{Value, json};

use crate::{
    authz::{assign, subscription},
    harness::{Person, TestApp, both_engines, counted, id_of},
};

both_engines![
    a_therapist_without_patients_gets_an_empty_roster,
    a_patient_without_data_reads_well,
    a_roster_says_what_needs_attention_first,
    whoever_left_is_on_no_roster,
    each_patient_on_a_roster_learns_that_they_were_seen,
    a_roster_that_cannot_be_recorded_is_not_shown,
    two_hundred_patients_take_as_many_statements_as_two,
];

async fn roster(who: &Person) -> Vec<Value> {
    who.get("/v1/patients").await.expect(200)["items"].as_array().unwrap().clone()
}

async fn a_therapist_without_patients_gets_an_empty_roster(app: TestApp) {
    let dee = app.therapist("dee").await;
    assert_eq!(dee.get("/v1/patients").await.expect(200), json!({"items": []}));
    assert_eq!(app.count("audit_events").await, audited_without(&app, "review.roster").await);
}

async fn audited_without(app: &TestApp, action: &str) -> i64 {
    let sql = "SELECT COUNT(*) AS n FROM audit_events WHERE action <> $1";
    app.query(sql, vec![action.into()]).await[0].try_get("", "n").unwrap()
}

async fn a_patient_without_data_reads_well(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let found = roster(&bo).await;
    assert_eq!(
        found,
        [json!({"patient_id": ana.id, "display_name": "ana", "since": found[0]["since"], "unreviewed": 0,
            "reachable_by_push": false})]
    );
}

async fn a_roster_says_what_needs_attention_first(app: TestApp) {
    let bo = app.therapist("bo").await;
    let (ana, ben) = (app.patient("ana").await, app.patient("ben").await);
    let (cai, dan) = (app.patient("cai").await, app.patient("dan").await);
    // Ana and Dan have sessions, Ben's check-in raised an alert, Cai shared something.
    let session = bo.schedule(&ana, "dosing", app.now() + Duration::days(2)).await;
    bo.schedule(&ana, "integration", app.now() + Duration::days(4)).await;
    bo.schedule(&dan, "integration", app.now() + Duration::days(3)).await;
    let readiness = format!("/v1/sessions/{}/readiness/ride-home", id_of(&session));
    ana.put(&readiness, &json!({"done": true})).await.expect(200);
    ana.post("/v1/push/subscriptions", &subscription("http://127.0.0.1:65530/ana")).await.expect(201);
    ben.post("/v1/checkins", &json!({"mood": 0, "anxiety": 9})).await.expect(201);
    let entry = cai.entry("for Bo").await;
    cai.share(&entry, &bo, &json!({})).await.expect(200);
    cai.entry("for nobody").await;
    let checkin = cai.checkin(6).await;

    let found = roster(&bo).await;
    let names: Vec<&str> = found.iter().map(|one| one["display_name"].as_str().unwrap()).collect();
    assert_eq!(names, ["ben", "ana", "dan", "cai"]);
    assert_eq!(found[0]["open_alerts"], json!({"count": 1, "level": "moderate"}));
    let next = &found[1]["next_session"];
    assert_eq!(
        (&next["id"], &next["kind"], &next["with_me"]),
        (&session["id"], &json!("dosing"), &json!(true))
    );
    assert_eq!(next["readiness_done"], 1);
    assert!(next["readiness_items"].as_i64().unwrap() > 3);
    assert_eq!(found[1]["reachable_by_push"], true);
    assert_eq!((&found[3]["unreviewed"], &found[3]["last_checkin_at"]), (&json!(1), &checkin["taken_at"]));
    assert!(found[3].get("open_alerts").is_none() && found[3].get("next_session").is_none());
    let until = (app.now() + Duration::days(1)).to_rfc3339();
    ana.put("/v1/me/pause", &json!({ "until": until })).await.expect(200);
    assert_eq!(roster(&bo).await[1]["reachable_by_push"], false, "a pause keeps reminders away");
}

async fn whoever_left_is_on_no_roster(app: TestApp) {
    let (ana, bo, dee) = (app.patient("ana").await, app.therapist("bo").await, app.therapist("dee").await);
    assign(&app, &ana, &dee).await;
    assert_eq!((roster(&bo).await.len(), roster(&dee).await.len()), (1, 1));
    ana.delete(&format!("/v1/care-team/{}", bo.id)).await.expect(204);
    assert_eq!((roster(&bo).await.len(), roster(&dee).await.len()), (0, 1));
}

async fn each_patient_on_a_roster_learns_that_they_were_seen(app: TestApp) {
    let (ana, ben, bo) = (app.patient("ana").await, app.patient("ben").await, app.therapist("bo").await);
    roster(&bo).await;
    for patient in [ana, ben] {
        let log = patient.get("/v1/me/access-log").await.expect(200);
        let seen = &log["items"][0];
        assert_eq!((&seen["action"], &seen["member_id"]), (&json!("review.roster"), &json!(bo.id)));
    }
}

async fn a_roster_that_cannot_be_recorded_is_not_shown(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let entry = ana.entry("for Bo").await;
    ana.share(&entry, &bo, &json!({})).await.expect(200);
    app.execute("ALTER TABLE audit_events RENAME TO audit_events_away", vec![]).await;
    bo.get("/v1/patients").await.refused(503, "unavailable");
    bo.get("/v1/review/queue").await.refused(503, "unavailable");
    app.execute("ALTER TABLE audit_events_away RENAME TO audit_events", vec![]).await;
    assert_eq!(roster(&bo).await.len(), 1);
}

async fn two_hundred_patients_take_as_many_statements_as_two(app: TestApp) {
    let bo = app.therapist("bo").await;
    let (ana, _) = (app.patient("ana").await, app.patient("ben").await);
    let ask = async || {
        let request = bo.request(axum::http::Method::GET, "/v1/patients").await;
        let (reply, statements) = counted(request.send()).await;
        (reply.expect(200)["items"].as_array().unwrap().len(), statements)
    };
    let (few, short) = ask().await;
    for _ in 0..198 {
        copy_of(&app, &ana).await;
    }
    let (many, long) = ask().await;
    assert_eq!((few, many), (2, 200));
    assert_eq!(short, long, "statements");
    println!("roster: {long} statements");
}

/// One patient more, made of rows: their words are sealed as a registration would.
pub async fn copy_of(app: &TestApp, patient: &Person) {
    use afterglow::accounts::{Capabilities, NewAccount, create_account};
    use entity::ids::{AccountId, ClinicId};
    use sea_orm::TransactionTrait;
    let id = app.state.random.uuid_v7(app.now());
    let sql = "SELECT clinic_id FROM accounts WHERE id = $1";
    let clinic = app.query(sql, vec![patient.id.into()]).await[0].try_get("", "clinic_id").unwrap();
    let account = NewAccount {
        id: AccountId(id),
        clinic: ClinicId(clinic),
        is_patient: true,
        capabilities: Capabilities::default(),
        profession: None,
        email: format!("{id}@example.org"),
        display_name: "one of many".into(),
        zone: "Europe/Berlin".into(),
        locale: "en".into(),
        password_hash: "none".into(),
    };
    let txn = app.conn().begin().await.unwrap();
    assert!(create_account(&txn, &app.state.vault, account, app.now()).await.unwrap());
    txn.commit().await.unwrap();
    let sql = "INSERT INTO care_relations (patient_id, id, member_id, clinic_id, started_at, review_seq) \
         SELECT $1, $1, member_id, clinic_id, started_at, 0 FROM care_relations WHERE patient_id = $2";
    app.execute(sql, vec![id.into(), patient.id.into()]).await;
}
