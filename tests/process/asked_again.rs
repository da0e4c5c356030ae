//! What is asked once more between a first attempt or a plan and the send: place in the queue, night, cap and words.

use axum::http::Method;
use chrono::Duration;
use entity::notifications;
use serde_json::{Value, json};

use crate::{
    harness::{TestApp, both_engines, id_of},
    practice::{Practice, end, is_open, local, nothing_of, status},
};

both_engines![
    a_change_of_wishes_leaves_a_second_try_in_its_place,
    what_was_tried_and_not_taken_is_opened_again,
    a_second_try_that_falls_into_the_night_waits_for_the_morning,
    what_is_important_comes_on_a_day_that_is_full,
    a_low_reminder_gives_way_to_normal_ones_only,
    urgency_follows_priority,
    ordinary_reminders_of_one_minute_come_each_on_its_own,
    a_rule_that_ended_past_the_planner_is_not_planned_again,
    the_latest_answer_about_reminders_counts,
    what_was_written_today_is_not_asked_for_again,
    a_check_in_today_answers_the_daily_form,
    an_appointment_that_is_past_is_none,
    nobody_is_told_of_an_alert_that_was_acknowledged,
    what_waits_for_a_record_was_no_attempt,
    what_was_sent_today_counts_when_a_session_is_scheduled,
    a_dosing_day_has_room_for_more,
    integration_ends_where_the_next_dosing_session_began,
    words_that_do_not_fit_are_left_out_and_the_reminder_comes,
    nothing_light_hearted_comes_after_an_answer_that_calls_for_help,
];

async fn of_template(practice: &Practice, template: &str) -> notifications::Model {
    let rows = practice.rows(&practice.ana).await;
    rows.into_iter().find(|row| row.template_id.as_deref() == Some(template)).unwrap()
}

async fn with_phone(app: &TestApp) -> Practice {
    let practice = Practice::open(app).await;
    practice.phone(&practice.ana, "phone").await;
    practice
}

async fn capped(practice: &Practice, cap: u8) {
    let cap = json!({"daily_cap": cap});
    practice.ana.patch("/v1/me/delivery-policy", 1, &cap).await.expect(200);
}

async fn complete(practice: &Practice, session: &Value) {
    let path = format!("/v1/sessions/{}", id_of(session));
    let version = practice.ana.get(&path).await.expect(200)["version"].as_i64().unwrap();
    // It took until now, however long that was.
    let ended_at = practice.app.now().format("%FT%TZ");
    practice.bo.step(&format!("{path}/complete?ended_at={ended_at}"), version).await.expect(200);
}

/// The clinic sends one of its reminders at another time.
async fn edit(app: &TestApp, edit: Value) {
    let admin = app.admin().await;
    let version = admin.get("/v1/clinic/timeline").await.expect(200)["version"].as_i64().unwrap();
    let request = admin.request(Method::PUT, "/v1/clinic/timeline").await;
    request.if_match(version).json(&json!({"edits": [edit]})).send().await.expect(200);
}

async fn a_change_of_wishes_leaves_a_second_try_in_its_place(app: TestApp) {
    let practice = with_phone(&app).await;
    let rule = practice.daily(&practice.ana, "14:00").await;
    practice.push.respond_with("phone", vec![status(429).retry_after("600")]);
    practice.at("2026-11-22T14:00");
    assert_eq!(practice.tick().await.retrying, 1);
    let before = practice.first(&practice.ana, rule).await;
    assert!(before.next_attempt_at >= app.now() + Duration::minutes(10));
    capped(&practice, 6).await;
    let after = practice.first(&practice.ana, rule).await;
    assert_eq!((after.state.as_str(), after.next_attempt_at), ("retrying", before.next_attempt_at));
}

/// Whether the phone got it nobody knows, for the attempt failed.
async fn what_was_tried_and_not_taken_is_opened_again(app: TestApp) {
    let practice = with_phone(&app).await;
    practice.bo.schedule(&practice.ana, "dosing", local("2026-11-26T14:00")).await;
    practice.push.respond_with("phone", vec![status(503)]);
    practice.at("2026-11-24T10:00");
    assert_eq!(practice.tick().await.retrying, 1);
    let until = json!({"until": app.now() + Duration::minutes(30)});
    practice.ana.put("/v1/me/pause", &until).await.expect(200);
    assert_eq!(end(&of_template(&practice, "dosing-health-changes").await), ("suppressed", "paused"));
    practice.ana.delete("/v1/me/pause").await.expect(204);
    let sent = practice.live_until(&practice.ana, local("2026-11-24T13:00")).await;
    let told: Vec<&str> = sent.iter().map(|row| row.template_id.as_deref().unwrap()).collect();
    assert_eq!(told, ["dosing-health-changes", "dosing-ride"]);
}

