//! Processes that come and go on one database: `serve`, `serve --no-worker` and `worker`.

use std::{sync::Arc, time::Duration};

use afterglow::{db::Engine, db::Writing, demo::receiver::Scripted, scheduler};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    child::{PATIENCE, Running},
    world::{World, run, soak},
};

#[test]
fn a_rolling_restart_loses_nothing_and_doubles_nothing() {
    run(Engine::Postgres, a_rolling_restart_loses_and_doubles_nothing);
}

#[test]
fn a_worker_apart_hears_what_another_process_wrote() {
    run(Engine::Postgres, a_worker_apart_hears_of_it);
}

#[test]
fn sigterm_gives_back_on_sqlite_what_was_not_begun() {
    run(Engine::Sqlite, sigterm_gives_back_what_was_not_begun);
}

#[test]
fn sigterm_gives_back_on_postgres_what_was_not_begun() {
    run(Engine::Postgres, sigterm_gives_back_what_was_not_begun);
}

async fn a_rolling_restart_loses_and_doubles_nothing(world: Arc<World>) {
    let (restarts, reminders) = soak((20, 5_000), (3, 600));
    world.fill(reminders).await;
    let mut old = Running::start(world.afterglow(&["serve"]));
    for restart in 1..=restarts {
        world.push.wait_for(restart * reminders / (restarts + 2), PATIENCE).await;
        let mut new = Running::start(world.afterglow(&["serve"]));
        new.address().await;
        old.signal("TERM");
        assert_eq!(old.ends_within(PATIENCE).await, Some(0), "{}", old.said());
        old = new;
    }
    world.accepted(reminders as u64).await;
    old.signal("TERM");
    assert_eq!(old.ends_within(PATIENCE).await, Some(0), "{}", old.said());
    assert_eq!(world.repetitions(reminders), 0);
    let ledger = world.ledger().await;
    assert_eq!(ledger.len(), 2 * reminders);
    assert!(ledger.iter().filter(|row| row.state == "accepted").all(|row| row.attempts == 1));
}

async fn a_worker_apart_hears_of_it(world: Arc<World>) {
    // It has nothing to do, and would look again only after the test has given up.
    let mut command = world.afterglow(&["worker"]);
    command.env("AFTERGLOW_SCHEDULER__POLL_SECONDS", "300");
    let mut worker = Running::start(command);
    let stop = CancellationToken::new();
    let announcing = tokio::spawn(scheduler::announce(world.app.clone(), stop.clone()));
    world.fill(1).await;
    world.accepted_while(1, || tell(&world)).await;
    stop.cancel();
    announcing.await.unwrap();
    worker.signal("TERM");
    assert_eq!(worker.ends_within(PATIENCE).await, Some(0), "{}", worker.said());
}

/// A write that plans something, as an API process without a worker does it.
async fn tell(world: &World) {
    let nobody =
        Writing { actor: Uuid::nil().into(), stream: Uuid::nil(), patient: None, request_id: "test" };
    world
        .app
        .db
        .write(&nobody, async |tx| {
            tx.wake_scheduler();
            Ok(())
        })
        .await
        .unwrap();
}

async fn sigterm_gives_back_what_was_not_begun(world: Arc<World>) {
    const PLACES: usize = 5;
    const REMINDERS: usize = 40;
    world.fill(REMINDERS).await;
    // They answer late, but in time: what is under way ends well, and what waits for a place is not begun.
    for number in 0..REMINDERS {
        let slow = Scripted::status(201).after(Duration::from_secs(3));
        world.push.respond_with(&format!("phone-{number}"), vec![slow]);
    }
    let mut command = world.afterglow(&["worker"]);
    command.env("AFTERGLOW_PUSH__PER_ORIGIN_CONCURRENCY", PLACES.to_string());
    let mut worker = Running::start(command);
    world.push.wait_for(PLACES, PATIENCE).await;
    worker.signal("TERM");
    assert_eq!(worker.ends_within(Duration::from_secs(20)).await, Some(0), "{}", worker.said());
    let sent = world.push.received().len();
    let ledger = world.ledger().await;
    assert_eq!(ledger.iter().filter(|row| row.state == "accepted").count(), sent, "{}", worker.said());
    assert!(sent < REMINDERS);
    let now = world.app.clock.now();
    let open: Vec<_> = ledger.iter().filter(|row| row.due_at <= now && row.state != "accepted").collect();
    assert_eq!(open.len(), REMINDERS - sent);
    for row in open {
        assert_eq!((row.state.as_str(), row.attempts, row.lease_until), ("planned", 0, None));
    }
}
