//! Mood check-ins: the one home of the daily form. A patient creates, reads, edits and deletes their own; only mood is
//! required. A very low one carries a crisis card in its answer and commits an alert in the same transaction.

mod dto;
mod queries;
mod routes;
mod rules;
mod sync;

pub use dto::{Checkin, CrisisCard, check_emotions};
pub use queries::seal as seal_detail;
pub use routes::router;
pub use rules::Detail;
pub use sync::Checkins;
