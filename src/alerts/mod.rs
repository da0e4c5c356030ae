//! Alerts: an answer called for somebody. Each is a row of the transaction of its cause, climbs from the care team to
//! whoever stands in and to the clinic's line within the hours the clinic has written down, by push and by mail, and is
//! over only when a named person acknowledges it with a reason. The patient reads who was told, and when.

mod climb;
mod dto;
mod ladder;
mod mailing;
mod own;
mod queries;
mod raise;
mod routes;

pub use climb::{climb, next_due};
pub use dto::Alert;
pub use ladder::rank;
pub use mailing::{mailed, still_calls};
pub use queries::{VISIBLE, all_own, all_seen, open_for, open_of, refuse_unacknowledged};
pub use raise::{Raised, raise};
pub use routes::router;

/// `origin_kind` of a notification about an alert.
pub const ALERT: &str = "alert";
