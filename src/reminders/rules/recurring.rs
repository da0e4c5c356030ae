//! The next occurrence of a standing rule as a row, and the stable offset that keeps a whole clinic's prompts from
//! falling into one second.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use jiff::civil;
use uuid::Uuid;

use super::localtime::Zone;
use super::planned::{Planned, PlannedState};
use super::policy::{Candidate, Decision, HushWindow, Kind, Policy, Reason, decide};
use super::recurrence::Recurrence;
use crate::content::Priority;

/// A prompt later than this is no use any more; the end of the category's window ends it earlier.
pub const RECURRING_FRESHNESS: TimeDelta = TimeDelta::hours(4);
/// The usual span for [`spread_offset`].
pub const DEFAULT_SPREAD: Duration = Duration::from_secs(4 * 60);

/// What planning needs to know about a standing rule.
#[derive(Debug, Clone, Copy)]
pub struct RecurringFacts<'a> {
    pub rule_id: Uuid,
    pub recurrence: &'a Recurrence,
    pub category: &'a str,
    pub priority: Priority,
    /// Wall-clock time of the rule's last slot, see [`super::recurrence::slot_local`]; nothing up to it comes again.
    pub served: Option<civil::DateTime>,
    /// Silent on the whole local day of a dosing session, also before it begins.
    pub skip_on_dosing_day: bool,
    /// From [`spread_offset`], for times the program chose. `None` for a time the patient set: 20:00 means 20:00.
    pub spread: Option<Duration>,
}

/// Exactly the next occurrence of a rule after `now`, or `None` when it never fires again.
///
/// It is fresh for four hours, and not past the end of its window. A suppressed occurrence comes back as a row too, so
/// that the patient can read why; planning again with `served` set to its slot gives the following one.
pub fn plan_recurring(
    now: DateTime<Utc>,
    facts: &RecurringFacts<'_>,
    zone: &Zone,
    policy: &Policy,
    hush: &[HushWindow],
) -> Option<Planned> {
    let occurrence = facts.recurrence.next_after_served(now, facts.served, zone)?;
    let routine = facts.priority != Priority::High;
    let place = |due_at: DateTime<Utc>| {
        let candidate = Candidate {
            category: facts.category,
            priority: facts.priority,
            kind: if routine { Kind::Routine } else { Kind::Other },
            ignores_quiet_hours: false,
            due_at,
            expires_at: due_at + RECURRING_FRESHNESS,
            not_before: now,
        };
        decide(&candidate, policy, zone, hush)
    };
    let day = zone.local_date(occurrence.due);
    let dosing_day = hush.iter().any(|hush| zone.local_date(hush.start) == day);
    let decision = if facts.skip_on_dosing_day && dosing_day {
        Decision::Suppress(Reason::Hush)
    } else {
        place(occurrence.due)
    };
    let (due_at, state) = match decision {
        Decision::Suppress(reason) => (occurrence.due, PlannedState::Suppressed(reason)),
        Decision::Send(at) | Decision::MoveTo(at) => {
            // The offset must not carry a prompt out of its window or into a silence.
            let shifted =
                facts.spread.and_then(|offset| TimeDelta::from_std(offset).ok()).map(|offset| at + offset);
            let shifted = shifted.filter(|shifted| routine && place(*shifted) == Decision::Send(*shifted));
            (shifted.unwrap_or(at), PlannedState::Planned)
        }
    };
    let closes = policy.window_of(facts.category).closes_after(due_at, zone);
    let limit = due_at + RECURRING_FRESHNESS;
    Some(Planned {
        slot: occurrence.slot(facts.rule_id),
        template_id: None,
        category: facts.category.to_owned(),
        priority: facts.priority,
        routine,
        local_date: zone.local_date(due_at),
        due_at,
        expires_at: closes.map_or(limit, |closes| limit.min(closes)),
        state,
    })
}

/// A whole number of seconds from zero to `span`, always the same for a patient.
pub fn spread_offset(patient: Uuid, span: Duration) -> Duration {
    // FNV-1a: ids made in one second share their first bytes, and every byte must count.
    let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = patient.as_bytes().iter().fold(0xcbf2_9ce4_8422_2325, mix);
    Duration::from_secs((hash ^ (hash >> 32)) % span.as_secs().saturating_add(1))
}
