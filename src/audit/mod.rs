//! The audit chain: who read or changed whose data, when. One stream a clinic, gapless numbers, each row's MAC over
//! the row and the MAC before it. Writes append in their own transaction; reads of a patient's data by others append
//! through `Reads`, and their answer leaves only when that has committed. The heads are anchored in a file outside the
//! database, without which nobody could tell a chain that was cut and continued from a whole one.

mod anchor;
mod chain;
mod reads;
mod refusals;
mod verify;

pub(crate) use anchor::hex;
pub use anchor::{Anchored, BadAnchors, anchor, read_anchors};
pub use chain::{AuditKey, Event, Outcome, Stamped, append};
pub use reads::Reads;
pub use refusals::{Asker, Who, record_refusals};
pub use verify::{Fault, Flaw, Verdict, verify};

/// The stream of what belongs to no clinic.
pub const SYSTEM: uuid::Uuid = uuid::Uuid::nil();