async fn a_second_try_that_falls_into_the_night_waits_for_the_morning(app: TestApp) {
    let practice = with_phone(&app).await;
    let session = practice.bo.schedule(&practice.ana, "integration", local("2026-11-25T14:00")).await;
    practice.live_until(&practice.ana, local("2026-11-25T18:10")).await;
    complete(&practice, &session).await;
    practice.push.respond_with("phone", vec![status(429).retry_after("1800")]);
    // Due at ten past nine, and asked to come back after half past: that is night.
    nothing_of(&practice.live_until(&practice.ana, local("2026-11-26T07:59")).await);
    let sent = practice.live_until(&practice.ana, local("2026-11-26T08:00")).await;
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].template_id.as_deref(), Some("integration-step"));
}

async fn what_is_important_comes_on_a_day_that_is_full(app: TestApp) {
    let practice = with_phone(&app).await;
    capped(&practice, 1).await;
    let rule = practice.daily(&practice.ana, "09:00").await;
    practice.daily(&practice.ana, "10:00").await;
    practice.bo.schedule(&practice.ana, "dosing", local("2026-11-26T14:00")).await;
    practice.live_until(&practice.ana, local("2026-11-24T08:59")).await;
    let sent = practice.live_until(&practice.ana, local("2026-11-24T13:00")).await;
    assert_eq!(sent[0].origin_id, rule);
    let important: Vec<&str> = sent[1..].iter().map(|row| row.template_id.as_deref().unwrap()).collect();
    assert_eq!(important, ["dosing-health-changes", "dosing-ride"]);
}

async fn a_low_reminder_gives_way_to_normal_ones_only(app: TestApp) {
    let practice = with_phone(&app).await;
    let session = practice.bo.schedule(&practice.ana, "integration", local("2026-11-23T10:00")).await;
    practice.live_until(&practice.ana, local("2026-11-23T11:00")).await;
    complete(&practice, &session).await;
    practice.live_until(&practice.ana, local("2026-11-26T11:00")).await;
    // A low one at six; then what is important at eight, which has no part in the cap.
    edit(&app, json!({"template_id": "dosing-ride", "local_time": "20:00"})).await;
    practice.bo.schedule(&practice.ana, "dosing", local("2026-11-28T14:00")).await;
    let measures = "UPDATE notifications SET state = 'cancelled' WHERE template_id = 'dosing-measures'";
    app.execute(measures, vec![]).await;
    capped(&practice, 1).await;
    practice.live_until(&practice.ana, local("2026-11-26T18:00")).await;
    assert!(is_open(&of_template(&practice, "dosing-ride").await));
    assert_eq!(end(&of_template(&practice, "integration-practice").await), ("accepted", ""));
}

async fn urgency_follows_priority(app: TestApp) {
    let practice = with_phone(&app).await;
    let session = practice.bo.schedule(&practice.ana, "integration", local("2026-11-23T10:00")).await;
    practice.live_until(&practice.ana, local("2026-11-23T11:00")).await;
    complete(&practice, &session).await;
    practice.bo.schedule(&practice.ana, "dosing", local("2026-11-29T14:00")).await;
    let sent = practice.live_until(&practice.ana, local("2026-11-27T10:00")).await;
    let mut rows = practice.rows(&practice.ana).await;
    rows.retain(|row| row.accepted_at.is_some());
    rows.sort_by_key(|row| row.accepted_at);
    assert!(sent.len() < rows.len());
    let told = practice.push.received();
    let urgencies: Vec<&str> = told.iter().map(|push| push.header("urgency").unwrap()).collect();
    assert_eq!(urgencies, rows.iter().map(|row| row.priority.as_str()).collect::<Vec<_>>());
    for urgency in ["low", "normal", "high"] {
        assert!(urgencies.contains(&urgency), "{urgencies:?}");
    }
}

async fn ordinary_reminders_of_one_minute_come_each_on_its_own(app: TestApp) {
    let practice = with_phone(&app).await;
    edit(&app, json!({"template_id": "session-tomorrow", "offset": "-P2D", "local_time": "18:00"})).await;
    practice.bo.schedule(&practice.ana, "preparation", local("2026-11-26T14:00")).await;
    practice.at("2026-11-24T18:00");
    assert_eq!(practice.tick().await.accepted, 2);
    assert_eq!(practice.push.received().len(), 2);
}

