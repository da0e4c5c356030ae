//! The patient's own archive: everything that is theirs, as JSON for programs, as a FHIR bundle for other systems and as
//! a page to read, with the files of their journal. What belongs in it is the data map's word (`entity::data_map::Export`), not a list here. A job makes
//! it, it waits sealed for two days, and whoever takes it has given a password or code a moment ago.

mod archive;
mod dto;
mod job;
mod page;
mod queries;
mod routes;
mod tables;

pub use self::{
    job::{FORMAT, VERSION, file_name, run, run_due, sweep},
    routes::router,
    tables::{Keys, LISTED, column, name_of, owner_column, place, records},
};
