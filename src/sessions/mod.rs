//! Appointments of a treatment. A therapist schedules, moves, cancels and completes them; the patient sees theirs.
//! Every change plans the reminders anew in its own transaction.

mod dto;
mod queries;
mod routes;
mod rules;
mod sync;

pub use dto::Session;
pub use routes::router;
pub use sync::Sessions;
