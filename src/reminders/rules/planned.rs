//! What planning hands back: the rows to write. The caller gives them ids and writes them in its own transaction.

use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use super::policy::Reason;
use crate::content::Priority;

/// A notification to insert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// Unique for its recipient; inserting it twice is a conflict to be ignored.
    pub slot: String,
    /// The content template, for session reminders.
    pub template_id: Option<String>,
    pub category: String,
    pub priority: Priority,
    pub routine: bool,
    /// The recipient's local date of `due_at`, by which the daily cap counts.
    pub local_date: NaiveDate,
    pub due_at: DateTime<Utc>,
    /// From this instant on it is not sent any more.
    pub expires_at: DateTime<Utc>,
    pub state: PlannedState,
}

/// The state a notification begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlannedState {
    Planned,
    Suppressed(Reason),
}

/// One step of a diff between the rows there are and the rows there should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Insert(Planned),
    /// Give an open row another time.
    Move {
        id: Uuid,
        due_at: DateTime<Utc>,
        expires_at: DateTime<Utc>,
        local_date: NaiveDate,
    },
    /// Open a row again that planning had closed unsent, at this time.
    Reopen {
        id: Uuid,
        due_at: DateTime<Utc>,
        expires_at: DateTime<Utc>,
        local_date: NaiveDate,
    },
    /// End an open row as `cancelled(reason)`.
    Cancel {
        id: Uuid,
        reason: Reason,
    },
}