async fn a_rule_that_ended_past_the_planner_is_not_planned_again(app: TestApp) {
    let practice = with_phone(&app).await;
    let rule = practice.daily(&practice.ana, "14:00").await;
    app.execute("UPDATE reminders SET active = false WHERE id = $1", vec![rule.into()]).await;
    nothing_of(&practice.live_until(&practice.ana, local("2026-11-24T12:00")).await);
    let rows = practice.rows_of(&practice.ana, rule).await;
    assert_eq!(rows.iter().map(end).collect::<Vec<_>>(), [("cancelled", "superseded")]);
}

async fn the_latest_answer_about_reminders_counts(app: TestApp) {
    let practice = with_phone(&app).await;
    practice.daily(&practice.ana, "14:00").await;
    for decision in ["withdrawn", "given"] {
        app.advance(Duration::minutes(1));
        let body = json!({"purpose": "reminders", "decision": decision, "text_version": "1"});
        practice.ana.post("/v1/consents", &body).await.expect(201);
    }
    practice.at("2026-11-22T14:00");
    assert_eq!(practice.tick().await.accepted, 1);
}

async fn what_was_written_today_is_not_asked_for_again(app: TestApp) {
    let practice = with_phone(&app).await;
    practice.bo.schedule(&practice.ana, "dosing", local("2026-11-26T14:00")).await;
    practice.live_until(&practice.ana, local("2026-11-25T12:00")).await;
    let entry = json!({"template_id": "intention-setting", "fields": {"intention": "Softly"}});
    practice.ana.post("/v1/journal/entries", &entry).await.expect(201);
    practice.live_until(&practice.ana, local("2026-11-25T20:00")).await;
    assert_eq!(end(&of_template(&practice, "dosing-intention").await), ("suppressed", "already_done"));
}

async fn a_check_in_today_answers_the_daily_form(app: TestApp) {
    let practice = with_phone(&app).await;
    let plan = json!({"template_id": "kap-weekly-4", "first_dosing_on": "2026-12-22", "route": "im",
        "without_measures": true});
    practice.bo.post(&format!("/v1/patients/{}/plans", practice.ana.id), &plan).await.expect(201);
    practice.ana.checkin(6).await;
    practice.live_until(&practice.ana, local("2026-11-22T20:30")).await;
    assert_eq!(end(&of_template(&practice, "daily-check-in").await), ("suppressed", "already_done"));
}

async fn an_appointment_that_is_past_is_none(app: TestApp) {
    let practice = with_phone(&app).await;
    let session = practice.bo.schedule(&practice.ana, "dosing", local("2026-11-25T14:00")).await;
    // Nobody recorded whether this one took place.
    practice.bo.schedule(&practice.ana, "integration", local("2026-11-30T14:00")).await;
    practice.live_until(&practice.ana, local("2026-11-25T16:30")).await;
    complete(&practice, &session).await;
    practice.live_until(&practice.ana, local("2026-12-09T13:00")).await;
    assert_eq!(end(&of_template(&practice, "dosing-book-follow-up").await), ("accepted", ""));
}

async fn nobody_is_told_of_an_alert_that_was_acknowledged(app: TestApp) {
    let practice = Practice::open(&app).await;
    practice.phone(&practice.bo, "desk").await;
    practice.at("2026-11-23T10:00");
    practice.push.respond_with("desk", vec![status(503)]);
    practice.ana.post("/v1/checkins", &json!({"mood": 0, "anxiety": 9})).await.expect(201);
    assert_eq!(practice.tick().await.retrying, 1);
    let sql = "UPDATE alerts SET acknowledged_at = $1, acknowledged_by = $2";
    app.execute(sql, vec![app.now().into(), practice.bo.id.into()]).await;
    nothing_of(&practice.live_until(&practice.bo, app.now() + Duration::hours(1)).await);
    let rows = practice.rows(&practice.bo).await;
    assert_eq!(rows.iter().map(end).collect::<Vec<_>>(), [("cancelled", "already_done")]);
    assert_eq!(practice.push.received().len(), 1);
}

async fn what_waits_for_a_record_was_no_attempt(app: TestApp) {
    let practice = with_phone(&app).await;
    practice.bo.schedule(&practice.ana, "integration", local("2026-11-25T14:00")).await;
    practice.at("2026-11-25T18:00");
    assert_eq!(practice.tick().await.postponed, 1);
    let step = of_template(&practice, "integration-step").await;
    assert_eq!((step.state.as_str(), step.attempts), ("planned", 0));
}

