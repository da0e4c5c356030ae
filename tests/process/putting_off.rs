//! What was put off: how often, until when, and what is asked about it again when it is sent.

use chrono::{DateTime, Duration, Utc};
use entity::notifications;
use serde_json::json;
use uuid::Uuid;

use crate::{
    harness::{TestApp, both_engines, id_of},
    practice::{Practice, end, local},
};

both_engines![
    nothing_is_put_off_for_ever,
    what_was_put_off_is_of_no_use_at_the_start,
    what_was_put_off_is_no_part_of_the_cap,
    what_was_put_off_ends_with_the_session_or_rule_it_came_from,
];

/// An integration session tomorrow at two, of which the evening reminder has been sent at six.
async fn reminded(app: &TestApp) -> (Practice, Uuid, notifications::Model) {
    let practice = Practice::open(app).await;
    practice.phone(&practice.ana, "phone").await;
    let starts_at = local("2026-11-23T14:00");
    let session = id_of(&practice.bo.schedule(&practice.ana, "integration", starts_at).await);
    let mut sent = practice.live_until(&practice.ana, local("2026-11-22T18:00")).await;
    assert_eq!(sent.len(), 1);
    (practice, session.parse().unwrap(), sent.remove(0))
}

async fn put_off(practice: &Practice, row: &notifications::Model, wait: &str) -> Uuid {
    let path = format!("/v1/notifications/{}/snooze", row.id);
    id_of(&practice.ana.post(&path, &json!({"for": wait})).await.expect(201)).parse().unwrap()
}

async fn found(practice: &Practice, id: Uuid) -> notifications::Model {
    let rows = practice.rows(&practice.ana).await;
    rows.into_iter().find(|row| row.id.0 == id).unwrap()
}

async fn nothing_is_put_off_for_ever(app: TestApp) {
    let (practice, _, row) = reminded(&app).await;
    for _ in 0..10 {
        put_off(&practice, &row, "PT30M").await;
    }
    let path = format!("/v1/notifications/{}/snooze", row.id);
    practice.ana.post(&path, &json!({"for": "PT30M"})).await.refused(409, "snoozed_too_often");
}

async fn what_was_put_off_is_of_no_use_at_the_start(app: TestApp) {
    let (practice, _, row) = reminded(&app).await;
    practice.at("2026-11-23T12:00");
    practice.tick().await;
    let later = put_off(&practice, &row, "PT30M").await;
    let planned = found(&practice, later).await;
    assert_eq!((planned.due_at, planned.expires_at), (local("2026-11-23T12:30"), local("2026-11-23T14:00")));
    practice.at("2026-11-23T14:00");
    assert_eq!(practice.tick().await.accepted, 0);
    assert_eq!(end(&found(&practice, later).await).0, "expired");
}

async fn what_was_put_off_is_no_part_of_the_cap(app: TestApp) {
    let (practice, _, row) = reminded(&app).await;
    practice.at("2026-11-22T20:30");
    // In the night it would disturb: it comes in the morning, on the day of the next reminder.
    put_off(&practice, &row, "PT2H").await;
    practice.ana.patch("/v1/me/delivery-policy", 1, &json!({"daily_cap": 1})).await.expect(200);
    let sent = practice.live_until(&practice.ana, local("2026-11-23T12:10")).await;
    let times: Vec<DateTime<Utc>> = sent.iter().filter_map(|row| row.accepted_at).collect();
    assert_eq!(times, [local("2026-11-23T08:00"), local("2026-11-23T12:00")]);
    // The day is full, and yet what the patient asks for comes.
    put_off(&practice, &sent[1], "PT30M").await;
    let sent = practice.live_until(&practice.ana, local("2026-11-23T13:00")).await;
    assert_eq!(sent.len(), 1);
}

/// Changes something past the planner, and ticks when what was put off is due.
async fn asked_again(practice: &Practice, later: Uuid, change: &str, of: Uuid) -> (String, String) {
    practice.app.execute(change, vec![of.into()]).await;
    practice.app.clock.set(found(practice, later).await.due_at);
    assert_eq!(practice.tick().await.accepted, 0);
    let row = found(practice, later).await;
    let (state, reason) = end(&row);
    (state.to_owned(), reason.to_owned())
}

async fn what_was_put_off_ends_with_the_session_or_rule_it_came_from(app: TestApp) {
    let (practice, session, row) = reminded(&app).await;
    let rule = practice.daily(&practice.ana, "18:30").await;
    practice.live_until(&practice.ana, local("2026-11-22T18:30")).await;
    let prompt = practice.first(&practice.ana, rule).await;
    let later = put_off(&practice, &prompt, "PT30M").await;
    let off = "UPDATE reminders SET active = false WHERE id = $1";
    assert_eq!(asked_again(&practice, later, off, rule).await, ("cancelled".into(), "superseded".into()));
    let later = put_off(&practice, &row, "PT30M").await;
    let care = "UPDATE care_relations SET ended_at = started_at WHERE patient_id = $1";
    let ended = asked_again(&practice, later, care, practice.ana.id).await;
    assert_eq!(ended, ("suppressed".into(), "care_ended".into()));
    app.execute("UPDATE care_relations SET ended_at = NULL", vec![]).await;
    app.advance(Duration::minutes(1));
    let later = put_off(&practice, &row, "PT30M").await;
    let cancelled = "UPDATE sessions SET state = 'cancelled' WHERE id = $1";
    let ended = asked_again(&practice, later, cancelled, session).await;
    assert_eq!(ended, ("cancelled".into(), "session_cancelled".into()));
}
