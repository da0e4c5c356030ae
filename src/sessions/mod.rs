//! Appointments of a treatment. A therapist schedules, moves, cancels and completes them; the patient sees theirs.
//! Every change plans the reminders anew in its own transaction.

mod dto;
mod moves;
mod overlaps;
mod queries;
mod routes;
mod rules;

pub use dto::{LOCATIONS, Session};
pub use overlaps::{Slot, refuse_overlaps};
pub use queries::view;
pub use routes::router;
