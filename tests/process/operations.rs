//! What operators ask: is something stuck, why did a reminder not come, and what is kept for how long.

use afterglow::scheduler::{self, Found};
use chrono::Duration;
use serde_json::json;

use crate::{
    harness::{TestApp, both_engines, id_of},
    practice::{Practice, status},
};

both_engines![
    the_watchdog_tells_waiting_from_stuck,
    a_notification_is_explained_without_a_word_of_the_patients,
    what_is_over_is_forgotten_when_it_is_old_and_not_before,
    a_patient_who_cannot_be_planned_holds_up_nobody_else,
];

async fn the_watchdog_tells_waiting_from_stuck(app: TestApp) {
    let practice = Practice::open(&app).await;
    practice.phone(&practice.ana, "phone").await;
    let rule = practice.daily(&practice.ana, "14:00").await;
    assert_eq!(scheduler::look(&app.state).await.unwrap(), Found::default());
    practice.at("2026-11-22T14:01");
    let waiting = Found { due: 1, ..Found::default() };
    assert_eq!(scheduler::look(&app.state).await.unwrap(), waiting, "a minute is no age");
    practice.at("2026-11-22T14:03");
    let stuck = Found { due: 1, overdue: 1, past_window: 0 };
    assert_eq!(scheduler::look(&app.state).await.unwrap(), stuck);
    // Claimed by a worker that then died: its lease, and what it was for, are over.
    let row = practice.first(&practice.ana, rule).await;
    let lease = row.expires_at + Duration::minutes(1);
    app.execute(
        "UPDATE notifications SET state = 'claimed', lease_until = $1, next_attempt_at = $1 WHERE id = $2",
        vec![lease.into(), row.id.0.into()],
    )
    .await;
    app.clock.set(row.expires_at + Duration::minutes(5));
    let past = Found { due: 1, overdue: 1, past_window: 1 };
    assert_eq!(scheduler::look(&app.state).await.unwrap(), past);
    while practice.tick().await.claimed > 0 {}
    assert_eq!(scheduler::look(&app.state).await.unwrap(), Found::default());
}

async fn a_notification_is_explained_without_a_word_of_the_patients(app: TestApp) {
    let practice = Practice::open(&app).await;
    let body = json!({"category": "mindfulness", "schedule": {"kind": "daily", "time": "14:00"},
        "title": "Quillwort", "body": "Breathe by the quillwort pond"});
    let rule = id_of(&practice.ana.post("/v1/reminders", &body).await.expect(201)).parse().unwrap();
    let id = practice.first(&practice.ana, rule).await.id;
    let story = scheduler::explain(&app.state, id).await.unwrap();
    assert!(story.contains("planned: it waits until it is due"), "{story}");
    assert!(story.contains("2026-11-22 13:00:00 UTC"), "{story}");
    assert!(story.contains("it would wait until 2026-11-22 13:00:00 UTC"), "{story}");
    practice.at("2026-11-22T14:00");
    let story = scheduler::explain(&app.state, id).await.unwrap();
    assert!(story.contains("it would be suppressed (no_device)"), "{story}");
    practice.phone(&practice.ana, "phone").await;
    let story = scheduler::explain(&app.state, id).await.unwrap();
    assert!(story.contains("it would be sent"), "{story}");
    practice.push.respond_with("phone", vec![status(410)]);
    practice.tick().await;
    let story = scheduler::explain(&app.state, id).await.unwrap();
    for part in ["suppressed: no device was subscribed", "said gone (410) at attempt 1", "last failure gone"]
    {
        assert!(story.contains(part), "{part}: {story}");
    }
    assert!(!story.to_lowercase().contains("quillwort"), "{story}");
    assert!(scheduler::explain(&app.state, app.state.random.uuid_v7(app.now()).into()).await.is_err());
}

async fn what_is_over_is_forgotten_when_it_is_old_and_not_before(app: TestApp) {
    let practice = Practice::open(&app).await;
    practice.phone(&practice.ana, "phone").await;
    let rule = practice.daily(&practice.ana, "14:00").await;
    practice.at("2026-11-22T14:00");
    practice.tick().await;
    let kept = Duration::days(app.state.config.scheduler.ledger_days);
    let due = app.now();
    app.clock.set(due + kept);
    assert_eq!(scheduler::forget_old(&app.state).await.unwrap(), 0);
    app.advance(Duration::seconds(1));
    assert_eq!(scheduler::forget_old(&app.state).await.unwrap(), 1);
    assert_eq!(app.count("deliveries").await, 0);
    // What is still open stays, however old: it has not ended yet.
    app.clock.set(due + kept + kept);
    assert_eq!(scheduler::forget_old(&app.state).await.unwrap(), 0);
    let rows = practice.rows_of(&practice.ana, rule).await;
    assert_eq!(rows.iter().map(|row| row.state.as_str()).collect::<Vec<_>>(), ["planned"]);
}

async fn a_patient_who_cannot_be_planned_holds_up_nobody_else(app: TestApp) {
    let practice = Practice::open(&app).await;
    let eva = app.patient_of(&practice.bo, "eva").await;
    for patient in [&practice.ana, &eva] {
        practice.daily(patient, "14:00").await;
    }
    app.execute("DELETE FROM notifications", vec![]).await;
    let broken = "UPDATE reminders SET recurrence = 'no rule' WHERE patient_id = $1";
    app.execute(broken, vec![practice.ana.id.into()]).await;
    scheduler::sweep(&app.state).await.unwrap();
    assert_eq!(practice.rows(&eva).await.len(), 1);
}
