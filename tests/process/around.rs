//! What is sent around sessions beyond the usual: scheduled late, put off, and as the clinic wants it.

use chrono::Duration;
use entity::notifications;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    harness::{Person, TestApp, both_engines, id_of},
    practice::{Practice, end, is_open, local, nothing_of},
};

both_engines![
    what_is_important_and_late_comes_at_once_and_as_one_push,
    a_session_at_dawn_says_at_once_what_cannot_be_sent,
    what_was_put_off_comes_again_and_follows_its_session,
    putting_off_keeps_to_the_start_and_to_quiet_hours,
    what_is_done_is_not_asked_for_again,
    a_service_worker_puts_off_once,
    a_low_reminder_gives_way_to_the_normal_ones_of_its_day,
    the_clinics_timeline_moves_what_is_planned_and_holds_for_what_comes,
    the_clinics_margin_ends_the_hush,
];

fn line<'a>(session: &'a Value, template: &str) -> &'a Value {
    let lines = session["reminders"].as_array().unwrap();
    lines.iter().find(|line| line["template_id"] == template).unwrap_or_else(|| panic!("no {template}"))
}

async fn what_is_important_and_late_comes_at_once_and_as_one_push(app: TestApp) {
    let practice = Practice::open(&app).await;
    practice.phone(&practice.ana, "phone").await;
    practice.at("2026-11-22T19:30");
    let session = practice.bo.schedule(&practice.ana, "dosing", local("2026-11-23T14:00")).await;
    assert_eq!(line(&session, "dosing-intention")["reason"], "scheduled_late");
    let tick = practice.tick().await;
    let rows = practice.rows(&practice.ana).await;
    let mut now: Vec<&str> = rows
        .iter()
        .filter(|row| row.state == "accepted")
        .map(|row| row.template_id.as_deref().unwrap())
        .collect();
    now.sort_unstable();
    assert_eq!(now, ["dosing-checklist", "dosing-fasting", "dosing-health-changes", "dosing-ride"]);
    assert_eq!(tick.accepted, 4, "each has its line in the ledger");
    let pushes = practice.push.received();
    assert_eq!(pushes.len(), 1, "and one push tells of all");
    assert_eq!(pushes[0].plaintext_json["notification"]["title"], "Important note");
}

async fn a_session_at_dawn_says_at_once_what_cannot_be_sent(app: TestApp) {
    let practice = Practice::open(&app).await;
    practice.at("2026-11-22T22:00");
    // The evening has passed, and the window opens when the session begins: neither side is left.
    let session = practice.bo.schedule(&practice.ana, "integration", local("2026-11-23T08:00")).await;
    let soon = line(&session, "session-soon");
    assert_eq!((soon["state"].as_str(), soon["reason"].as_str()), (Some("suppressed"), Some("quiet_hours")));
    // Somebody with an earlier window gets it at its opening.
    let early = json!({"window": {"opens": "07:00", "closes": "21:30"}});
    practice.ana.patch("/v1/me/delivery-policy", 1, &early).await.expect(200);
    let rows = practice.rows(&practice.ana).await;
    let soon = rows.iter().find(|row| row.template_id.as_deref() == Some("session-soon")).unwrap();
    assert_eq!((end(soon), soon.due_at), (("planned", ""), local("2026-11-23T07:00")));
}

/// An integration session tomorrow at two, of which the evening reminder has been sent.
async fn reminded(app: &TestApp) -> (Practice, String, notifications::Model) {
    let practice = Practice::open(app).await;
    practice.phone(&practice.ana, "phone").await;
    let session = practice.bo.schedule(&practice.ana, "integration", local("2026-11-23T14:00")).await;
    let sent = practice.live_until(&practice.ana, local("2026-11-22T18:00")).await;
    assert_eq!(sent.len(), 1);
    app.advance(Duration::minutes(1));
    (practice, id_of(&session), sent.into_iter().next().unwrap())
}

async fn put_off(ana: &Person, row: Uuid, wait: &str) -> Value {
    ana.post(&format!("/v1/notifications/{row}/snooze"), &json!({"for": wait})).await.expect(201)
}

