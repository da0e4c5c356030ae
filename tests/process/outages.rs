//! Push services that hang or refuse, and a database that goes away while reminders are sent.

use std::sync::Arc;

use afterglow::{
    db::Engine,
    demo::receiver::{PushReceiver, Scripted},
};
use entity::notifications;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};

use crate::{
    child::{PATIENCE, Running, eventually, pause},
    harness::Store,
    world::{UNDER_WAY, World, run, run_on, soak},
};

#[test]
fn push_services_that_hang_or_refuse_hold_up_only_their_own_on_sqlite() {
    run(Engine::Sqlite, bad_services_hold_up_only_their_own);
}

#[test]
fn push_services_that_hang_or_refuse_hold_up_only_their_own_on_postgres() {
    run(Engine::Postgres, bad_services_hold_up_only_their_own);
}

#[test]
fn many_dead_push_services_do_not_take_every_place() {
    run(Engine::Sqlite, many_dead_services_leave_room);
}

#[test]
fn a_database_that_went_away_under_load_needs_no_restart_of_ours() {
    run(Engine::Postgres, a_database_that_went_away_needs_no_restart);
}

#[test]
fn a_database_that_is_restarted_under_load_needs_no_restart_of_ours() {
    run_on(Store::apart(), a_restarted_database_needs_no_restart);
}

async fn bad_services_hold_up_only_their_own(world: Arc<World>) {
    // A third of the phones, and the first in the queue: more than can be under way at once.
    let (bad, all) = soak((1_500, 5_000), (270, 900));
    let (hanging, refusing) = (PushReceiver::start().await.unwrap(), PushReceiver::start().await.unwrap());
    world.fill_at(&hanging, 0..bad / 3 * 2).await;
    world.fill_at(&refusing, bad / 3 * 2..bad).await;
    world.fill_at(&world.push, bad..all).await;
    for number in 0..bad {
        let name = format!("phone-{number}");
        hanging.respond_with(&name, vec![Scripted::hang(); 50]);
        let status = [429, 500][number % 2];
        refusing.respond_with(&name, vec![Scripted::status(status); 50]);
    }
    let mut command = world.afterglow(&["worker"]);
    command.env("AFTERGLOW_PUSH__PER_ORIGIN_CONCURRENCY", "16");
    let mut worker = Running::start(command);
    let good = (all - bad) as u64;
    world.accepted(good).await;
    let ledger = world.ledger().await;
    // Nobody behind a good service was tried twice or waited for a bad one: of those that hang, most had no turn yet.
    let accepted = ledger.iter().filter(|row| row.state == "accepted");
    assert!(accepted.clone().all(|row| row.attempts == 1) && accepted.count() as u64 == good);
    assert_eq!(world.push.received().len() as u64, good);
    let tried = hanging.received().len();
    assert!(tried < bad / 3, "{tried} of {} were tried at the service that hangs", bad / 3 * 2);
    assert!(!refusing.received().is_empty(), "the one that refuses was asked");
    worker.signal("TERM");
    assert_eq!(worker.ends_within(PATIENCE).await, Some(0), "{}", worker.said());
    let left = notifications::Entity::find()
        .filter(notifications::Column::State.eq("claimed"))
        .count(world.app.db.reader())
        .await
        .unwrap();
    assert_eq!(left, 0, "what was not sent was given back");
}

/// More dead services than could each hold a batch of what may be under way at once, all due before the others.
async fn many_dead_services_leave_room(world: Arc<World>) {
    const DEAD: usize = 5;
    const EACH: usize = 60;
    let good = 300;
    let mut dead = Vec::with_capacity(DEAD);
    for number in 0..DEAD {
        let (service, phones) = (PushReceiver::start().await.unwrap(), number * EACH..(number + 1) * EACH);
        world.fill_at(&service, phones.clone()).await;
        phones.for_each(|phone| service.respond_with(&format!("phone-{phone}"), vec![Scripted::hang(); 50]));
        dead.push(service);
    }
    world.fill_at(&world.push, DEAD * EACH..DEAD * EACH + good).await;
    let mut worker = Running::start(world.afterglow(&["worker"]));
    world.accepted(good as u64).await;
    // An eighth of a batch at each, and again after each ten seconds of silence. Without that they hold all there is.
    let tried: usize = dead.iter().map(|service| service.received().len()).sum();
    assert!((DEAD..UNDER_WAY * 2 / 3).contains(&tried), "{tried} were tried at services that are dead");
    worker.signal("TERM");
    assert_eq!(worker.ends_within(PATIENCE).await, Some(0), "{}", worker.said());
}

async fn a_database_that_went_away_needs_no_restart(world: Arc<World>) {
    let (cuts, reminders) = soak((10, 5_000), (2, 600));
    world.fill(reminders).await;
    let worker = Running::start(world.afterglow(&["worker"]));
    for cut in 1..=cuts {
        world.push.wait_for(cut * reminders / (cuts + 2), PATIENCE).await;
        world.store.cut_off().await;
        for _ in 0..50 {
            pause().await;
        }
        world.store.restore().await;
    }
    all_came_once(&world, reminders, worker).await;
}

async fn a_restarted_database_needs_no_restart(world: Arc<World>) {
    let (restarts, reminders) = soak((10, 5_000), (3, 900));
    world.fill(reminders).await;
    let worker = Running::start(world.afterglow(&["worker"]));
    for restart in 1..=restarts {
        world.push.wait_for(restart * reminders / (restarts + 2), PATIENCE).await;
        // In turn: as an administrator does it, and as a machine without power does.
        let mode = ["fast", "immediate"][restart % 2];
        let restarted = world.clone();
        tokio::task::spawn_blocking(move || restarted.store.restart(mode)).await.unwrap();
    }
    all_came_once(&world, reminders, worker).await;
}

/// Every reminder was accepted and recorded, and none was sent twice: what had been sent was kept until the database
/// was back.
async fn all_came_once(world: &World, reminders: usize, mut worker: Running) {
    // This test's own connections were ended too.
    eventually("our own connection is back", || async {
        notifications::Entity::find().count(world.app.db.reader()).await.ok()
    })
    .await;
    world.accepted(reminders as u64).await;
    let ledger = world.ledger().await;
    assert_eq!(ledger.len(), 2 * reminders, "each rule has planned its next occurrence, and only that");
    assert_eq!(world.repetitions(reminders), 0, "what was sent was recorded once the database was back");
    worker.signal("TERM");
    assert_eq!(worker.ends_within(PATIENCE).await, Some(0), "{}", worker.said());
}
