//! Today on one screen, and the pack for hours without a network.

use axum::http::Method;
use chrono::{Duration, TimeZone, Utc};
use serde_json::{Value, json};

use crate::{
    harness::{Person, TestApp, both_engines, counted, id_of},
    measures::form,
};

both_engines![
    a_new_patient_reads_something_that_helps,
    the_screen_follows_the_treatment,
    an_answer_that_called_for_help_changes_the_screen,
    what_waits_for_the_next_review_changes_nothing_on_the_screen,
    todays_date_and_hours_are_the_patients_own,
    a_long_history_asks_the_database_no_more_often,
    nothing_of_anybody_else_is_on_the_screen,
    the_offline_pack_holds_what_must_work,
    the_offline_pack_is_small_in_every_language,
];

async fn today(who: &Person) -> Value {
    who.get("/v1/today").await.expect(200)
}

fn kinds(today: &Value) -> Vec<&str> {
    today["to_do"].as_array().unwrap().iter().map(|task| task["kind"].as_str().unwrap()).collect()
}

async fn a_new_patient_reads_something_that_helps(app: TestApp) {
    let ana = app.patient("ana").await;
    let screen = today(&ana).await;
    assert_eq!((&screen["phase"], &screen["title"]), (&json!("beginning"), &json!("Welcome")));
    assert!(screen["detail"].as_str().unwrap().len() > 40);
    assert!(screen.get("next_session").is_none() && screen.get("support").is_none());
    assert_eq!(kinds(&screen), ["check_in"]);
    assert_eq!(screen["to_do"][0]["operation"], "create_checkin");
    assert!(!screen["prompt"]["text"].as_str().unwrap().is_empty());
    assert_eq!(screen["grounding"]["category"], "grounding");
    assert_eq!(ana.get("/v1/prompts/today").await.expect(200)["prompt"], screen["prompt"]);
    ana.checkin(6).await;
    assert_eq!(kinds(&today(&ana).await), Vec::<&str>::new());
    ana.patch("/v1/me", 1, &json!({"locale": "es"})).await.expect(200);
    assert_eq!(today(&ana).await["title"], "Bienvenida");
}

async fn the_screen_follows_the_treatment(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let start = app.now() + Duration::days(8);
    let session = bo.schedule(&ana, "dosing", start).await;
    let id = id_of(&session);
    let asked = json!({"measure_id": "gad-7", "due_at": start});
    bo.post(&format!("/v1/patients/{}/measure-assignments", ana.id), &asked).await.expect(201);
    let screen = today(&ana).await;
    assert_eq!((&screen["phase"], &screen["next_session"]["id"]), (&json!("preparation"), &json!(id)));
    assert_eq!(screen["next_session"]["title"], "Dosing session");
    assert_eq!(kinds(&screen), ["measure", "check_in"]);
    assert_eq!(screen["to_do"][0]["target"], "gad-7");
    app.clock.set(start - Duration::hours(40));
    let screen = today(&ana).await;
    assert_eq!(kinds(&screen), ["readiness", "measure", "intention"]);
    assert_eq!(screen["to_do"][0]["target"], json!(id));
    let items = ana.get(&format!("/v1/sessions/{id}/readiness")).await.expect(200);
    for item in items["items"].as_array().unwrap() {
        let path = format!("/v1/sessions/{id}/readiness/{}", item["id"].as_str().unwrap());
        ana.put(&path, &json!({"done": true})).await.expect(200);
    }
    let intention = json!({"text": "To meet my grief"});
    ana.patch(&format!("/v1/sessions/{id}/intention"), 1, &intention).await.expect(200);
    let mut answers = form("gad-7", "0000000");
    answers["assignment_id"] = screen["to_do"][1]["assignment_id"].clone();
    ana.post("/v1/measure-responses", &answers).await.expect(201);
    let screen = today(&ana).await;
    assert_eq!(kinds(&screen), ["check_in"], "what was done is not asked for again: {screen}");
    assert_eq!(screen["next_session"]["readiness_done"], screen["next_session"]["readiness_items"]);
    app.clock.set(start - Duration::hours(3));
    let screen = today(&ana).await;
    assert_eq!((&screen["phase"], kinds(&screen)), (&json!("dosing_day"), vec![]));
    app.clock.set(start);
    bo.step(&format!("/v1/sessions/{id}/start"), 2).await.expect(200);
    assert_eq!(today(&ana).await["phase"], "dosing_day");
    app.advance(Duration::minutes(150));
    bo.step(&format!("/v1/sessions/{id}/complete"), 3).await.expect(200);
    assert_eq!(today(&ana).await["phase"], "rest");
    app.advance(Duration::hours(20));
    let screen = today(&ana).await;
    assert_eq!(
        (&screen["phase"], kinds(&screen)),
        (&json!("first_days"), vec!["first_impressions", "check_in"])
    );
    ana.impressions().await;
    assert_eq!(kinds(&today(&ana).await), ["check_in"]);
    app.advance(Duration::days(5));
    assert_eq!(today(&ana).await["phase"], "integration");
    app.advance(Duration::days(20));
    assert_eq!(today(&ana).await["phase"], "between");
    ana.delete(&format!("/v1/care-team/{}", bo.id)).await.expect(204);
    assert_eq!(today(&ana).await["phase"], "care_ended");
}

async fn an_answer_that_called_for_help_changes_the_screen(app: TestApp) {
    let ana = app.patient("ana").await;
    ana.post("/v1/measure-responses", &form("phq-9", "000000001")).await.expect(201);
    let screen = today(&ana).await;
    assert_eq!((&screen["phase"], kinds(&screen)), (&json!("support"), vec!["support"]));
    assert_eq!(screen["support"]["country"], "DE");
    assert_eq!(screen["prompt"]["category"], "grounding");
}

