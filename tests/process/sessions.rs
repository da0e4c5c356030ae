//! Sessions that move or fall out between planning and sending.

use afterglow::{reminders::rules::localtime::Zone, scheduler};
use chrono::{DateTime, Duration, Utc};
use entity::notifications;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    harness::{TestApp, both_engines, id_of},
    practice::{Practice, ZONE, end, flaws, is_open, local, nothing_of},
};

both_engines![
    a_cancelled_session_takes_its_reminders_with_it,
    a_session_cancelled_after_the_claim_is_not_reminded_of,
    a_session_moved_after_the_claim_is_not_reminded_of,
    nobody_is_reminded_of_a_session_after_care_has_ended,
    a_move_to_another_day_cancels_the_old_reminders_and_sends_the_new_ones_in_full,
    a_small_shift_sends_nothing_twice,
    a_follow_up_waits_for_the_recorded_end_and_then_comes,
    a_session_that_nobody_recorded_is_asked_for_once,
];

/// An integration session on Wednesday at two, with its reminders: one the evening before, one two hours before.
async fn scheduled(app: &TestApp) -> (Practice, Uuid, Value) {
    let practice = Practice::open(app).await;
    practice.phone(&practice.ana, "phone").await;
    let session = practice.bo.schedule(&practice.ana, "integration", local("2026-11-25T14:00")).await;
    let id = id_of(&session).parse().unwrap();
    (practice, id, session)
}

/// Templates and local times of what was sent.
fn told(sent: &[notifications::Model]) -> Vec<(String, String)> {
    let zone = Zone::parse(ZONE).unwrap();
    let time = |at: DateTime<Utc>| zone.local(at).strftime("%a %H:%M").to_string();
    let line =
        |row: &notifications::Model| (row.template_id.clone().unwrap(), time(row.accepted_at.unwrap()));
    sent.iter().map(line).collect()
}

fn lines(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(template, time)| ((*template).to_owned(), (*time).to_owned())).collect()
}

async fn a_cancelled_session_takes_its_reminders_with_it(app: TestApp) {
    let (practice, id, session) = scheduled(&app).await;
    let version = session["version"].as_i64().unwrap();
    practice.bo.step(&format!("/v1/sessions/{id}/cancel"), version).await.expect(200);
    nothing_of(&practice.live_until(&practice.ana, local("2026-12-10T12:00")).await);
    assert_eq!(practice.push.received().len(), 0);
    let rows = practice.rows_of(&practice.ana, id).await;
    assert!(rows.len() >= 4);
    for row in &rows {
        assert_eq!(end(row), ("cancelled", "session_cancelled"));
    }
}

/// Changes what the reminder hangs on past the planner, as a race with the claim would; then ticks at its time.
async fn raced(practice: &Practice, id: Uuid, change: &str, of: Uuid) -> (String, String) {
    practice.app.execute(change, vec![of.into()]).await;
    practice.at("2026-11-24T18:00");
    let report = practice.tick().await;
    assert_eq!((report.claimed, report.accepted), (1, 0));
    assert_eq!(practice.push.received().len(), 0);
    let row = practice.first(&practice.ana, id).await;
    let (state, reason) = end(&row);
    (state.to_owned(), reason.to_owned())
}

async fn a_session_cancelled_after_the_claim_is_not_reminded_of(app: TestApp) {
    let (practice, id, _) = scheduled(&app).await;
    let ended = raced(&practice, id, "UPDATE sessions SET state = 'cancelled' WHERE id = $1", id).await;
    assert_eq!(ended, ("cancelled".into(), "session_cancelled".into()));
}

async fn a_session_moved_after_the_claim_is_not_reminded_of(app: TestApp) {
    let (practice, id, _) = scheduled(&app).await;
    let ended = raced(&practice, id, "UPDATE sessions SET placement = placement + 1 WHERE id = $1", id).await;
    assert_eq!(ended, ("cancelled".into(), "session_moved".into()));
}

async fn nobody_is_reminded_of_a_session_after_care_has_ended(app: TestApp) {
    let (practice, id, _) = scheduled(&app).await;
    let change = "UPDATE care_relations SET ended_at = started_at WHERE patient_id = $1";
    let ended = raced(&practice, id, change, practice.ana.id).await;
    assert_eq!(ended, ("suppressed".into(), "care_ended".into()));
}

async fn moved(practice: &Practice, session: &Value, to: &str) -> Value {
    let path = format!("/v1/sessions/{}", id_of(session));
    let body = json!({"starts_at": local(to).to_rfc3339()});
    practice.bo.patch(&path, session["version"].as_i64().unwrap(), &body).await.expect(200)
}

