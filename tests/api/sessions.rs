//! Sessions, and the reminders that are planned, moved and cancelled with them.

use std::collections::BTreeMap;

use axum::http::Method;
use chrono::{DateTime, Duration, Utc};
use serde_json::{Value, json};

use crate::harness::{Person, TestApp, both_engines, id_of};

both_engines![
    a_session_is_seen_by_its_patient_and_therapist,
    the_usual_length_is_that_of_its_kind,
    what_is_wrong_with_a_session_is_named,
    scheduling_plans_reminders_on_the_patients_clock,
    reminders_keep_the_wall_clock_across_summer_time,
    moving_a_session_moves_its_reminders,
    a_small_move_doubles_nothing,
    cancelling_ends_its_reminders,
    a_no_show_gets_nothing_that_follows_a_session,
    completing_plans_what_follows_from_then_on,
    a_patient_who_moves_takes_the_reminders_along,
    a_session_scheduled_late_says_what_will_not_come,
    steps_that_do_not_fit_are_refused,
    nothing_begins_or_ends_long_before_its_time,
    an_answer_that_stands_against_dosing_is_acknowledged_first,
    stale_changes_change_nothing,
    every_change_is_audited,
    pages_of_sessions_are_stable,
];

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn path(session: &Value) -> String {
    format!("/v1/sessions/{}", id_of(session))
}

/// When each template is due, of those that are still to come.
fn planned(reminders: &Value) -> BTreeMap<String, DateTime<Utc>> {
    let due =
        |one: &Value| (one["template_id"].as_str().unwrap().to_owned(), at(one["due_at"].as_str().unwrap()));
    reminders.as_array().unwrap().iter().filter(|one| one["state"] == "planned").map(due).collect()
}

/// How many notifications of a session are in which state.
async fn states(app: &TestApp, session: &Value) -> BTreeMap<String, i64> {
    let sql = "SELECT state, COUNT(*) AS n FROM notifications WHERE origin_id = $1 GROUP BY state";
    let id: uuid::Uuid = id_of(session).parse().unwrap();
    let rows = app.query(sql, vec![id.into()]).await;
    rows.iter().map(|row| (row.try_get("", "state").unwrap(), row.try_get("", "n").unwrap())).collect()
}

async fn pair(app: &TestApp) -> (Person, Person) {
    (app.patient("ana").await, app.therapist("bo").await)
}

async fn a_session_is_seen_by_its_patient_and_therapist(app: TestApp) {
    let (ana, bo) = pair(&app).await;
    let body = json!({"kind": "dosing", "route": "im", "starts_at": "2026-12-04T13:00:00Z", "duration_minutes": 150});
    let reply = bo.post(&format!("/v1/patients/{}/sessions", ana.id), &body).await;
    assert_eq!(reply.headers["etag"], "\"1\"");
    let made = reply.expect(201);
    assert_eq!(
        (&made["state"], &made["route"], &made["location"]),
        (&json!("planned"), &json!("im"), &json!("clinic"))
    );
    assert_eq!((&made["patient_id"], &made["member_id"]), (&json!(ana.id), &json!(bo.id)));
    assert_eq!(at(made["ends_at"].as_str().unwrap()), at("2026-12-04T15:30:00Z"));
    assert!(planned(&made["reminders"]).len() > 10);
    let read = ana.get(&path(&made)).await;
    assert_eq!(read.headers["etag"], "\"1\"");
    let read = read.expect(200);
    assert_eq!(ana.get("/v1/sessions").await.expect(200)["items"], json!([read]));
    assert_eq!(
        bo.get(&format!("/v1/patients/{}/sessions", ana.id)).await.expect(200)["items"],
        json!([read])
    );
    let ledger = ana.get("/v1/notifications?limit=100").await.expect(200);
    let lines = ledger["items"].as_array().unwrap();
    assert!(lines.iter().all(|line| !line["title"].as_str().unwrap().is_empty()), "{ledger}");
    assert_eq!(lines.len(), made["reminders"].as_array().unwrap().len());
}

async fn the_usual_length_is_that_of_its_kind(app: TestApp) {
    let (ana, bo) = pair(&app).await;
    for (kind, minutes, day) in [("dosing", 150, 5), ("integration", 60, 6)] {
        let made = bo.schedule(&ana, kind, app.now() + Duration::days(day)).await;
        let (from, to) = (at(made["starts_at"].as_str().unwrap()), at(made["ends_at"].as_str().unwrap()));
        assert_eq!((to - from).num_minutes(), minutes, "{kind}");
    }
}

