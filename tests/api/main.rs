//! The API from outside, on both engines: SQLite always, PostgreSQL where it is.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that panics has failed, which is what it is for"
)]

mod harness;

mod accounts;
mod administration;
mod attachments;
mod attacks;
mod audit;
mod authz;
mod care;
mod checkins;
mod consents;
mod content;
mod erasure;
mod exports;
mod fhir;
mod goals;
mod goals_shared;
mod imports;
mod journal;
mod journal_comments;
mod journal_find;
mod journal_forms;
mod languages;
mod mail;
mod malformed;
mod me;
mod measures;
mod openapi;
mod outages;
mod plaintext;
mod plans;
mod preparation;
mod prompts;
mod push;
mod reach;
mod recovery;
mod refusals;
mod reminders;
mod retention;
mod review;
mod safety;
mod schema;
mod sealing;
mod session_requests;
mod sessions;
mod statements;
mod step_up;
mod sync;
mod today;
mod totp;
mod trend;
mod versions;

use afterglow::db::Engine;

#[test]
fn the_engines_that_run_are_named() {
    let runs = |engine: &Engine| harness::Store::fresh(*engine).is_some();
    let engines: Vec<Engine> = [Engine::Sqlite, Engine::Postgres].into_iter().filter(runs).collect();
    println!("engines: {engines:?}");
    assert!(engines.contains(&Engine::Sqlite));
}
