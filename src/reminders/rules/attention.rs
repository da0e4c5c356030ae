//! How a standing rule steps back from somebody who does not react to it: after two ignored ones it comes half as
//! often, after seven it rests and asks once whether it shall go on. Only what a device said it had shown counts.

use chrono::{DateTime, Utc};

/// From so many ignored in a row on, every second occurrence is left out.
pub const HALVES_AFTER: i32 = 2;
/// From so many on, the rule rests.
pub const RESTS_AFTER: i32 = 7;

/// One occurrence that a device showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    pub shown_at: DateTime<Utc>,
    /// The end of its window.
    pub expires_at: DateTime<Utc>,
    /// Opened, done or put off, whenever that was.
    pub answered: bool,
}

/// How many of the last ones were ignored in a row: shown, and then neither answered nor followed by anything the
/// patient did until the end of their window. `shown` is newest first; one whose window is still open says nothing yet.
pub fn ignored_in_row(shown: &[Shown], activity: &[DateTime<Utc>], now: DateTime<Utc>) -> i32 {
    let active = |one: &Shown| activity.iter().any(|at| one.shown_at <= *at && *at < one.expires_at);
    let over = shown.iter().filter(|one| one.expires_at <= now);
    let ignored = over.take_while(|one| !one.answered && !active(one)).count();
    i32::try_from(ignored).unwrap_or(i32::MAX)
}