async fn what_is_wrong_with_a_session_is_named(app: TestApp) {
    let (ana, bo) = pair(&app).await;
    let sessions = format!("/v1/patients/{}/sessions", ana.id);
    let good = json!({"kind": "dosing", "route": "im", "starts_at": "2026-12-04T13:00:00Z"});
    for (field, wrong) in [
        ("kind", json!("holiday")),
        ("kind", json!(1)),
        ("route", json!("rectal-unknown")),
        ("location", json!("moon")),
        ("starts_at", json!("soon")),
        ("starts_at", json!("2026-12-04")),
        ("starts_at", json!("2026-12-04T13:00:00")),
        ("starts_at", json!("2026-12-04T25:00:00Z")),
        ("starts_at", json!("2029-12-04T13:00:00Z")),
        ("starts_at", json!("2026-10-04T13:00:00Z")),
        ("starts_at", json!("+262142-12-31T23:59:59Z")),
        ("starts_at", json!(1_764_853_200)),
        ("duration_minutes", json!(4)),
        ("duration_minutes", json!(721)),
        ("duration_minutes", json!(i64::MAX)),
        ("duration_minutes", json!(9.5)),
    ] {
        let mut body = good.clone();
        body[field] = wrong;
        bo.post(&sessions, &body).await.invalid(&format!("/{field}"));
    }
    let body = json!({"kind": "integration", "route": "im", "starts_at": "2026-12-04T13:00:00Z"});
    bo.post(&sessions, &body).await.invalid("/route");
    let made = bo.post(&sessions, &good).await.expect(201);
    for (field, wrong) in [
        ("starts_at", json!("2029-12-04T13:00:00Z")),
        ("duration_minutes", json!(0)),
        ("location", json!("moon")),
        ("kind", json!("group")),
    ] {
        bo.patch(&path(&made), 1, &json!({ field: wrong })).await.invalid(&format!("/{field}"));
    }
    assert_eq!(app.count("sessions").await, 1);
}

async fn scheduling_plans_reminders_on_the_patients_clock(app: TestApp) {
    let (ana, bo) = pair(&app).await;
    for (zone, evening_before) in [
        ("Europe/Berlin", "2026-12-03T17:00:00Z"),
        ("America/New_York", "2026-12-03T23:00:00Z"),
        ("Asia/Kathmandu", "2026-12-03T12:15:00Z"),
        ("Pacific/Auckland", "2026-12-04T05:00:00Z"),
    ] {
        ana.patch("/v1/me", 1, &json!({"time_zone": zone})).await.expect(200);
        // Noon on the patient's own 4th of December, or the 5th where that is further east.
        let noon = at(evening_before) + Duration::hours(18);
        let made = bo.schedule(&ana, "integration", noon).await;
        let due = planned(&made["reminders"]);
        assert_eq!(due["integration-tomorrow"], at(evening_before), "{zone}");
        assert_eq!(due["session-soon"], noon - Duration::hours(2), "{zone}");
        bo.step(&format!("{}/cancel", path(&made)), 1).await.expect(200);
    }
}

async fn reminders_keep_the_wall_clock_across_summer_time(app: TestApp) {
    let (ana, bo) = pair(&app).await;
    for (zone, start, before, after) in [
        // Summer time begins in the night before the session.
        ("Europe/Berlin", "2027-03-28T12:00:00Z", "2027-03-27T17:00:00Z", "2027-03-31T16:00:00Z"),
        // And ends in the night before this one.
        ("Europe/Berlin", "2027-10-31T13:00:00Z", "2027-10-30T16:00:00Z", "2027-11-03T17:00:00Z"),
        ("America/New_York", "2027-03-14T16:00:00Z", "2027-03-13T23:00:00Z", "2027-03-17T22:00:00Z"),
        ("Australia/Lord_Howe", "2027-04-04T01:30:00Z", "2027-04-03T07:00:00Z", "2027-04-07T07:30:00Z"),
    ] {
        ana.patch("/v1/me", 1, &json!({"time_zone": zone})).await.expect(200);
        let made = bo.schedule(&ana, "integration", at(start)).await;
        let due = planned(&made["reminders"]);
        assert_eq!(
            (due["integration-tomorrow"], due["integration-practice"]),
            (at(before), at(after)),
            "{zone} {start}"
        );
        bo.step(&format!("{}/cancel", path(&made)), 1).await.expect(200);
    }
}

