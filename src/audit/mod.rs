//! The audit chain: who read or changed whose data, when. One stream a clinic, gapless numbers, each row's MAC over
//! the row and the MAC before it. Writes append in their own transaction; reads of a patient's data by others append
//! through `Reads`, and their answer leaves only when that has committed.

mod chain;
mod reads;

pub use chain::{AuditKey, Event, Outcome, Stamped, append};
pub use reads::Reads;
