//! What a patient and the clinic allow, as one table: hush before quiet hours before the daily cap. Everything here is
//! decided when a reminder is planned and asked again when it is sent, so both give the same answer.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use jiff::civil;

use super::localtime::{LocalTime, Zone};
use crate::content::{Priority, protocols};

/// How many routine reminders a local day may bring, within the daily cap.
pub const RECURRING_CAP: u8 = 2;
/// How long a high reminder stays fresh when it had to wait for the end of a hush window.
pub const FRESH_AFTER_HUSH: TimeDelta = TimeDelta::hours(1);

/// Hush and quiet hours can push a reminder from one into the other; more often than this does not happen in practice.
const MAX_MOVES: usize = 8;
const MINUTE: TimeDelta = TimeDelta::minutes(1);

/// Why a notification was not sent, in the words a patient can read in the inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    QuietHours,
    Hush,
    AlreadyDone,
    ConsentWithdrawn,
    Paused,
    CategoryOff,
    DailyCap,
    NoDevice,
    SessionMoved,
    SessionCancelled,
    Superseded,
    ScheduledLate,
    CareEnded,
    Ignored,
    AccountClosed,
}

impl Reason {
    pub const ALL: [Self; 15] = [
        Self::QuietHours,
        Self::Hush,
        Self::AlreadyDone,
        Self::ConsentWithdrawn,
        Self::Paused,
        Self::CategoryOff,
        Self::DailyCap,
        Self::NoDevice,
        Self::SessionMoved,
        Self::SessionCancelled,
        Self::Superseded,
        Self::ScheduledLate,
        Self::CareEnded,
        Self::Ignored,
        Self::AccountClosed,
    ];

    /// The word kept in the ledger and shown by the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::QuietHours => "quiet_hours",
            Self::Hush => "hush",
            Self::AlreadyDone => "already_done",
            Self::ConsentWithdrawn => "consent_withdrawn",
            Self::Paused => "paused",
            Self::CategoryOff => "category_off",
            Self::DailyCap => "daily_cap",
            Self::NoDevice => "no_device",
            Self::SessionMoved => "session_moved",
            Self::SessionCancelled => "session_cancelled",
            Self::Superseded => "superseded",
            Self::ScheduledLate => "scheduled_late",
            Self::CareEnded => "care_ended",
            Self::Ignored => "ignored",
            Self::AccountClosed => "account_closed",
        }
    }

    /// The reason of a stored word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word)
    }

    /// Whether a row closed at planning for this reason may be opened again when its session is re-planned: the cause
    /// can go away, and nothing was sent.
    pub fn may_reopen(self) -> bool {
        self.is_policy() || matches!(self, Self::ConsentWithdrawn | Self::Superseded | Self::SessionMoved)
    }

    /// Whether the time is closed to it by the patient's or the clinic's rules, or has passed.
    pub fn is_policy(self) -> bool {
        use Reason::{CategoryOff, Hush, Paused, QuietHours, ScheduledLate};
        matches!(self, QuietHours | Hush | Paused | CategoryOff | ScheduledLate)
    }
}

/// Local times between which reminders may come: from `opens` (included) to `closes` (excluded). A window may cross
/// midnight; equal ends mean the whole day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub opens: LocalTime,
    pub closes: LocalTime,
}

impl Window {
    /// Whether an instant lies inside.
    pub fn contains(&self, at: DateTime<Utc>, zone: &Zone) -> bool {
        let time = LocalTime::of(zone.local(at));
        if self.opens < self.closes {
            self.opens <= time && time < self.closes
        } else {
            self.opens == self.closes || time >= self.opens || time < self.closes
        }
    }

    /// The first instant at or after `at` that lies inside; `None` when clock changes leave no such time for days.
    pub fn first_from(&self, at: DateTime<Utc>, zone: &Zone) -> Option<DateTime<Utc>> {
        if self.contains(at, zone) {
            return Some(at);
        }
        let mut openings = days_around(at, zone).map(|date| zone.instant(self.opens.on(date)));
        openings.find(|opening| *opening >= at && self.contains(*opening, zone))
    }

    /// The last whole minute before `at` that lies inside.
    pub fn last_before(&self, at: DateTime<Utc>, zone: &Zone) -> Option<DateTime<Utc>> {
        let ends = days_around(at, zone).map(|date| zone.instant(self.closes.on(date)) - MINUTE);
        ends.filter(|last| *last < at && self.contains(*last, zone)).max()
    }