async fn moving_a_session_moves_its_reminders(app: TestApp) {
    let (ana, bo) = pair(&app).await;
    let made = bo.schedule(&ana, "dosing", at("2026-12-10T13:00:00Z")).await;
    let before = planned(&made["reminders"]);
    let reply = bo.patch(&path(&made), 1, &json!({"starts_at": "2026-12-12T13:00:00Z"})).await;
    assert_eq!(reply.headers["etag"], "\"2\"");
    let moved = reply.expect(200);
    let after = planned(&moved["reminders"]);
    assert!(before.len() > 10);
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    for (template, due) in &after {
        assert_eq!(*due - before[template], Duration::days(2), "{template}");
    }
    let states = states(&app, &made).await;
    assert_eq!(states["planned"], i64::try_from(after.len()).unwrap(), "{states:?}");
    assert_eq!(at(moved["ends_at"].as_str().unwrap()), at("2026-12-12T15:30:00Z"), "the length stays");
    assert_eq!(ana.get(&path(&made)).await.expect(200)["version"], 2);
}

async fn a_small_move_doubles_nothing(app: TestApp) {
    let (ana, bo) = pair(&app).await;
    let made = bo.schedule(&ana, "integration", at("2026-12-10T13:00:00Z")).await;
    let rows = app.count("notifications").await;
    let moved = bo.patch(&path(&made), 1, &json!({"starts_at": "2026-12-10T14:00:00Z"})).await.expect(200);
    assert_eq!(app.count("notifications").await, rows);
    let due = planned(&moved["reminders"]);
    assert_eq!(
        (due["session-soon"], due["integration-tomorrow"]),
        (at("2026-12-10T12:00:00Z"), at("2026-12-09T17:00:00Z"))
    );
    let longer = bo.patch(&path(&made), 2, &json!({"duration_minutes": 90})).await.expect(200);
    assert_eq!(planned(&longer["reminders"])["integration-step"], at("2026-12-10T18:30:00Z"));
    // There and back again: what was given up comes back, once.
    bo.patch(&path(&made), 3, &json!({"starts_at": "2026-12-20T14:00:00Z"})).await.expect(200);
    let back = bo.patch(&path(&made), 4, &json!({"starts_at": "2026-12-10T14:00:00Z"})).await.expect(200);
    assert_eq!(planned(&back["reminders"]), planned(&longer["reminders"]));
    assert_eq!(states(&app, &made).await["planned"], i64::try_from(due.len()).unwrap());
}

async fn cancelling_ends_its_reminders(app: TestApp) {
    let (ana, bo) = pair(&app).await;
    let made = bo.schedule(&ana, "dosing", at("2026-12-10T13:00:00Z")).await;
    let other = bo.schedule(&ana, "integration", at("2026-12-11T13:00:00Z")).await;
    let cancelled = bo.step(&format!("{}/cancel", path(&made)), 1).await.expect(200);
    assert_eq!((&cancelled["state"], &cancelled["version"]), (&json!("cancelled"), &json!(2)));
    let states_made = states(&app, &made).await;
    assert!(!states_made.contains_key("planned") && states_made["cancelled"] > 10, "{states_made:?}");
    assert!(states(&app, &other).await["planned"] > 0);
    let ledger = ana.get("/v1/notifications?limit=100").await.expect(200);
    let reasons = ledger["items"].as_array().unwrap().iter().filter(|line| line["state"] == "cancelled");
    assert!(reasons.clone().count() > 10);
    assert!(reasons.into_iter().all(|line| line["reason"] == "session_cancelled"), "{ledger}");
}

async fn a_no_show_gets_nothing_that_follows_a_session(app: TestApp) {
    let (ana, bo) = pair(&app).await;
    let made = bo.schedule(&ana, "dosing", at("2026-11-23T13:00:00Z")).await;
    app.clock.set(at("2026-11-23T14:00:00Z"));
    assert_eq!(bo.step(&format!("{}/no-show", path(&made)), 1).await.expect(200)["state"], "no_show");
    let sql = "SELECT template_id FROM notifications WHERE state = 'planned' AND due_at > $1";
    assert_eq!(app.query(sql, vec![app.now().into()]).await.len(), 0);
}

