//! Several workers on one PostgreSQL.

use std::sync::Arc;

use afterglow::{db::Engine, demo::receiver::Scripted};

use crate::{
    child::{PATIENCE, Running},
    world::{BATCH, World, run},
};

#[test]
fn two_workers_on_one_database_deliver_each_reminder_once() {
    run(Engine::Postgres, two_workers_deliver_each_once);
}

#[test]
fn a_worker_that_was_frozen_past_its_lease_changes_nothing() {
    run(Engine::Postgres, a_frozen_worker_changes_nothing);
}

async fn two_workers_deliver_each_once(world: Arc<World>) {
    const REMINDERS: usize = 300;
    world.fill(REMINDERS).await;
    let mut workers = [(); 2].map(|()| Running::start(world.afterglow(&["worker"])));
    world.accepted(REMINDERS as u64).await;
    for worker in &mut workers {
        worker.signal("TERM");
        assert_eq!(worker.ends_within(PATIENCE).await, Some(0), "{}", worker.said());
    }
    assert_eq!(world.push.received().len(), REMINDERS);
    assert_eq!(world.repetitions(REMINDERS), 0);
    let ledger = world.ledger().await;
    assert!(ledger.iter().filter(|row| row.state == "accepted").all(|row| row.attempts == 1));
    assert_eq!(ledger.len(), 2 * REMINDERS);
}

async fn a_frozen_worker_changes_nothing(world: Arc<World>) {
    world.fill(BATCH).await;
    // The first worker cannot end its batch, because one phone does not answer it.
    world.push.respond_with("phone-20", vec![Scripted::hang()]);
    let mut frozen = Running::start(world.afterglow(&["worker"]));
    assert_eq!(world.push.wait_for(BATCH, PATIENCE).await.len(), BATCH, "{}", frozen.said());
    frozen.signal("STOP");
    let mut other = Running::start(world.afterglow(&["worker"]));
    world.accepted(BATCH as u64).await;
    other.signal("TERM");
    assert_eq!(other.ends_within(PATIENCE).await, Some(0), "{}", other.said());
    let (ledger, devices) = (world.ledger().await, world.delivered().await);
    assert!(ledger.iter().filter(|row| row.state == "accepted").all(|row| row.fence == 2));
    assert_eq!(world.repetitions(BATCH), BATCH);
    frozen.signal("CONT");
    // It ends its batch first: what it still wanted to record has then been refused.
    frozen.signal("TERM");
    assert_eq!(frozen.ends_within(PATIENCE).await, Some(0), "{}", frozen.said());
    assert_eq!(world.ledger().await, ledger);
    assert_eq!(world.delivered().await, devices);
}