async fn a_move_to_another_day_cancels_the_old_reminders_and_sends_the_new_ones_in_full(app: TestApp) {
    let (practice, id, session) = scheduled(&app).await;
    let sent = practice.live_until(&practice.ana, local("2026-11-24T20:00")).await;
    assert_eq!(told(&sent), lines(&[("integration-tomorrow", "Tue 18:00")]));
    moved(&practice, &session, "2026-11-27T14:00").await;
    let rows = practice.rows_of(&practice.ana, id).await;
    let (old, new): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.slot.ends_with(":0"));
    let (sent, unsent): (Vec<_>, Vec<_>) = old.into_iter().partition(|row| row.state == "accepted");
    assert_eq!(sent.len(), 1);
    assert!(!unsent.is_empty() && unsent.iter().all(|row| end(row) == ("cancelled", "session_moved")));
    assert_eq!(new.len(), sent.len() + unsent.len());
    assert!(new.iter().all(|row| is_open(row)));
    let sent = practice.live_until(&practice.ana, local("2026-11-27T14:00")).await;
    let expected = [("integration-tomorrow", "Thu 18:00"), ("session-soon", "Fri 12:00")];
    assert_eq!(told(&sent), lines(&expected));
    assert_eq!(practice.push.received().len(), 3);
}

async fn a_small_shift_sends_nothing_twice(app: TestApp) {
    let (practice, id, session) = scheduled(&app).await;
    let sent = practice.live_until(&practice.ana, local("2026-11-24T20:00")).await;
    assert_eq!(told(&sent), lines(&[("integration-tomorrow", "Tue 18:00")]));
    let before = practice.rows_of(&practice.ana, id).await.len();
    let session = moved(&practice, &session, "2026-11-25T16:00").await;
    assert_eq!(practice.rows_of(&practice.ana, id).await.len(), before);
    let sent = practice.live_until(&practice.ana, local("2026-11-25T15:00")).await;
    assert_eq!(told(&sent), lines(&[("session-soon", "Wed 14:00")]));
    // Half an hour more, after even that was sent.
    moved(&practice, &session, "2026-11-25T16:30").await;
    nothing_of(&practice.live_until(&practice.ana, local("2026-11-25T16:30")).await);
    assert_eq!(practice.push.received().len(), 2);
}

async fn a_follow_up_waits_for_the_recorded_end_and_then_comes(app: TestApp) {
    let (practice, id, session) = scheduled(&app).await;
    practice.at("2026-11-25T18:00");
    let report = practice.tick().await;
    assert_eq!((report.accepted, report.postponed), (0, 1));
    practice.at("2026-11-25T18:10");
    let version = session["version"].as_i64().unwrap();
    practice.bo.step(&format!("/v1/sessions/{id}/complete"), version).await.expect(200);
    let sent = practice.live_until(&practice.ana, local("2026-11-25T23:00")).await;
    assert_eq!(told(&sent), lines(&[("integration-step", "Wed 18:10")]));
}

async fn a_session_that_nobody_recorded_is_asked_for_once(app: TestApp) {
    let (practice, id, session) = scheduled(&app).await;
    practice.phone(&practice.bo, "desk").await;
    let asked = async || {
        scheduler::sweep(&app.state).await.unwrap();
        while practice.tick().await.claimed > 0 {}
        practice.push.received().into_iter().filter(|push| push.device == "desk").collect::<Vec<_>>()
    };
    let roster = async || practice.bo.get("/v1/patients").await.expect(200)["items"][0].clone();
    let ends_at = local("2026-11-25T15:00");
    assert_eq!(session["ends_at"], json!(ends_at));
    app.clock.set(ends_at + Duration::minutes(119));
    assert_eq!(asked().await.len(), 0);
    assert_eq!(roster().await.get("unrecorded_sessions"), None);
    app.clock.set(ends_at + Duration::minutes(120));
    let pushes = asked().await;
    assert_eq!(pushes.len(), 1);
    let text = pushes[0].plaintext_json.to_string();
    assert!(flaws(&pushes[0]).is_empty() && !text.contains("Ana") && !text.contains("session"), "{text}");
    let shown = roster().await["unrecorded_sessions"][0].clone();
    assert_eq!((shown["id"].as_str(), shown["state"].as_str()), (Some(&*id.to_string()), Some("planned")));
    app.advance(Duration::hours(3));
    assert_eq!(asked().await.len(), 1, "once");
    // A click after that says that it took place, not when it ended.
    let path = format!("/v1/sessions/{id}/complete");
    let done = practice.bo.step(&path, session["version"].as_i64().unwrap()).await.expect(200);
    assert_eq!(done["ended_at"], json!(ends_at));
    assert_eq!(roster().await.get("unrecorded_sessions"), None);
}
