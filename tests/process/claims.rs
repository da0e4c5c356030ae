//! What the order of a claim, its bound and its fence protect, also while another worker still holds what was claimed.

use afterglow::{db::Engine, scheduler};
use sea_orm::{ConnectionTrait, Statement, TransactionTrait};
use serde_json::json;

use crate::{
    child::eventually,
    harness::{TestApp, both_engines},
    practice::{Gate, Overslept, Practice, end, local, register},
};

both_engines![
    the_earliest_are_claimed_first_and_no_more_than_fit,
    a_late_record_leaves_alone_what_another_worker_holds,
    the_cap_holds_within_a_batch_and_across_two,
    a_plan_changed_after_the_claim_leaves_it_to_its_worker,
];

async fn the_earliest_are_claimed_first_and_no_more_than_fit(app: TestApp) {
    let practice = Practice::open(&app).await;
    let mut rules = Vec::new();
    for (name, time) in [("eva", "14:02"), ("fay", "14:00"), ("gil", "14:01")] {
        let patient = app.patient_of(&practice.bo, name).await;
        practice.phone(&patient, name).await;
        let rule = practice.daily(&patient, time).await;
        rules.push((patient, rule));
    }
    practice.at("2026-11-22T15:00");
    assert_eq!(scheduler::tick_of(&app.state, 2).await.unwrap().accepted, 2);
    let mut states = Vec::new();
    for (patient, rule) in &rules {
        states.push(practice.first(patient, *rule).await.state);
    }
    assert_eq!(states, ["planned", "accepted", "accepted"], "the last one is still to come");
}

async fn a_late_record_leaves_alone_what_another_worker_holds(app: TestApp) {
    let practice = Practice::open(&app).await;
    let mut gate = Gate::open().await;
    let phone = register(&practice.ana, &gate.device(&practice.push)).await;
    let rule = practice.daily(&practice.ana, "14:00").await;
    practice.at("2026-11-22T14:00");
    let Overslept { sleepy, sleeping, slow, other, fast } = Overslept::at(&mut gate, &app).await;
    // The first one says that the device is gone while the second still waits for its answer.
    slow.answer(410);
    assert_eq!(sleeping.await.unwrap().suppressed, 0, "it was no longer its to end");
    let rows = practice.rows_of(&practice.ana, rule).await;
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].state.as_str(), rows[0].fence), ("claimed", 2));
    assert_eq!(practice.deliveries(&rows[0]).await.len(), 0);
    assert_eq!(practice.device(&practice.ana, phone).await.state, "active");
    fast.answer(201);
    assert_eq!(other.await.unwrap().accepted, 1);
    sleepy.db.clone().close().await.unwrap();
}

async fn the_cap_holds_within_a_batch_and_across_two(app: TestApp) {
    let practice = Practice::open(&app).await;
    let mut gate = Gate::open().await;
    register(&practice.ana, &gate.device(&practice.push)).await;
    for time in ["14:00", "14:01", "14:02"] {
        practice.daily(&practice.ana, time).await;
    }
    practice.at("2026-11-22T14:10");
    let tick = |most| {
        let state = app.state.clone();
        tokio::spawn(async move { scheduler::tick_of(&state, most).await.unwrap() })
    };
    // Two are under way and not recorded when the third is judged.
    let (first, one) = (tick(1), gate.next().await);
    let (second, two) = (tick(1), gate.next().await);
    let third = tick(1).await.unwrap();
    assert_eq!((third.accepted, third.suppressed), (0, 1));
    one.answer(201);
    two.answer(201);
    assert_eq!((first.await.unwrap().accepted, second.await.unwrap().accepted), (1, 1));
    practice.at("2026-11-23T14:10");
    let all = tick(10);
    gate.next().await.answer(201);
    gate.next().await.answer(201);
    let all = all.await.unwrap();
    assert_eq!((all.accepted, all.suppressed), (2, 1));
}

async fn a_plan_changed_after_the_claim_leaves_it_to_its_worker(app: TestApp) {
    let practice = Practice::open(&app).await;
    let mut gate = Gate::open().await;
    register(&practice.ana, &gate.device(&practice.push)).await;
    let session = practice.bo.schedule(&practice.ana, "integration", local("2026-11-23T14:00")).await;
    let id = crate::harness::id_of(&session);
    practice.at("2026-11-22T18:00");
    let state = app.state.clone();
    let sending = tokio::spawn(async move { scheduler::tick(&state).await.unwrap() });
    let attempt = gate.next().await;
    // Planned anew, and cancelled, while it is on its way.
    practice.ana.patch("/v1/me/delivery-policy", 1, &json!({"daily_cap": 6})).await.expect(200);
    let version = session["version"].as_i64().unwrap();
    practice.bo.step(&format!("/v1/sessions/{id}/cancel"), version).await.expect(200);
    let row = practice.first(&practice.ana, id.parse().unwrap()).await;
    assert_eq!((row.state.as_str(), row.fence), ("claimed", 1));
    attempt.answer(201);
    assert_eq!(sending.await.unwrap().accepted, 1);
    assert_eq!(end(&practice.first(&practice.ana, id.parse().unwrap()).await), ("accepted", ""));
}

#[test]
fn what_a_worker_claims_while_it_is_planned_anew_stays_claimed() {
    // Only PostgreSQL lets a claim come between what a plan reads and what it writes.
    crate::harness::run(Engine::Postgres, async |app: TestApp| {
        let practice = Practice::open(&app).await;
        let rule = practice.daily(&practice.ana, "14:00").await;
        let row = practice.first(&practice.ana, rule).await;
        let claim = app.conn().begin().await.unwrap();
        let sql = "UPDATE notifications SET state = 'claimed', fence = fence + 1 WHERE id = $1";
        let backend = claim.get_database_backend();
        claim.execute_raw(Statement::from_sql_and_values(backend, sql, [row.id.0.into()])).await.unwrap();
        // The plan has read that it waits, and its write now waits for the claim.
        let path = format!("/v1/reminders/{rule}");
        let deleting = practice.ana.delete_at(&path, 1);
        let claiming = async {
            let waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
                         AND datname = current_database() AND query LIKE 'UPDATE notifications%'";
            eventually("the plan waits for the claim", || async {
                (!app.query(waits, vec![]).await.is_empty()).then_some(())
            })
            .await;
            claim.commit().await.unwrap();
        };
        let (deleted, ()) = tokio::join!(deleting, claiming);
        deleted.expect(204);
        let row = practice.first(&practice.ana, rule).await;
        assert_eq!((row.state.as_str(), row.fence), ("claimed", 1));
    });
}