async fn what_was_sent_today_counts_when_a_session_is_scheduled(app: TestApp) {
    let practice = with_phone(&app).await;
    capped(&practice, 1).await;
    practice.daily(&practice.ana, "14:00").await;
    practice.at("2026-11-22T14:00");
    assert_eq!(practice.tick().await.accepted, 1);
    let session = practice.bo.schedule(&practice.ana, "integration", local("2026-11-23T14:00")).await;
    let lines = session["reminders"].as_array().unwrap();
    let evening = lines.iter().find(|line| line["template_id"] == "integration-tomorrow").unwrap();
    assert_eq!((&evening["state"], &evening["reason"]), (&json!("suppressed"), &json!("daily_cap")));
}

async fn a_dosing_day_has_room_for_more(app: TestApp) {
    let practice = with_phone(&app).await;
    let dosing = practice.bo.schedule(&practice.ana, "dosing", local("2026-11-25T14:00")).await;
    practice.bo.schedule(&practice.ana, "integration", local("2026-11-26T14:00")).await;
    practice.live_until(&practice.ana, local("2026-11-24T23:00")).await;
    practice.live_until(&practice.ana, local("2026-11-25T16:30")).await;
    complete(&practice, &dosing).await;
    practice.live_until(&practice.ana, local("2026-11-25T20:00")).await;
    let mut rows = practice.rows(&practice.ana).await;
    rows.retain(|row| row.local_date == local("2026-11-25T12:00").date_naive() && row.priority != "high");
    let ends: Vec<_> = rows.iter().map(|row| (row.template_id.as_deref().unwrap(), end(row).0)).collect();
    let templates = [
        "dosing-morning",
        "dosing-grounding",
        "dosing-first-impressions",
        "integration-tomorrow",
        "dosing-rest",
    ];
    assert_eq!(ends, templates.map(|template| (template, "accepted")), "more than the four of other days");
}

async fn integration_ends_where_the_next_dosing_session_began(app: TestApp) {
    let practice = with_phone(&app).await;
    let first = practice.bo.schedule(&practice.ana, "dosing", local("2026-11-25T14:00")).await;
    let next = practice.bo.schedule(&practice.ana, "dosing", local("2026-12-20T14:00")).await;
    practice.live_until(&practice.ana, local("2026-11-25T16:30")).await;
    complete(&practice, &first).await;
    practice.live_until(&practice.ana, local("2026-11-27T12:00")).await;
    // Brought forward past the planner.
    app.execute(
        "UPDATE sessions SET starts_at = $1, ends_at = $2 WHERE id = $3",
        vec![
            local("2026-11-27T12:30").into(),
            local("2026-11-27T14:00").into(),
            id_of(&next).parse::<uuid::Uuid>().unwrap().into(),
        ],
    )
    .await;
    practice.live_until(&practice.ana, local("2026-11-27T19:00")).await;
    let mut rows = practice.rows_of(&practice.ana, id_of(&first).parse().unwrap()).await;
    rows.retain(|row| row.template_id.as_deref() == Some("dosing-journal-body"));
    assert_eq!(rows.iter().map(end).collect::<Vec<_>>(), [("cancelled", "superseded")]);
}

async fn words_that_do_not_fit_are_left_out_and_the_reminder_comes(app: TestApp) {
    let practice = with_phone(&app).await;
    practice.ana.patch("/v1/me/delivery-policy", 1, &json!({"lock_screen": "detailed"})).await.expect(200);
    let body = json!({"category": "mindfulness", "schedule": {"kind": "daily", "time": "14:00"},
        "title": "Breathe", "body": "\u{1f54a}".repeat(400)});
    practice.ana.post("/v1/reminders", &body).await.expect(201);
    practice.at("2026-11-22T14:00");
    assert_eq!(practice.tick().await.accepted, 1);
    let told = practice.push.received();
    assert_eq!(told[0].plaintext_json["notification"]["title"], "A minute for you");
}

async fn nothing_light_hearted_comes_after_an_answer_that_calls_for_help(app: TestApp) {
    let practice = with_phone(&app).await;
    practice.bo.schedule(&practice.ana, "dosing", local("2026-11-24T14:00")).await;
    practice.live_until(&practice.ana, local("2026-11-23T18:30")).await;
    practice.ana.post("/v1/checkins", &json!({"mood": 0, "anxiety": 9})).await.expect(201);
    let before = practice.push.received().len();
    practice.live_until(&practice.ana, local("2026-11-23T19:30")).await;
    assert_eq!(end(&of_template(&practice, "dosing-intention").await), ("accepted", ""));
    let told = practice.push.received();
    let title = &told[before..].last().unwrap().plaintext_json["notification"]["title"];
    assert_eq!(title, "You have a new note");
}
