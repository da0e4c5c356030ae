//! Erasure: a patient asks for it, has a week to think again, and then everything that is theirs goes, with the key
//! that sealed it. What goes and what stays is the data map's word (`entity::data_map::Erasure`), not a list here.

mod dto;
mod ledger;
mod queries;
mod remains;
mod routes;
mod run;
mod texts;

pub use self::{
    ledger::{Erased, note, read as read_ledger},
    queries::{DELAY, tell_put_off},
    remains::{Remains, clear as clear_remains},
    routes::router,
    run::run_due,
};
