//! Today on one screen: where the patient is in plain words, what comes next, at most three things to do, one exercise
//! and one for steadying; and what the app keeps for hours without a network.

mod dto;
mod offline;
mod queries;
mod routes;
mod rules;
mod texts;

pub use self::routes::router;
