//! The therapist's side: who is in their care, and what waits for their review.

mod queue;
mod roster;

pub use roster::copy_of;
