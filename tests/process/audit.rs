//! What whoever runs `afterglow audit verify` from a timer relies on.

use std::sync::Arc;

use afterglow::db::Engine;
use sea_orm::ConnectionTrait;

use crate::{
    child::{PATIENCE, Running, run_to_its_end},
    kill9::Client,
    world::{World, run},
};

#[test]
fn l2_a_broken_chain_on_sqlite_ends_the_command_with_1_and_names_the_row() {
    run(Engine::Sqlite, a_broken_chain_is_named);
}

#[test]
fn l2_a_broken_chain_on_postgres_ends_the_command_with_1_and_names_the_row() {
    run(Engine::Postgres, a_broken_chain_is_named);
}

async fn a_broken_chain_is_named(world: Arc<World>) {
    world.fill(1).await;
    let mut server = Running::start(world.afterglow(&["serve", "--no-worker"]));
    let address = server.address().await;
    for _ in 0..2 {
        Client::log_in(address, "patient-0").await;
    }
    server.signal("TERM");
    assert_eq!(server.ends_within(PATIENCE).await, Some(0), "{}", server.said());
    let verify = || run_to_its_end(world.afterglow(&["audit", "verify"]), "");
    let whole = verify();
    assert_eq!(whole.code, Some(0), "{whole:?}");
    assert!(whole.stdout.contains("are whole"), "{whole:?}");
    let edit =
        "UPDATE audit_events SET action = 'accounts.logout' WHERE seq = 2 AND action = 'accounts.login'";
    assert_eq!(world.app.db.writer().execute_unprepared(edit).await.unwrap().rows_affected(), 1);
    let broken = verify();
    assert_eq!(broken.code, Some(1), "{broken:?}");
    assert!(broken.stdout.contains("row 2 was altered"), "{broken:?}");
    assert!(broken.stderr.contains("1 of 1 chains are not whole"), "{broken:?}");
}
