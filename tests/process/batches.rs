//! What a batch costs the database does not grow with the batch.

use std::sync::Arc;

use afterglow::{db::Engine, demo::receiver::Scripted, scheduler::tick_of};

use crate::{
    harness::counted,
    world::{World, run},
};

#[test]
fn a_batch_of_a_thousand_takes_as_many_statements_as_one_of_ten_on_sqlite() {
    run(Engine::Sqlite, a_large_batch_takes_no_more_statements);
}

#[test]
fn a_batch_of_a_thousand_takes_as_many_statements_as_one_of_ten_on_postgres() {
    run(Engine::Postgres, a_large_batch_takes_no_more_statements);
}

async fn a_large_batch_takes_no_more_statements(world: Arc<World>) {
    world.fill(1_010).await;
    // In both batches one of every five is gone, and one of every five has to be tried again, each at its own time.
    for number in 0..1_010 {
        let status = [410, 503, 201, 201, 201][number % 5];
        world.push.respond_with(&format!("phone-{number}"), vec![Scripted::status(status)]);
    }
    let mut counts = Vec::new();
    for most in [10, 1_000] {
        let (report, count) = counted(tick_of(&world.app, most)).await;
        let size = most as usize;
        let report = report.unwrap();
        assert_eq!(report.claimed, size);
        // On a slow machine some find no place at their push service in time.
        assert!(report.accepted > 0 && report.suppressed > 0 && report.retrying > 0, "{report:?}");
        counts.push(count);
    }
    println!("{} statements a batch", counts[0]);
    assert_eq!(counts[0], counts[1]);
    assert!(counts[0] > 5, "they were counted");
}
