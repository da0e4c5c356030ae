//! What changes while a worker has a reminder, or between two attempts, holds when it is judged again: nothing comes at
//! its old time, and nothing is lost.

use chrono::{DateTime, Duration, Utc};
use entity::notifications;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    harness::{TestApp, both_engines, id_of},
    practice::{Gate, Practice, end, is_open, local, past_the_lease, register, status, within},
};

both_engines![
    a_session_moved_a_little_while_claimed_is_reminded_of_at_its_new_time,
    a_rule_changed_while_claimed_does_not_come_at_its_old_time,
    a_rule_changed_while_its_push_is_on_its_way_comes_once_the_next_day,
    a_home_session_that_becomes_one_again_has_its_reminders_again,
    a_move_says_what_can_no_longer_be_sent,
    what_was_confirmed_beforehand_is_not_pushed,
    each_device_waits_for_its_own_service,
    a_key_that_does_not_open_here_loses_nothing,
];

/// As a worker that dies at once would leave it.
async fn claim(practice: &Practice, row: &notifications::Model) {
    let lease = practice.app.now() + Duration::seconds(60);
    let claim = "UPDATE notifications SET state = 'claimed', fence = fence + 1, attempts = attempts + 1, \
         lease_until = $1, next_attempt_at = $1 WHERE id = $2";
    practice.app.execute(claim, vec![lease.into(), row.id.0.into()]).await;
}

async fn of_template(practice: &Practice, session: Uuid, template: &str) -> notifications::Model {
    let rows = practice.rows_of(&practice.ana, session).await;
    rows.into_iter().find(|row| row.template_id.as_deref() == Some(template)).unwrap()
}

fn times(sent: &[notifications::Model]) -> Vec<DateTime<Utc>> {
    sent.iter().map(|row| row.accepted_at.unwrap()).collect()
}

async fn a_session_moved_a_little_while_claimed_is_reminded_of_at_its_new_time(app: TestApp) {
    let practice = Practice::open(&app).await;
    practice.phone(&practice.ana, "phone").await;
    let session = practice.bo.schedule(&practice.ana, "integration", local("2026-11-25T14:00")).await;
    let id: Uuid = id_of(&session).parse().unwrap();
    practice.live_until(&practice.ana, local("2026-11-25T11:59")).await;
    practice.at("2026-11-25T12:00");
    let soon = of_template(&practice, id, "session-soon").await;
    claim(&practice, &soon).await;
    let later = json!({"starts_at": local("2026-11-25T18:00").to_rfc3339()});
    practice.bo.patch(&format!("/v1/sessions/{id}"), 1, &later).await.expect(200);
    assert_eq!(of_template(&practice, id, "session-soon").await.state, "claimed", "it is the worker's");
    app.advance(past_the_lease(&app));
    let report = practice.tick().await;
    assert_eq!((report.accepted, report.postponed), (0, 1));
    let soon = of_template(&practice, id, "session-soon").await;
    assert_eq!((soon.due_at, soon.expires_at), (local("2026-11-25T16:00"), local("2026-11-25T18:00")));
    let sent = practice.live_until(&practice.ana, local("2026-11-25T18:30")).await;
    assert_eq!(times(&sent), [local("2026-11-25T16:00")]);
}

async fn a_rule_changed_while_claimed_does_not_come_at_its_old_time(app: TestApp) {
    let practice = Practice::open(&app).await;
    practice.phone(&practice.ana, "phone").await;
    let rule = practice.daily(&practice.ana, "14:00").await;
    practice.at("2026-11-22T14:00");
    let first = practice.first(&practice.ana, rule).await;
    claim(&practice, &first).await;
    let later = json!({"schedule": {"kind": "daily", "time": "15:00"}});
    practice.ana.patch(&format!("/v1/reminders/{rule}"), 1, &later).await.expect(200);
    app.advance(past_the_lease(&app));
    assert_eq!(practice.tick().await.cancelled, 1);
    assert_eq!(end(&practice.first(&practice.ana, rule).await), ("cancelled", "superseded"));
    let sent = practice.live_until(&practice.ana, local("2026-11-22T20:00")).await;
    assert_eq!(times(&sent), [local("2026-11-22T15:00")]);
}

async fn a_rule_changed_while_its_push_is_on_its_way_comes_once_the_next_day(app: TestApp) {
    let practice = Practice::open(&app).await;
    let mut gate = Gate::open().await;
    let phone = register(&practice.ana, &gate.device(&practice.push)).await;
    let rule = practice.daily(&practice.ana, "14:00").await;
    practice.at("2026-11-22T14:00");
    let state = app.state.clone();
    let sending = tokio::spawn(async move { afterglow::scheduler::tick(&state).await.unwrap() });
    let push = gate.next().await;
    let later = json!({"schedule": {"kind": "daily", "time": "15:00"}});
    practice.ana.patch(&format!("/v1/reminders/{rule}"), 1, &later).await.expect(200);
    push.answer(201);
    assert_eq!(within(sending).await.unwrap().accepted, 1);
    practice.ana.delete(&format!("/v1/push/subscriptions/{phone}")).await.expect(204);
    practice.phone(&practice.ana, "phone").await;
    practice.live_until(&practice.ana, local("2026-11-23T12:00")).await;
    let sent = practice.live_until(&practice.ana, local("2026-11-23T20:00")).await;
    assert_eq!(times(&sent), [local("2026-11-23T15:00")]);
    let rows = practice.rows_of(&practice.ana, rule).await;
    assert_eq!(rows.iter().filter(|row| is_open(row)).count(), 1);
}