    /// The instant the window closes next after `at`; `None` for a window that never closes.
    pub fn closes_after(&self, at: DateTime<Utc>, zone: &Zone) -> Option<DateTime<Utc>> {
        let mut ends = days_around(at, zone).map(|date| zone.instant(self.closes.on(date)));
        if self.opens == self.closes { None } else { ends.find(|end| *end > at) }
    }
}

/// The local dates from two days before an instant to two days after it.
fn days_around(at: DateTime<Utc>, zone: &Zone) -> impl Iterator<Item = civil::Date> {
    let today = zone.local(at).date();
    let first = (0..2).try_fold(today, |date, _| date.yesterday()).unwrap_or(today);
    std::iter::successors(Some(first), |date| date.tomorrow().ok()).take(5)
}

/// The time of a dosing session in which nothing unmarked is sent: from its start (included) to its end (excluded).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HushWindow {
    pub start: DateTime<Utc>,
    pub end: DateTime<Utc>,
}

impl HushWindow {
    /// From a dosing session's start to its recorded completion, else to its planned end plus the clinic's margin.
    pub fn of_dosing(
        starts_at: DateTime<Utc>,
        ends_at: DateTime<Utc>,
        completed_at: Option<DateTime<Utc>>,
        margin: TimeDelta,
    ) -> Self {
        let end = completed_at.or_else(|| ends_at.checked_add_signed(margin)).unwrap_or(ends_at);
        Self { start: starts_at, end: end.max(starts_at) }
    }

    /// Whether an instant lies inside.
    pub fn contains(&self, at: DateTime<Utc>) -> bool {
        self.start <= at && at < self.end
    }

    /// Whether routine prompts are silent: from the start to the end of the local day in which the window ends.
    fn silences_routine(&self, at: DateTime<Utc>, zone: &Zone) -> bool {
        let last = (self.end - TimeDelta::milliseconds(1)).max(self.start);
        self.start <= at && zone.local_date(at) <= zone.local_date(last)
    }
}

/// A patient's delivery policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// For categories without a window of their own.
    pub window: Window,
    /// By category id.
    pub category_windows: BTreeMap<String, Window>,
    /// Normal and low reminders a local day.
    pub cap: u8,
    /// The same on days with a dosing session.
    pub cap_dosing_day: u8,
    /// Routine reminders a local day, within the cap.
    pub recurring_cap: u8,
    /// Nothing is sent before this instant.
    pub paused_until: Option<DateTime<Utc>>,
    pub categories_off: BTreeSet<String>,
    /// Whether the lock screen may show the reminder's own text; `false` is discreet.
    pub detailed: bool,
}

impl Default for Policy {
    fn default() -> Self {
        let defaults = &protocols().defaults;
        Self {
            window: Window { opens: defaults.quiet_hours.end, closes: defaults.quiet_hours.start },
            category_windows: BTreeMap::new(),
            cap: defaults.max_per_day.other,
            cap_dosing_day: defaults.max_per_day.dosing_day,
            recurring_cap: RECURRING_CAP,
            paused_until: None,
            categories_off: BTreeSet::new(),
            detailed: false,
        }
    }
}

impl Policy {
    /// The window of a category.
    pub fn window_of(&self, category: &str) -> Window {
        self.category_windows.get(category).copied().unwrap_or(self.window)
    }
}

/// What a reminder belongs to, which decides where it may move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Before a session, which starts at this instant: moves back, and never to the start or past it.
    BeforeSession(DateTime<Utc>),
    /// After a session, or on its own: moves forward.
    Other,
    /// A routine prompt: silent in hush, moves forward out of quiet hours.
    Routine,
}

/// A reminder to be placed.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    pub category: &'a str,
    pub priority: Priority,
    pub kind: Kind,
    pub ignores_quiet_hours: bool,
    pub due_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    /// Nothing is moved to before this instant; the time of planning.
    pub not_before: DateTime<Utc>,
}

/// Where a reminder goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// At its own time.
    Send(DateTime<Utc>),
    /// At another time.
    MoveTo(DateTime<Utc>),
    /// Not at all.
    Suppress(Reason),
}

