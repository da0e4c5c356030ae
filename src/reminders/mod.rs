//! Reminders: standing rules, the templates around sessions, the pure planning of both, and the ledger of what was
//! planned and what became of it. Whatever changes a session, a rule, a zone or a policy calls `replan_patient` in
//! its own transaction.

mod dto;
mod facts;
mod ledger;
mod planner;
mod queries;
mod routes;
pub mod rules;

pub use dto::SessionReminder;
pub use facts::{PatientFacts, hush_windows, parse_policy, session_facts, session_state};
pub use ledger::{Mark, lock_screen_key, mark, of_sessions};
pub use planner::{of_session, recurring_facts, replan_patient, row_of};
pub use queries::recurrence;
pub use routes::router;

/// `origin_kind` of a notification planned by a standing rule.
pub const RULE: &str = "rule";
/// `origin_kind` of a notification planned around a session.
pub const SESSION: &str = "session";
