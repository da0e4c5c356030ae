//! The API from outside, on both engines: SQLite always, PostgreSQL where it is.

#[macro_use]
mod harness;

mod checkins;

use afterglow::db::Engine;

#[test]
fn the_engines_that_run_are_named() {
    let engines: Vec<Engine> = [Engine::Sqlite, Engine::Postgres]
        .into_iter()
        .filter(|engine| harness::Store::fresh(*engine).is_some())
        .collect();
    println!("engines: {engines:?}");
    assert!(engines.contains(&Engine::Sqlite));
}