/// Place one reminder: hush before quiet hours; the cap, which needs the whole day, comes last in [`apply_cap`].
///
/// The patient's own pause and switched-off categories come first and hold for every priority.
pub fn decide(candidate: &Candidate<'_>, policy: &Policy, zone: &Zone, hush: &[HushWindow]) -> Decision {
    if policy.categories_off.contains(candidate.category) {
        return Decision::Suppress(Reason::CategoryOff);
    }
    if policy.paused_until.is_some_and(|until| candidate.due_at < until) {
        return Decision::Suppress(Reason::Paused);
    }
    let not_before =
        policy.paused_until.map_or(candidate.not_before, |until| until.max(candidate.not_before));
    let candidate = &Candidate { not_before, ..*candidate };
    match place(candidate, &Rooms { window: policy.window_of(candidate.category), zone, hush }) {
        Ok(at) if at == candidate.due_at => Decision::Send(at),
        Ok(at) => Decision::MoveTo(at),
        Err(reason) => Decision::Suppress(reason),
    }
}

/// The two things that close a time to a reminder.
struct Rooms<'a> {
    window: Window,
    zone: &'a Zone,
    hush: &'a [HushWindow],
}

impl Rooms<'_> {
    fn hush_at(&self, at: DateTime<Utc>) -> Option<&HushWindow> {
        self.hush.iter().find(|hush| hush.contains(at))
    }

    /// The first open instant from `at` on.
    fn forward(&self, mut at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        for _ in 0..MAX_MOVES {
            match self.hush_at(at) {
                Some(hush) => at = hush.end,
                None if self.window.contains(at, self.zone) => return Some(at),
                None => at = self.window.first_from(at, self.zone)?,
            }
        }
        None
    }

    /// The last open minute before `at`.
    fn backward(&self, mut at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        for _ in 0..MAX_MOVES {
            match self.hush_at(at) {
                Some(hush) => at = hush.start - MINUTE,
                None if self.window.contains(at, self.zone) => return Some(at),
                None => at = self.window.last_before(at, self.zone)?,
            }
        }
        None
    }
}

fn place(candidate: &Candidate<'_>, rooms: &Rooms<'_>) -> Result<DateTime<Utc>, Reason> {
    let due = candidate.due_at;
    if candidate.ignores_quiet_hours {
        return Ok(due);
    }
    if candidate.kind == Kind::Routine && rooms.hush.iter().any(|h| h.silences_routine(due, rooms.zone)) {
        return Err(Reason::Hush);
    }
    let hushed = rooms.hush_at(due).is_some();
    if !hushed && rooms.window.contains(due, rooms.zone) {
        return Ok(due);
    }
    let open_to_kind = |at: &DateTime<Utc>| match candidate.kind {
        Kind::BeforeSession(start) => *at < start,
        Kind::Routine => !rooms.hush.iter().any(|h| h.silences_routine(*at, rooms.zone)),
        Kind::Other => true,
    };
    let later = rooms.forward(due).filter(open_to_kind);
    let fresh = later.filter(|at| *at < candidate.expires_at);
    let backward = || rooms.backward(due).filter(|at| *at >= candidate.not_before);
    let earlier = matches!(candidate.kind, Kind::BeforeSession(_)).then(backward).flatten();
    if !hushed {
        return earlier.or(fresh).ok_or(Reason::QuietHours);
    }
    // Out of hush the way is forward; a high reminder takes any way that is left.
    let high = candidate.priority == Priority::High;
    fresh.or(earlier.filter(|_| high)).or(later.filter(|_| high)).ok_or(Reason::Hush)
}

/// A notification as the daily cap sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CapRow<K> {
    /// Whatever names the row to the caller; breaks ties, so that the outcome is always the same.
    pub key: K,
    pub priority: Priority,
    pub routine: bool,
    pub due_at: DateTime<Utc>,
    /// Already sent or being sent: counts, and cannot be taken back.
    pub sent: bool,
}

/// The rows of one patient's local date that exceed the cap, to be suppressed as [`Reason::DailyCap`].
///
/// Normal stays before low and earlier before later; high never counts. Routine rows are held to their own cap first
/// and then share the common one.
pub fn apply_cap<K: Ord + Copy>(rows: &[CapRow<K>], policy: &Policy, dosing_day: bool) -> Vec<K> {
    let cap = if dosing_day { policy.cap_dosing_day } else { policy.cap };
    let mut counted: Vec<&CapRow<K>> = rows.iter().filter(|row| row.priority != Priority::High).collect();
    counted.sort_by_key(|row| (!row.sent, row.priority, row.due_at, row.key));
    let (mut all, mut routine, mut over) = (0_u8, 0_u8, Vec::new());
    for row in counted {
        let full = all >= cap || (row.routine && routine >= policy.recurring_cap);
        if full && !row.sent {
            over.push(row.key);
            continue;
        }
        all = all.saturating_add(1);
        routine = routine.saturating_add(u8::from(row.routine));
    }
    over
}
