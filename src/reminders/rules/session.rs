//! Reminders around a session, as a diff: the templates say what should be there, the existing rows what is. What was
//! sent stays. A slot is `session:<id>:<template>:<placement>`; within one placement nothing is inserted twice, and a
//! row that planning closed unsent is opened again when a small move makes it possible, so no reminder is lost.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::localtime::Zone;
use super::planned::{Change, Planned, PlannedState};
use super::policy::{Candidate, Decision, FRESH_AFTER_HUSH, HushWindow, Kind, Policy, Reason, decide};
use crate::content::{Anchor, Priority, ReminderTemplate, Which};

/// A session whose start moves by this much, or to another local date, is reminded of in full again.
const NEW_PLACEMENT_AFTER: TimeDelta = TimeDelta::hours(12);
/// Without a record this long after the planned end, the clinic is asked and only safety texts go out.
pub const RECORD_EXPECTED_WITHIN: TimeDelta = TimeDelta::hours(2);

/// Where a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    Planned,
    Started,
    Completed,
    Cancelled,
    NoShow,
}

impl SessionState {
    /// The word that is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Started => "started",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::NoShow => "no_show",
        }
    }

    /// The state of a stored word.
    pub fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "planned" => Self::Planned,
            "started" => Self::Started,
            "completed" => Self::Completed,
            "cancelled" => Self::Cancelled,
            "no_show" => Self::NoShow,
            _ => return None,
        })
    }
}

/// What planning needs to know about a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionFacts {
    pub id: Uuid,
    /// Session kind id of the content, such as `dosing`.
    pub kind: String,
    /// `clinic`, `home` or `telehealth`.
    pub location: String,
    pub starts_at: DateTime<Utc>,
    pub ends_at: DateTime<Utc>,
    /// Counts moves to another day, see [`placement_after_move`].
    pub placement: i32,
    pub state: SessionState,
    /// The recorded end; after-session reminders hang on it, else on `ends_at`.
    pub completed_at: Option<DateTime<Utc>>,
    pub is_first_of_kind: bool,
    pub is_last_of_kind: bool,
    /// Start of the next dosing session of the same plan after this one.
    pub next_dosing_start: Option<DateTime<Utc>>,
    /// The hush windows of all the patient's dosing sessions near by.
    pub hush: Vec<HushWindow>,
}

/// A notification of this session that is already in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExistingRow {
    pub id: Uuid,
    pub slot: String,
    pub local_date: NaiveDate,
    pub due_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    /// Still in state `planned`: not claimed, sent or ended.
    pub open: bool,
    /// Closed, taken by no push service, for a reason whose [`Reason::may_reopen`] holds.
    pub may_reopen: bool,
}

/// The slot of one template for one placement of a session.
pub fn session_slot(session: Uuid, template: &str, placement: i32) -> String {
    format!("session:{session}:{template}:{placement}")
}

/// The placement after a move: one more when the local date changes or the start shifts by 12 hours or more.
pub fn placement_after_move(
    old_start: DateTime<Utc>,
    new_start: DateTime<Utc>,
    zone: &Zone,
    placement: i32,
) -> i32 {
    let far = (new_start - old_start).abs() >= NEW_PLACEMENT_AFTER;
    let other_day = zone.local_date(old_start) != zone.local_date(new_start);
    placement.saturating_add(i32::from(far || other_day))
}

/// Whether an after-session reminder must wait because nobody recorded the session's end: two hours after the planned
/// end only safety texts go out. To be asked at send time; a record re-plans the rest.
pub fn waits_for_record(template: &ReminderTemplate, facts: &SessionFacts, now: DateTime<Utc>) -> bool {
    let unrecorded =
        facts.completed_at.is_none() && matches!(facts.state, SessionState::Planned | SessionState::Started);
    let safety = template.category == "safety" || template.ignores_quiet_hours;
    template.anchor == Anchor::End && unrecorded && !safety && now - facts.ends_at >= RECORD_EXPECTED_WITHIN
}

/// The changes that bring a session's notifications in line with the templates that are on at its clinic.
pub fn plan_session<'a>(
    templates: impl IntoIterator<Item = &'a ReminderTemplate>,
    now: DateTime<Utc>,
    facts: &SessionFacts,
    zone: &Zone,
    policy: &Policy,
    existing: &[ExistingRow],
) -> Vec<Change> {
    Planner { now, facts, zone, policy }.diff(templates, existing)
}