async fn what_waits_for_the_next_review_changes_nothing_on_the_screen(app: TestApp) {
    let ana = app.patient("ana").await;
    ana.post("/v1/measure-responses", &crate::measures::form("gad-2", "33")).await.expect(201);
    assert_eq!(app.count("alerts").await, 1);
    assert_ne!(today(&ana).await["phase"], "support");
    ana.post("/v1/checkins", &json!({"mood": 0, "anxiety": 10})).await.expect(201);
    assert_eq!(today(&ana).await["phase"], "support");
    app.advance(Duration::days(7));
    let ana = app.log_in("ana").await;
    assert_ne!(today(&ana).await["phase"], "support", "a week at most, as with reminders");
}

async fn todays_date_and_hours_are_the_patients_own(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    app.clock.set(Utc.with_ymd_and_hms(2026, 11, 24, 20, 0, 0).unwrap());
    bo.schedule(&ana, "preparation", Utc.with_ymd_and_hms(2026, 11, 26, 22, 30, 0).unwrap()).await;
    ana.patch("/v1/me", 1, &json!({"time_zone": "Asia/Kathmandu"})).await.expect(200);
    let screen = today(&ana).await;
    assert_eq!(screen["local_date"], "2026-11-25");
    let next = &screen["next_session"];
    assert_eq!((&next["local_date"], &next["local_time"]), (&json!("2026-11-27"), &json!("04:15")));
}

async fn a_long_history_asks_the_database_no_more_often(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let mut counts = Vec::new();
    for _ in 0..2 {
        for hours in [30, 60, 90] {
            let start = app.now() + Duration::hours(hours);
            bo.schedule(&ana, "integration", start).await;
            let asked = json!({"measure_id": "gad-7", "due_at": start});
            bo.post(&format!("/v1/patients/{}/measure-assignments", ana.id), &asked).await.expect(201);
            ana.checkin(5).await;
            ana.entry("words").await;
            app.advance(Duration::minutes(90));
        }
        today(&ana).await;
        let (_, count) = counted(today(&ana)).await;
        counts.push(count);
    }
    assert_eq!(counts[0], counts[1]);
    assert!(counts[0] <= 12, "{counts:?}");
}

async fn nothing_of_anybody_else_is_on_the_screen(app: TestApp) {
    let (ana, ben, bo) = (app.patient("ana").await, app.patient("ben").await, app.therapist("bo").await);
    bo.schedule(&ben, "dosing", app.now() + Duration::hours(3)).await;
    ben.post("/v1/measure-responses", &form("phq-9", "000000001")).await.expect(201);
    ben.checkin(5).await;
    let asked = json!({"measure_id": "gad-7", "due_at": app.now() + Duration::days(1)});
    bo.post(&format!("/v1/patients/{}/measure-assignments", ben.id), &asked).await.expect(201);
    let screen = today(&ana).await;
    assert_eq!((&screen["phase"], kinds(&screen)), (&json!("beginning"), vec!["check_in"]));
}

async fn the_offline_pack_holds_what_must_work(app: TestApp) {
    let (ana, ben) = (app.patient("ana").await, app.patient("ben").await);
    app.admin().await.patch("/v1/clinic", 1, &json!({"phone": "+49 30 901820"})).await.expect(200);
    let first = ana.get("/v1/offline-pack").await;
    let etag = first.headers["etag"].to_str().unwrap().to_owned();
    let pack = first.expect(200);
    assert_eq!((&pack["crisis"]["country"], &pack["clinic_phone"]), (&json!("DE"), &json!("+49 30 901820")));
    assert!(pack.get("safety_plan").is_none());
    assert!(pack["grounding"].as_array().unwrap().len() >= 5);
    let again = || async {
        let request = ana.request(Method::GET, "/v1/offline-pack").await;
        request.header("if-none-match", &etag).send().await
    };
    assert_eq!(again().await.status, 304);
    let plan = json!({"coping": ["walk by the river"], "people": [{"name": "Cleo", "phone": "+49 171 1"}]});
    let request = ana.request(Method::PUT, "/v1/safety-plan").await.if_match(0);
    request.json(&plan).send().await.expect(200);
    let changed = again().await.expect(200);
    assert_eq!(changed["safety_plan"]["people"][0]["name"], "Cleo");
    assert!(ben.get("/v1/offline-pack").await.expect(200).get("safety_plan").is_none());
}

async fn the_offline_pack_is_small_in_every_language(app: TestApp) {
    let ana = app.patient("ana").await;
    // The longest plan that fits into a request, every character of four bytes.
    let line = |length: usize| "\u{1F331}".repeat(length);
    let lines: Vec<String> = (0..20).map(|_| line(180)).collect();
    let contact = json!({"name": line(20), "phone": "+49 30 901820"});
    let contacts: Vec<Value> = vec![contact; 20];
    let plan = json!({"warning_signs": lines, "coping": lines, "means": lines, "reasons": lines,
        "people": contacts, "professionals": contacts});
    assert!(serde_json::to_vec(&plan).unwrap().len() > 60_000, "as much as an operation takes");
    let request = ana.request(Method::PUT, "/v1/safety-plan").await.if_match(0);
    request.json(&plan).send().await.expect(200);
    for locale in ["en", "es"] {
        let version = if locale == "en" { 1 } else { 2 };
        ana.patch("/v1/me", version, &json!({ "locale": locale })).await.expect(200);
        let reply = ana.get("/v1/offline-pack").await;
        let bytes = serde_json::to_vec(&reply.expect(200)).unwrap().len();
        assert!((20_000..=200 * 1024).contains(&bytes), "{locale}: {bytes} bytes");
    }
}
