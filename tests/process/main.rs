//! What only shows in the running thing: the real binary killed, frozen, stopped and started again, several workers on
//! one database, and the scheduler ticking through days in which everything goes wrong.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that panics has failed, which is what it is for"
)]

#[expect(dead_code, unused_imports, reason = "shared with the tests of the API, which use the rest")]
#[path = "../api/harness/mod.rs"]
mod harness;

mod account;
mod attachments;
mod backup;
mod child;
mod crisis;
mod disk;
mod exports;
mod practice;
mod world;
mod year;

mod around;
mod asked_again;
mod audit;
mod batches;
mod bodies;
mod changed;
mod claims;
mod counted;
mod doctor;
mod kill9;
mod ledger;
mod measures;
mod month;
mod operations;
mod outages;
mod points;
mod putting_off;
mod races;
mod repeated;
mod replicas;
mod restored;
mod rotation;
mod scheduler;
mod sessions;
mod standing;
mod startup;
mod workers;