struct Planner<'a> {
    now: DateTime<Utc>,
    facts: &'a SessionFacts,
    zone: &'a Zone,
    policy: &'a Policy,
}

/// When a template asks to be sent, before any policy.
#[derive(Clone, Copy)]
struct Wanted {
    due_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    kind: Kind,
}

/// When it will be sent.
struct Placed {
    due_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

impl Planner<'_> {
    fn diff<'t>(
        &self,
        templates: impl IntoIterator<Item = &'t ReminderTemplate>,
        existing: &[ExistingRow],
    ) -> Vec<Change> {
        let own = format!("session:{}:", self.facts.id);
        let placement = format!(":{}", self.facts.placement);
        let of_session = existing.iter().filter(|row| row.slot.starts_with(&own));
        let mut rows: BTreeMap<&str, &ExistingRow> = of_session.map(|row| (row.slot.as_str(), row)).collect();
        let mut changes = Vec::new();
        for template in templates.into_iter().filter(|t| t.session_kinds.contains(&self.facts.kind)) {
            let slot = session_slot(self.facts.id, &template.id, self.facts.placement);
            let row = rows.remove(slot.as_str());
            changes.extend(self.change(template, slot, row));
        }
        // What is left belongs to an older placement, or to a template the clinic took away.
        for row in rows.into_values().filter(|row| row.open) {
            let reason = match self.facts.state {
                SessionState::Cancelled | SessionState::NoShow => Reason::SessionCancelled,
                _ if row.slot.ends_with(&placement) => Reason::Superseded,
                _ => Reason::SessionMoved,
            };
            changes.push(Change::Cancel { id: row.id, reason });
        }
        changes
    }

    fn change(&self, template: &ReminderTemplate, slot: String, row: Option<&ExistingRow>) -> Option<Change> {
        match (self.wanted(template), row) {
            (Err(_), None) => None,
            (Err(reason), Some(row)) => row.open.then_some(Change::Cancel { id: row.id, reason }),
            (Ok(wanted), None) => Some(Change::Insert(self.insert(template, slot, wanted))),
            (Ok(wanted), Some(row)) if row.open => self.change_open(template, wanted, row),
            (Ok(wanted), Some(row)) if row.may_reopen => {
                let placed = self.place(template, wanted, template.priority == Priority::High).ok()?;
                Some(Change::Reopen {
                    id: row.id,
                    due_at: placed.due_at,
                    expires_at: placed.expires_at,
                    local_date: self.zone.local_date(placed.due_at),
                })
            }
            (Ok(_), Some(_)) => None,
        }
    }

    /// When a template asks to be sent for this session, or why it does not ask at all: the reason with which an open
    /// row ends. Nothing is inserted for it, so the slot stays free should the facts change back.
    fn wanted(&self, template: &ReminderTemplate) -> Result<Wanted, Reason> {
        let facts = self.facts;
        match facts.state {
            SessionState::Cancelled | SessionState::NoShow => return Err(Reason::SessionCancelled),
            SessionState::Started | SessionState::Completed if template.anchor == Anchor::Start => {
                return Err(Reason::Superseded);
            }
            _ => {}
        }
        let which = match template.which {
            Which::Every => true,
            Which::First => facts.is_first_of_kind,
            Which::Last => facts.is_last_of_kind,
        };
        if !which {
            return Err(Reason::Superseded);
        }
        if !template.locations.is_empty() && !template.locations.contains(&facts.location) {
            return Err(Reason::SessionMoved);
        }
        let due_at = self.due_at(template);
        if template.superseded_by_next_dosing && facts.next_dosing_start.is_some_and(|next| next <= due_at) {
            return Err(Reason::Superseded);
        }
        let expires_at = self.zone.add(due_at, template.expire_after);
        if template.anchor == Anchor::End || !template.offset.is_negative() {
            return Ok(Wanted { due_at, expires_at, kind: Kind::Other });
        }
        if due_at >= facts.starts_at {
            return Err(Reason::SessionMoved);
        }
        let expires_at = expires_at.min(facts.starts_at);
        Ok(Wanted { due_at, expires_at, kind: Kind::BeforeSession(facts.starts_at) })
    }

    fn due_at(&self, template: &ReminderTemplate) -> DateTime<Utc> {
        let anchor = match template.anchor {
            Anchor::Start => self.facts.starts_at,
            Anchor::End => self.facts.completed_at.unwrap_or(self.facts.ends_at),
        };
        match template.local_time {
            Some(time) if !template.offset.has_time_part() => {
                let day = template.offset.shift_date_part(self.zone.local(anchor)).date();
                self.zone.instant(time.on(day))
            }
            _ => self.zone.add(anchor, template.offset),
        }
    }

    fn decide(&self, template: &ReminderTemplate, wanted: Wanted, not_before: DateTime<Utc>) -> Decision {
        let candidate = Candidate {
            category: &template.category,
            priority: template.priority,
            kind: wanted.kind,
            ignores_quiet_hours: template.ignores_quiet_hours,
            due_at: wanted.due_at,
            expires_at: wanted.expires_at,
            not_before,
        };
        decide(&candidate, self.policy, self.zone, &self.facts.hush)
    }

    /// Apply the policy as of now. With `catch_up` a reminder whose time has passed is due now while it is fresh.
    fn place(&self, template: &ReminderTemplate, wanted: Wanted, catch_up: bool) -> Result<Placed, Reason> {
        let late = wanted.due_at < self.now;
        let fresh = self.now < wanted.expires_at;
        let due_at = if late && fresh && catch_up { self.now } else { wanted.due_at };
        match self.decide(template, Wanted { due_at, ..wanted }, self.now) {
            Decision::Send(at) | Decision::MoveTo(at) if at >= self.now => Ok(freshened(wanted, at)),
            Decision::Suppress(reason @ (Reason::Paused | Reason::CategoryOff)) => Err(reason),
            Decision::Suppress(reason) if due_at >= self.now => Err(reason),
            _ => Err(Reason::ScheduledLate),
        }
    }

    fn insert(&self, template: &ReminderTemplate, slot: String, wanted: Wanted) -> Planned {
        let (due_at, expires_at, state) =
            match self.place(template, wanted, template.priority == Priority::High) {
                Ok(placed) => (placed.due_at, placed.expires_at, PlannedState::Planned),
                Err(reason) => (wanted.due_at, wanted.expires_at, PlannedState::Suppressed(reason)),
            };
        Planned {
            slot,
            template_id: Some(template.id.clone()),
            category: template.category.clone(),
            priority: template.priority,
            routine: false,
            local_date: self.zone.local_date(due_at),
            due_at,
            expires_at,
            state,
        }
    }

    /// An open row was promised already, so whatever its priority a time that has just passed is caught up with.
    fn change_open(&self, template: &ReminderTemplate, wanted: Wanted, row: &ExistingRow) -> Option<Change> {
        // Where it was put at first may lie behind us by now: a row that is about to be sent is left alone.
        let first = self.decide(template, wanted, DateTime::<Utc>::MIN_UTC);
        if let Decision::Send(at) | Decision::MoveTo(at) = first
            && self.matches(row, &freshened(wanted, at))
        {
            return None;
        }
        match self.place(template, wanted, true) {
            Err(reason) => Some(Change::Cancel { id: row.id, reason }),
            Ok(placed) => {
                let due_already = placed.due_at == self.now && row.due_at <= self.now;
                let keeps = due_already && row.expires_at == placed.expires_at;
                let change = Change::Move {
                    id: row.id,
                    due_at: placed.due_at,
                    expires_at: placed.expires_at,
                    local_date: self.zone.local_date(placed.due_at),
                };
                (!keeps && !self.matches(row, &placed)).then_some(change)
            }
        }
    }

    fn matches(&self, row: &ExistingRow, placed: &Placed) -> bool {
        let local_date = self.zone.local_date(placed.due_at);
        (row.due_at, row.expires_at, row.local_date) == (placed.due_at, placed.expires_at, local_date)
    }
}

/// Only a high reminder is ever placed at or past the end of its freshness, after a hush window: it gets a little more.
fn freshened(wanted: Wanted, due_at: DateTime<Utc>) -> Placed {
    let limit = if due_at < wanted.expires_at { wanted.expires_at } else { due_at + FRESH_AFTER_HUSH };
    let expires_at = match wanted.kind {
        Kind::BeforeSession(start) => limit.min(start),
        Kind::Other | Kind::Routine => limit,
    };
    Placed { due_at, expires_at }
}