async fn what_was_put_off_comes_again_and_follows_its_session(app: TestApp) {
    let (practice, session, row) = reminded(&app).await;
    let later = put_off(&practice.ana, row.id.0, "PT30M").await;
    assert_eq!(
        (&later["due_at"], &later["title"]),
        (&json!("2026-11-22T17:31:00Z"), &json!("Tomorrow: your integration meeting"))
    );
    assert_eq!(later["session_id"], json!(session));
    let sent = practice.live_until(&practice.ana, local("2026-11-22T18:40")).await;
    assert_eq!(sent.iter().map(|row| row.slot.clone()).collect::<Vec<_>>(), [format!("snooze:{}:1", row.id)]);
    // Once more, from the one that was put off, is the second of the same.
    let again = put_off(&practice.ana, sent[0].id.0, "PT2H").await;
    let rows = practice.rows(&practice.ana).await;
    let second = rows.iter().find(|row| row.id.to_string() == id_of(&again)).unwrap();
    assert_eq!(second.slot, format!("snooze:{}:2", row.id));
    let version =
        practice.ana.get(&format!("/v1/sessions/{session}")).await.expect(200)["version"].as_i64().unwrap();
    let moved = json!({"starts_at": local("2026-11-26T14:00").to_rfc3339()});
    practice.bo.patch(&format!("/v1/sessions/{session}"), version, &moved).await.expect(200);
    let rows = practice.rows(&practice.ana).await;
    let second = rows.iter().find(|row| row.id.to_string() == id_of(&again)).unwrap();
    assert_eq!(end(second), ("cancelled", "session_moved"));
    nothing_of(&practice.live_until(&practice.ana, local("2026-11-24T12:00")).await);
}

async fn putting_off_keeps_to_the_start_and_to_quiet_hours(app: TestApp) {
    let (practice, session, row) = reminded(&app).await;
    let path = format!("/v1/notifications/{}/snooze", row.id);
    practice.at("2026-11-22T20:30");
    let night = put_off(&practice.ana, row.id.0, "PT2H").await;
    assert_eq!(night["due_at"], "2026-11-23T07:00:00Z", "half past ten is night: in the morning");
    practice.at("2026-11-23T12:00");
    practice.tick().await;
    practice.ana.post(&path, &json!({"for": "PT2H"})).await.invalid("/for");
    practice.ana.post(&path, &json!({"for": "P1D"})).await.invalid("/for");
    practice.ana.post(&path, &json!({"for": "PT45M"})).await.invalid("/for");
    put_off(&practice.ana, row.id.0, "PT30M").await;
    let version =
        practice.ana.get(&format!("/v1/sessions/{session}")).await.expect(200)["version"].as_i64().unwrap();
    practice.bo.step(&format!("/v1/sessions/{session}/cancel"), version).await.expect(200);
    app.advance(Duration::minutes(1));
    nothing_of(&practice.live_until(&practice.ana, local("2026-11-23T20:00")).await);
    let planned = practice.rows(&practice.ana).await;
    assert!(planned.iter().all(|row| !is_open(row)));
    // What has not come yet is not put off, and what is paused neither.
    practice.daily(&practice.ana, "21:00").await;
    let rows = practice.rows(&practice.ana).await;
    let open = rows.iter().find(|row| is_open(row)).unwrap();
    practice
        .ana
        .post(&format!("/v1/notifications/{}/snooze", open.id), &json!({"for": "PT2H"}))
        .await
        .refused(409, "not_yet_sent");
    practice.ana.put("/v1/me/pause", &json!({"until": app.now() + Duration::days(2)})).await.expect(200);
    practice.ana.post(&path, &json!({"for": "PT30M"})).await.refused(409, "reminders_off");
}