async fn completing_plans_what_follows_from_then_on(app: TestApp) {
    let (ana, bo) = pair(&app).await;
    let made = bo.schedule(&ana, "integration", at("2026-11-23T13:00:00Z")).await;
    app.clock.set(at("2026-11-23T13:05:00Z"));
    let started = bo.step(&format!("{}/start", path(&made)), 1).await.expect(200);
    assert_eq!(
        (&started["state"], at(started["started_at"].as_str().unwrap())),
        (&json!("started"), app.now())
    );
    app.clock.set(at("2026-11-23T14:40:00Z"));
    for wrong in [app.now() + Duration::seconds(1), app.now() - Duration::days(9)] {
        let said = format!("{}/complete?ended_at={}", path(&made), wrong.format("%FT%TZ"));
        bo.step(&said, 2).await.invalid("query/ended_at");
    }
    let mut done = bo.step(&format!("{}/complete", path(&made)), 2).await.expect(200);
    assert_eq!((&done["state"], at(done["ended_at"].as_str().unwrap())), (&json!("completed"), app.now()));
    let sql = "SELECT due_at FROM notifications WHERE template_id = 'integration-step' AND state = 'planned'";
    let rows = app.query(sql, vec![]).await;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].try_get::<DateTime<Utc>>("", "due_at").unwrap(), at("2026-11-23T17:40:00Z"));
    let told = done.as_object_mut().unwrap().remove("reminders").unwrap();
    let follows = told.as_array().unwrap().iter().find(|one| one["template_id"] == "integration-step");
    assert_eq!(
        follows.map(|one| (&one["state"], &one["due_at"])),
        Some((&json!("planned"), &json!("2026-11-23T17:40:00Z"))),
        "{told}"
    );
    assert_eq!(ana.get(&path(&made)).await.expect(200), done);
}

async fn a_patient_who_moves_takes_the_reminders_along(app: TestApp) {
    let (ana, bo) = pair(&app).await;
    let made = bo.schedule(&ana, "integration", at("2026-12-10T16:00:00Z")).await;
    let sql =
        "SELECT due_at FROM notifications WHERE template_id = 'integration-tomorrow' AND state = 'planned'";
    let due = || async {
        let rows = app.query(sql, vec![]).await;
        assert_eq!(rows.len(), 1);
        rows[0].try_get::<DateTime<Utc>>("", "due_at").unwrap()
    };
    assert_eq!(due().await, at("2026-12-09T17:00:00Z"));
    ana.patch("/v1/me", 1, &json!({"time_zone": "America/New_York"})).await.expect(200);
    assert_eq!(due().await, at("2026-12-09T23:00:00Z"));
    assert_eq!(
        ana.get(&path(&made)).await.expect(200)["starts_at"],
        made["starts_at"],
        "the session stays where it is"
    );
}

async fn a_session_scheduled_late_says_what_will_not_come(app: TestApp) {
    let (ana, bo) = pair(&app).await;
    let made = bo.schedule(&ana, "dosing", app.now() + Duration::hours(26)).await;
    let reminders = made["reminders"].as_array().unwrap();
    let late: Vec<&Value> = reminders.iter().filter(|one| one["state"] == "suppressed").collect();
    assert!(!late.is_empty(), "{made}");
    assert!(late.iter().all(|one| one["reason"].is_string()), "{made}");
    assert!(planned(&made["reminders"]).values().all(|due| *due >= app.now()));
}

async fn steps_that_do_not_fit_are_refused(app: TestApp) {
    let (ana, bo) = pair(&app).await;
    for (first, second) in [
        ("cancel", vec!["start", "complete", "cancel", "no-show"]),
        ("complete", vec!["start", "complete", "cancel", "no-show"]),
        ("no-show", vec!["start", "complete", "cancel", "no-show"]),
        ("start", vec!["start", "cancel", "no-show"]),
    ] {
        let made = bo.schedule(&ana, "integration", app.now()).await;
        bo.step(&format!("{}/{first}", path(&made)), 1).await.expect(200);
        for step in second {
            bo.step(&format!("{}/{step}", path(&made)), 2).await.refused(409, "wrong_session_state");
        }
        bo.patch(&path(&made), 2, &json!({"location": "home"})).await.refused(409, "wrong_session_state");
        assert_eq!(ana.get(&path(&made)).await.expect(200)["version"], 2);
        app.advance(Duration::hours(2));
    }
}

/// A wrong row of the calendar must not begin a session of next month: it could not be taken back.
async fn nothing_begins_or_ends_long_before_its_time(app: TestApp) {
    let (ana, bo) = pair(&app).await;
    let made = bo.schedule(&ana, "dosing", app.now() + Duration::days(21)).await;
    let step = async |what: &str| bo.step(&format!("{}/{what}", path(&made)), 1).await;
    for what in ["start", "complete", "no-show"] {
        step(what).await.refused(409, "too_early");
    }
    app.advance(Duration::days(20));
    let bo = app.log_in("bo").await;
    let step = async |what: &str| bo.step(&format!("{}/{what}", path(&made)), 1).await;
    step("start").await.refused(409, "too_early");
    app.advance(Duration::hours(12));
    step("no-show").await.refused(409, "too_early");
    step("start").await.expect(200);
    bo.step(&format!("{}/complete", path(&made)), 2).await.expect(200);
}

