//! Several workers on one PostgreSQL.

use std::{sync::Arc, time::Duration};

use afterglow::{db::Engine, demo::receiver::Scripted};

use crate::{
    child::{PATIENCE, Running},
    world::{World, run, soak},
};

#[test]
fn three_workers_on_one_database_deliver_each_reminder_once() {
    run(Engine::Postgres, three_workers_deliver_each_once);
}

#[test]
fn a_worker_that_was_frozen_past_its_lease_changes_nothing() {
    run(Engine::Postgres, a_frozen_worker_changes_nothing);
}

async fn three_workers_deliver_each_once(world: Arc<World>) {
    let reminders = soak(5_000, 600);
    world.fill(reminders).await;
    let mut workers = [(); 3].map(|()| Running::start(world.afterglow(&["worker"])));
    world.accepted(reminders as u64).await;
    for worker in &mut workers {
        worker.signal("TERM");
        assert_eq!(worker.ends_within(PATIENCE).await, Some(0), "{}", worker.said());
    }
    assert_eq!(world.push.received().len(), reminders);
    assert_eq!(world.repetitions(reminders), 0);
    let ledger = world.ledger().await;
    assert!(ledger.iter().filter(|row| row.state == "accepted").all(|row| row.attempts == 1));
    assert_eq!(ledger.len(), 2 * reminders);
}

async fn a_frozen_worker_changes_nothing(world: Arc<World>) {
    // No more than are under way at a service that has not answered yet.
    const PHONES: usize = 6;
    world.fill(PHONES).await;
    // The first worker cannot record anything before it is frozen, because every phone lets it wait.
    for number in 0..PHONES {
        let slow = Scripted::status(201).after(Duration::from_secs(5));
        world.push.respond_with(&format!("phone-{number}"), vec![slow]);
    }
    let mut frozen = Running::start(world.afterglow(&["worker"]));
    assert_eq!(world.push.wait_for(PHONES, PATIENCE).await.len(), PHONES, "{}", frozen.said());
    frozen.signal("STOP");
    let mut other = Running::start(world.afterglow(&["worker"]));
    world.accepted(PHONES as u64).await;
    other.signal("TERM");
    assert_eq!(other.ends_within(PATIENCE).await, Some(0), "{}", other.said());
    let (ledger, devices) = (world.ledger().await, world.delivered().await);
    assert!(ledger.iter().filter(|row| row.state == "accepted").all(|row| row.fence == 2));
    assert_eq!(world.repetitions(PHONES), PHONES);
    frozen.signal("CONT");
    // It ends what it had under way first: what it still wanted to record has then been refused.
    frozen.signal("TERM");
    assert_eq!(frozen.ends_within(PATIENCE).await, Some(0), "{}", frozen.said());
    assert_eq!(world.ledger().await, ledger);
    assert_eq!(world.delivered().await, devices);
}