async fn what_is_done_is_not_asked_for_again(app: TestApp) {
    let practice = Practice::open(&app).await;
    practice.phone(&practice.ana, "phone").await;
    let session = id_of(&practice.bo.schedule(&practice.ana, "dosing", local("2026-11-24T14:00")).await);
    let readiness = format!("/v1/sessions/{session}/readiness");
    let asked = |list: Value| {
        let found = list["acknowledgements"].as_array().unwrap().clone();
        found
            .into_iter()
            .map(|one| (one["template_id"].as_str().unwrap().to_owned(), one["done"] == true))
            .collect::<Vec<_>>()
    };
    let before = asked(practice.ana.get(&readiness).await.expect(200));
    let names = ["dosing-ride", "dosing-checklist", "dosing-fasting", "dosing-evening-check"];
    assert_eq!(before, names.map(|name| (name.to_owned(), false)));
    practice.tick().await;
    let rows = practice.rows(&practice.ana).await;
    let ride = rows.iter().find(|row| row.template_id.as_deref() == Some("dosing-ride")).unwrap();
    assert_eq!(end(ride), ("accepted", ""), "its time had passed, and it is important");
    let later = put_off(&practice.ana, ride.id.0, "PT30M").await;
    practice.ana.post(&format!("/v1/notifications/{}/done", ride.id), &Value::Null).await.expect(204);
    let rows = practice.rows(&practice.ana).await;
    let later = rows.iter().find(|row| row.id.to_string() == id_of(&later)).unwrap();
    assert_eq!(end(later), ("cancelled", "already_done"));
    let after = asked(practice.ana.get(&readiness).await.expect(200));
    assert_eq!(after[0], ("dosing-ride".to_owned(), true));
    let seen = format!("/v1/patients/{}/sessions/{session}/preparation", practice.ana.id);
    let seen = practice.bo.get(&seen).await.expect(200);
    assert_eq!((asked(seen.clone()), &seen["reach"]), (after, &json!("reachable")));
}

async fn a_service_worker_puts_off_once(app: TestApp) {
    let (practice, _, row) = reminded(&app).await;
    let push = practice.push.received().remove(0);
    let token = push.plaintext_json["notification"]["data"]["receipt"].as_str().unwrap().to_owned();
    let report = json!({"token": token, "event": "snoozed", "for": "PT2H"});
    for _ in 0..3 {
        app.anon().post("/v1/push/receipts", &report).await.expect(204);
    }
    let rows = practice.rows(&practice.ana).await;
    let later: Vec<_> = rows.iter().filter(|other| other.slot.starts_with("snooze:")).collect();
    assert_eq!(later.len(), 1);
    assert_eq!(later[0].due_at, app.now() + Duration::hours(2));
    let wrong = json!({"token": token, "event": "shown", "for": "PT2H"});
    app.anon().post("/v1/push/receipts", &wrong).await.invalid("/for");
    practice.live_until(&practice.ana, row.due_at + Duration::days(31)).await;
    let late = json!({"token": token, "event": "opened"});
    app.anon().post("/v1/push/receipts", &late).await.expect(404);
}

async fn a_low_reminder_gives_way_to_the_normal_ones_of_its_day(app: TestApp) {
    let practice = Practice::open(&app).await;
    practice.phone(&practice.ana, "phone").await;
    practice.ana.patch("/v1/me/delivery-policy", 1, &json!({"daily_cap": 1})).await.expect(200);
    // A practice of low priority at six, three days after a session; and a prompt at eight, planned when it is near.
    let session = practice.bo.schedule(&practice.ana, "integration", local("2026-11-23T10:00")).await;
    let path = format!("/v1/sessions/{}", id_of(&session));
    practice.live_until(&practice.ana, local("2026-11-23T11:00")).await;
    let version = practice.ana.get(&path).await.expect(200)["version"].as_i64().unwrap();
    practice.bo.step(&format!("{path}/complete"), version).await.expect(200);
    practice.live_until(&practice.ana, local("2026-11-26T12:00")).await;
    // Planned past the planner, as the record of an earlier occurrence plans it.
    let rule = practice.daily(&practice.ana, "20:00").await;
    let sql = "UPDATE notifications SET state = 'planned', reason = NULL WHERE template_id = 'integration-practice'";
    app.execute(sql, vec![]).await;
    let sent = practice.live_until(&practice.ana, local("2026-11-26T21:00")).await;
    assert_eq!(sent.iter().map(|row| row.origin_id).collect::<Vec<_>>(), [rule]);
    let rows = practice.rows(&practice.ana).await;
    let low = rows.iter().find(|row| row.template_id.as_deref() == Some("integration-practice")).unwrap();
    assert_eq!(end(low), ("suppressed", "daily_cap"));
}

