//! Reminders: standing rules, the templates around sessions, the pure planning of both, and the ledger of what was
//! planned and what became of it. Whatever changes a session, a rule, a zone or a policy calls `replan_patient` in
//! its own transaction.

mod account;
mod acknowledged;
mod answers;
mod attention;
mod board;
mod clinic;
mod comments;
mod defaults;
mod delivery;
mod delivery_sync;
mod dto;
mod facts;
mod insert;
mod ledger;
mod marks;
mod planner;
mod queries;
mod reach;
mod routes;
pub mod rules;
mod snooze;
mod staff;
mod standing;
mod sweep;
mod sync;
mod unrecorded;
mod words;

pub use account::announce_to_devices;
pub use acknowledged::{Acknowledgement, acknowledgements};
pub use answers::{announce_answer, withdraw_offers};
pub use attention::{Streaks, streaks};
pub use comments::{
    announce_comment, announce_to_readers, cancel, withdraw_comments, withdraw_entry_from, withdraw_from,
    withdraw_from_readers, withdraw_from_stopped,
};
pub use defaults::start_defaults;
pub use delivery::{DeliveryPolicy, parse_policy, router as delivery_router};
pub use delivery_sync::DeliveryPolicies;
pub use dto::{Reminder, SessionReminder};
pub use facts::{PatientFacts, hush_windows, session_facts, session_state, takes_place};
pub use insert::insert;
pub use ledger::{CALLED_FOR_HELP, LONGEST_SUPPORT, SUPPORT, in_app_text, lock_screen_key, reminders_of};
pub use marks::{Mark, report};
pub use planner::{of_new_session, of_session, replan, replan_patient, row_of};
pub use queries::{list as rules_of, recurrence};
pub use reach::{Reach, reachable};
pub use routes::router;
pub use snooze::SnoozeFor;
pub use standing::{goes_on, recurring_facts, skips_dosing_day, template_of};
pub use sweep::{catch_up, sweep_between};
pub use sync::Reminders;
pub use unrecorded::withdraw_question;
pub use words::support;

/// `origin_kind` and category of a notice about the patient's account.
pub const ACCOUNT: &str = "account";
/// `origin_kind` of a notification planned by a standing rule.
pub const RULE: &str = "rule";
/// `origin_kind` of a notification about a comment on a journal entry.
pub const COMMENT: &str = "comment";
/// `origin_kind` and category of the question for a session's record.
pub const RECORD: &str = "record";
/// `origin_kind` of a notification about the clinic's answer to a request.
pub const REQUEST: &str = "request";
/// `origin_kind` of a notification planned around a session.
pub const SESSION: &str = "session";
/// `origin_kind` of what a patient put off; its `origin_id` is that of the first one.
pub const SNOOZE: &str = "snooze";