async fn an_answer_that_stands_against_dosing_is_acknowledged_first(app: TestApp) {
    let (ana, bo) = pair(&app).await;
    let made = bo.schedule(&ana, "dosing", app.now() + Duration::hours(1)).await;
    let talk = bo.schedule(&ana, "integration", app.now() - Duration::hours(3)).await;
    let answer = json!({"measure_id": "phq-9", "version": "1.0.0", "language": "en",
        "answers": crate::measures::answers("phq9", "000000001")});
    ana.post("/v1/measure-responses", &answer).await.expect(201);
    let start = format!("{}/start", path(&made));
    bo.step(&start, 1).await.refused(409, "acknowledgement_needed");
    bo.step(&format!("{}/start", path(&talk)), 1).await.expect(200);
    let alert = bo.get("/v1/alerts").await.expect(200)["items"][0].clone();
    assert_eq!(alert["blocks_session"], true);
    let acknowledge = format!("/v1/alerts/{}/acknowledge", id_of(&alert));
    bo.post(&acknowledge, &json!({"reason": "We talked; she is safe."})).await.expect(200);
    bo.step(&start, 1).await.expect(200);
}

async fn stale_changes_change_nothing(app: TestApp) {
    let (ana, bo) = pair(&app).await;
    let made = bo.schedule(&ana, "integration", app.now() + Duration::days(3)).await;
    bo.patch(&path(&made), 1, &json!({"location": "telehealth"})).await.expect(200);
    let due = app.query("SELECT id FROM notifications WHERE state = 'planned'", vec![]).await.len();
    for step in ["start", "complete", "cancel", "no-show"] {
        bo.step(&format!("{}/{step}", path(&made)), 1).await.refused(412, "stale_version");
    }
    bo.patch(&path(&made), 1, &json!({"location": "home"})).await.refused(412, "stale_version");
    let read = ana.get(&path(&made)).await.expect(200);
    assert_eq!((&read["state"], &read["location"]), (&json!("planned"), &json!("telehealth")));
    assert_eq!(app.query("SELECT id FROM notifications WHERE state = 'planned'", vec![]).await.len(), due);
}

async fn every_change_is_audited(app: TestApp) {
    let (ana, bo) = pair(&app).await;
    let made = bo.schedule(&ana, "integration", app.now() + Duration::hours(3)).await;
    bo.patch(&path(&made), 1, &json!({"location": "home"})).await.expect(200);
    bo.step(&format!("{}/start", path(&made)), 2).await.expect(200);
    bo.step(&format!("{}/complete", path(&made)), 3).await.expect(200);
    let sql = "SELECT action, resource, actor_id, subject_id FROM audit_events WHERE action LIKE 'sessions.%' ORDER BY seq";
    let rows = app.query(sql, vec![]).await;
    let actions: Vec<String> = rows.iter().map(|row| row.try_get("", "action").unwrap()).collect();
    assert_eq!(actions, ["sessions.schedule", "sessions.move", "sessions.start", "sessions.complete"]);
    for row in rows {
        assert_eq!(row.try_get::<String>("", "resource").unwrap(), format!("sessions/{}", id_of(&made)));
        assert_eq!(row.try_get::<uuid::Uuid>("", "actor_id").unwrap(), bo.id);
        assert_eq!(row.try_get::<uuid::Uuid>("", "subject_id").unwrap(), ana.id);
    }
}

async fn pages_of_sessions_are_stable(app: TestApp) {
    let (ana, bo) = pair(&app).await;
    let mut made = Vec::new();
    for day in 3..8 {
        made.insert(0, id_of(&bo.schedule(&ana, "integration", app.now() + Duration::days(day)).await));
    }
    for base in ["/v1/sessions".to_owned(), format!("/v1/patients/{}/sessions", ana.id)] {
        let who = if base == "/v1/sessions" { &ana } else { &bo };
        let page = who.get(&format!("{base}?limit=2")).await.expect(200);
        let later = i64::try_from(made.len()).unwrap() + 40;
        let late = bo.schedule(&ana, "integration", app.now() + Duration::days(later)).await;
        let cursor = page["next_cursor"].as_str().unwrap();
        let rest = who.get(&format!("{base}?limit=100&cursor={cursor}")).await.expect(200);
        let both = page["items"].as_array().unwrap().iter().chain(rest["items"].as_array().unwrap());
        assert_eq!(both.map(id_of).collect::<Vec<_>>(), made);
        assert!(rest.get("next_cursor").is_none());
        made.insert(0, id_of(&late));
        assert_eq!(who.request(Method::HEAD, &base).await.send().await.status, 200);
    }
}
