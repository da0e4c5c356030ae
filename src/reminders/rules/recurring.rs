//! The next occurrence of a standing rule as a row, and the stable offset that keeps a whole clinic's prompts from
//! falling into one second.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use jiff::civil;
use uuid::Uuid;

use super::localtime::Zone;
use super::planned::{Planned, PlannedState};
use super::policy::{Candidate, Decision, HushWindow, Kind, Policy, Reason, decide};
use super::recurrence::{Occurrence, Recurrence};
use crate::content::Priority;

/// A prompt later than this is no use any more; the end of the category's window ends it earlier.
pub const RECURRING_FRESHNESS: TimeDelta = TimeDelta::hours(4);
/// The usual span for [`spread_offset`].
pub const DEFAULT_SPREAD: Duration = Duration::from_secs(4 * 60);

/// What planning needs to know about a standing rule.
#[derive(Debug, Clone, Copy)]
pub struct RecurringFacts<'a> {
    pub rule_id: Uuid,
    /// The recurring template of the content it came from.
    pub template_id: Option<&'a str>,
    pub recurrence: &'a Recurrence,
    pub category: &'a str,
    pub priority: Priority,
    /// Wall-clock time of the rule's last slot, see [`super::recurrence::slot_local`]; nothing up to it comes again.
    pub served: Option<civil::DateTime>,
    /// Silent on the whole local day of a dosing session, also before it begins.
    pub skip_on_dosing_day: bool,
    /// Every second occurrence after a served one is left out, see [`super::attention`].
    pub halved: bool,
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
    Some(place(now, next(now, facts, zone)?, facts, zone, policy, hush))
}

/// The occurrence that comes next. A halved rule leaves out the one right after the last that was served, and only that
/// one, so that planning again gives the same.
fn next(now: DateTime<Utc>, facts: &RecurringFacts<'_>, zone: &Zone) -> Option<Occurrence> {
    let search = |after: DateTime<Utc>, served| facts.recurrence.next_after_served(after, served, zone);
    let found = search(now, facts.served)?;
    match left_out(facts, zone) {
        Some(left_out) if left_out == found.local => search(now, Some(left_out)),
        _ => Some(found),
    }
}

/// The wall-clock time that a halved rule leaves out.
fn left_out(facts: &RecurringFacts<'_>, zone: &Zone) -> Option<civil::DateTime> {
    let served = facts.served.filter(|_| facts.halved)?;
    let after = facts.recurrence.next_after_served(zone.instant(served), Some(served), zone)?;
    Some(after.local)
}

/// The open row of a rule anew, after zone, policy, sessions or the rule itself changed: the same slot while the rule
/// still has it and it is fresh, else the next occurrence.
///
/// Asking [`plan_recurring`] instead would lose a row that is due but not sent yet, and one that quiet hours moved to
/// later than its slot.
pub fn replan_recurring(
    now: DateTime<Utc>,
    facts: &RecurringFacts<'_>,
    open: civil::DateTime,
    zone: &Zone,
    policy: &Policy,
    hush: &[HushWindow],
) -> Option<Planned> {
    let occurrence = Occurrence { local: open, due: zone.instant(open) };
    let unserved = facts.served.is_none_or(|served| open > served) && left_out(facts, zone) != Some(open);
    // A slot still ahead needs no help: the search from now on finds it, or an earlier one of an edited rule.
    if unserved && occurrence.due <= now && facts.recurrence.has_slot(open, zone) {
        let again = place(now, occurrence, facts, zone, policy, hush);
        if again.state == PlannedState::Planned && now < again.expires_at {
            return Some(again);
        }
    }
    plan_recurring(now, facts, zone, policy, hush)
}

fn place(
    now: DateTime<Utc>,
    occurrence: Occurrence,
    facts: &RecurringFacts<'_>,
    zone: &Zone,
    policy: &Policy,
    hush: &[HushWindow],
) -> Planned {
    let routine = facts.priority != Priority::High;
    let decide_at = |due_at: DateTime<Utc>| {
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
        decide_at(occurrence.due)
    };
    let (due_at, state) = match decision {
        Decision::Suppress(reason) => (occurrence.due, PlannedState::Suppressed(reason)),
        Decision::Send(at) | Decision::MoveTo(at) => {
            // The offset must not carry a prompt out of its window or into a silence.
            let shifted =
                facts.spread.and_then(|offset| TimeDelta::from_std(offset).ok()).map(|offset| at + offset);
            let shifted =
                shifted.filter(|shifted| routine && decide_at(*shifted) == Decision::Send(*shifted));
            (shifted.unwrap_or(at), PlannedState::Planned)
        }
    };
    let closes = policy.window_of(facts.category).closes_after(due_at, zone);
    let limit = due_at + RECURRING_FRESHNESS;
    Planned {
        slot: occurrence.slot(facts.rule_id),
        template_id: facts.template_id.map(str::to_owned),
        category: facts.category.to_owned(),
        priority: facts.priority,
        routine,
        local_date: zone.local_date(due_at),
        due_at,
        expires_at: closes.map_or(limit, |closes| limit.min(closes)),
        state,
    }
}

/// A whole number of seconds from zero to `span`, always the same for a patient.
pub fn spread_offset(patient: Uuid, span: Duration) -> Duration {
    // FNV-1a: ids made in one second share their first bytes, and every byte must count.
    let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = patient.as_bytes().iter().fold(0xcbf2_9ce4_8422_2325, mix);
    Duration::from_secs((hash ^ (hash >> 32)) % span.as_secs().saturating_add(1))
}
