//! Consents: what a patient was asked, in which words, and what they answered. Answers are appended and never changed;
//! the latest for a purpose decides. Before the first answer a purpose is in use, because nothing happens then that
//! the patient did not ask for: each share is an act of its own, and reminders come with the sessions they agreed on.

mod dto;
mod queries;
mod routes;
mod texts;

pub use queries::{all, ended_by_restore, holds, may_share, require_sharing};
pub use routes::router;
pub use texts::Purpose;
