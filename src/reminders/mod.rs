//! Reminders: standing rules, the templates around sessions, the pure planning of both, and the ledger of what was
//! planned and what became of it. Whatever changes a session, a rule, a zone or a policy calls `replan_patient` in
//! its own transaction.

mod answers;
mod comments;
mod delivery;
mod delivery_sync;
mod dto;
mod facts;
mod ledger;
mod planner;
mod queries;
mod routes;
pub mod rules;
mod sync;

pub use answers::{announce_answer, withdraw_offers};
pub use comments::{announce_comment, withdraw_comments};
pub use delivery::{DeliveryPolicy, parse_policy, router as delivery_router};
pub use delivery_sync::DeliveryPolicies;
pub use dto::{Reminder, SessionReminder};
pub use facts::{PatientFacts, hush_windows, session_facts, session_state};
pub use ledger::{Mark, in_app_text, lock_screen_key, mark, of_sessions};
pub use planner::{of_session, recurring_facts, replan_patient, row_of};
pub use queries::recurrence;
pub use routes::router;
pub use sync::Reminders;

/// `origin_kind` of a notification planned by a standing rule.
pub const RULE: &str = "rule";
/// `origin_kind` of a notification about a comment on a journal entry.
pub const COMMENT: &str = "comment";
/// `origin_kind` of a notification about the clinic's answer to a request.
pub const REQUEST: &str = "request";
/// `origin_kind` of a notification planned around a session.
pub const SESSION: &str = "session";
