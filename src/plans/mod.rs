//! Treatment plans: a template of the content or of the clinic, fitted to the clinic's hours and zone, becomes
//! sessions, questionnaires and reminders in one transaction. Sessions themselves are changed in `sessions`.

mod assignments;
mod clinic;
mod dto;
pub mod fit;
pub mod hours;
mod queries;
mod routes;
mod shift;
mod start;
mod sync;
mod templates;

pub use clinic::{Ground, ground, ground_of};
pub use dto::Plan;
pub use hours::{Hours, Opening, check as check_openings};
pub use queries::{all, hand_over};
pub use routes::router;
pub use shift::{following, move_assignments};
pub use sync::Plans;
