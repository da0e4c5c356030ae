//! The therapist's side: who is in their care, and what those people shared that is still to be reviewed. Only what
//! was shared with the very member is found here, nothing of it without an open care relation, and every list records
//! a read of each patient in it before it leaves.

mod dto;
mod queue;
mod roster;
mod routes;

pub use routes::router;