async fn put_timeline(app: &TestApp, edits: Value) -> Value {
    let admin = app.admin().await;
    let version = admin.get("/v1/clinic/timeline").await.expect(200)["version"].as_i64().unwrap();
    let request = admin.request(axum::http::Method::PUT, "/v1/clinic/timeline").await;
    request.if_match(version).json(&edits).send().await.expect(200)
}

async fn due(practice: &Practice, template: &str) -> (String, String, chrono::DateTime<chrono::Utc>) {
    let rows = practice.rows(&practice.ana).await;
    let row = rows.iter().find(|row| row.template_id.as_deref() == Some(template)).unwrap();
    let (state, reason) = end(row);
    (state.to_owned(), reason.to_owned(), row.due_at)
}

async fn the_clinics_timeline_moves_what_is_planned_and_holds_for_what_comes(app: TestApp) {
    let practice = Practice::open(&app).await;
    practice.phone(&practice.ana, "phone").await;
    practice.bo.schedule(&practice.ana, "dosing", local("2026-12-02T14:00")).await;
    let edits = json!({"edits": [
        {"template_id": "dosing-ride", "offset": "-P3D", "local_time": "09:30"},
        {"template_id": "dosing-rest", "enabled": false},
        {"template_id": "dosing-morning", "offset": "-PT5H"},
    ]});
    let shown = put_timeline(&app, edits).await;
    let of = |id: &str| {
        shown["reminders"].as_array().unwrap().iter().find(|one| one["template_id"] == id).unwrap().clone()
    };
    assert_eq!(
        (of("dosing-ride")["offset"].clone(), of("dosing-ride")["local_time"].clone()),
        (json!("-P3D"), json!("09:30"))
    );
    assert_eq!(
        (of("dosing-rest")["enabled"].clone(), of("dosing-rest")["edited"].clone()),
        (json!(false), json!(true))
    );
    assert_eq!(of("dosing-easy-evening")["edited"], false);
    assert_eq!(due(&practice, "dosing-ride").await.2, local("2026-11-29T09:30"));
    assert_eq!(due(&practice, "dosing-morning").await.2, local("2026-12-02T09:00"));
    let off = due(&practice, "dosing-rest").await;
    assert_eq!((off.0.as_str(), off.1.as_str()), ("cancelled", "superseded"));
    // A session that is scheduled from now on, and one that was planned before the edit and is judged after it.
    practice.bo.schedule(&practice.ana, "dosing", local("2026-12-09T14:00")).await;
    let rides = practice.rows(&practice.ana).await;
    let rides: Vec<_> = rides
        .iter()
        .filter(|row| row.template_id.as_deref() == Some("dosing-ride"))
        .map(|row| row.due_at)
        .collect();
    assert_eq!(rides, [local("2026-11-29T09:30"), local("2026-12-06T09:30")]);
    let sql =
        "UPDATE clinics SET timeline = '{\"edits\":[{\"template_id\":\"dosing-ride\",\"enabled\":false}]}'";
    app.execute(sql, vec![]).await;
    practice.live_until(&practice.ana, local("2026-11-29T12:00")).await;
    let judged = due(&practice, "dosing-ride").await;
    assert_eq!((judged.0.as_str(), judged.1.as_str()), ("cancelled", "superseded"));
}

async fn the_clinics_margin_ends_the_hush(app: TestApp) {
    let practice = Practice::open(&app).await;
    practice.phone(&practice.ana, "phone").await;
    practice.bo.schedule(&practice.ana, "dosing", local("2026-11-25T14:00")).await;
    // It ends at half past four; an hour later, unrecorded, first impressions are due: hush is just over.
    assert_eq!(due(&practice, "dosing-first-impressions").await.2, local("2026-11-25T17:30"));
    put_timeline(&app, json!({"hush_margin_minutes": 180, "edits": []})).await;
    assert_eq!(due(&practice, "dosing-first-impressions").await.2, local("2026-11-25T19:30"));
    assert_eq!(due(&practice, "dosing-safety").await.2, local("2026-11-25T17:00"), "marked");
    let marked = json!({"hush_margin_minutes": 180,
        "edits": [{"template_id": "dosing-first-impressions", "ignores_quiet_hours": true}]});
    put_timeline(&app, marked).await;
    assert_eq!(due(&practice, "dosing-first-impressions").await.2, local("2026-11-25T17:30"));
}