/// Templates, states and reasons in the answer to a change of a session.
fn reminders(answer: &Value) -> Vec<[&str; 3]> {
    let all = answer["reminders"].as_array().unwrap().iter();
    all.map(|one| ["template_id", "state", "reason"].map(|field| one[field].as_str().unwrap_or(""))).collect()
}

async fn a_home_session_that_becomes_one_again_has_its_reminders_again(app: TestApp) {
    let practice = Practice::open(&app).await;
    let at_home =
        json!({"kind": "dosing", "location": "home", "starts_at": local("2026-11-27T14:00").to_rfc3339()});
    let path = format!("/v1/patients/{}/sessions", practice.ana.id);
    let session = practice.bo.post(&path, &at_home).await.expect(201);
    let planned = reminders(&session);
    assert!(planned.iter().any(|[template, ..]| template.starts_with("home-")), "{planned:?}");
    let path = format!("/v1/sessions/{}", id_of(&session));
    let moved = practice.bo.patch(&path, 1, &json!({"location": "clinic"})).await.expect(200);
    assert!(reminders(&moved).iter().all(|[template, ..]| !template.starts_with("home-")));
    let back = practice.bo.patch(&path, 2, &json!({"location": "home"})).await.expect(200);
    assert_eq!(reminders(&back), planned);
}

async fn a_move_says_what_can_no_longer_be_sent(app: TestApp) {
    let practice = Practice::open(&app).await;
    let session = practice.bo.schedule(&practice.ana, "integration", local("2026-11-25T10:30")).await;
    practice.at("2026-11-24T22:00");
    let early = json!({"starts_at": local("2026-11-25T08:00").to_rfc3339()});
    let path = format!("/v1/sessions/{}", id_of(&session));
    let moved = practice.bo.patch(&path, 1, &early).await.expect(200);
    let told = reminders(&moved);
    assert!(told.contains(&["session-soon", "suppressed", "quiet_hours"]), "{told:?}");
}

async fn what_was_confirmed_beforehand_is_not_pushed(app: TestApp) {
    let practice = Practice::open(&app).await;
    practice.phone(&practice.ana, "phone").await;
    let rule = practice.daily(&practice.ana, "14:00").await;
    let first = practice.first(&practice.ana, rule).await;
    practice.ana.post(&format!("/v1/notifications/{}/done", first.id), &json!({})).await.expect(204);
    practice.at("2026-11-22T14:00");
    assert_eq!(practice.tick().await.suppressed, 1);
    assert_eq!(end(&practice.first(&practice.ana, rule).await), ("suppressed", "already_done"));
    assert_eq!(practice.live_until(&practice.ana, local("2026-11-23T15:00")).await.len(), 1);
}

async fn each_device_waits_for_its_own_service(app: TestApp) {
    let practice = Practice::open(&app).await;
    for name in ["phone", "laptop"] {
        practice.phone(&practice.ana, name).await;
    }
    let rule = practice.daily(&practice.ana, "14:00").await;
    practice.push.respond_with("phone", vec![status(500)]);
    practice.push.respond_with("laptop", vec![status(429).retry_after("3000")]);
    practice.at("2026-11-22T14:00");
    assert_eq!(practice.tick().await.retrying, 1);
    let row = practice.first(&practice.ana, rule).await;
    assert!(row.next_attempt_at < app.now() + Duration::minutes(1), "{row:?}");
    app.clock.set(row.next_attempt_at);
    assert_eq!(practice.tick().await.accepted, 1);
    let asked = |name: &str| practice.push.received().iter().filter(|push| push.device == name).count();
    assert_eq!((asked("phone"), asked("laptop")), (2, 1));
}

async fn a_key_that_does_not_open_here_loses_nothing(app: TestApp) {
    let practice = Practice::open(&app).await;
    practice.phone(&practice.ana, "phone").await;
    let rule = practice.daily(&practice.ana, "14:00").await;
    let key = "SELECT wrapped FROM data_keys WHERE owner_kind = 'patient' AND owner_id = $1";
    let wrapped: Vec<u8> =
        app.query(key, vec![practice.ana.id.into()]).await[0].try_get("", "wrapped").unwrap();
    let put = async |wrapped: Vec<u8>| {
        let sql = "UPDATE data_keys SET wrapped = $1 WHERE owner_kind = 'patient' AND owner_id = $2";
        app.execute(sql, vec![wrapped.into(), practice.ana.id.into()]).await;
    };
    // As one would be that a newer key file has wrapped.
    put(wrapped.iter().map(|byte| !byte).collect()).await;
    practice.at("2026-11-22T14:00");
    let report = practice.tick().await;
    assert_eq!((report.suppressed, report.postponed), (0, 1));
    put(wrapped).await;
    app.clock.set(practice.first(&practice.ana, rule).await.next_attempt_at);
    assert_eq!(practice.tick().await.accepted, 1);
}
