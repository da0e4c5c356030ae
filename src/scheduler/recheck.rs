//! The question asked again at the moment of sending: whoever paused, ended care, moved a session or did the thing
//! meanwhile is not reminded of it. Pure: facts in, verdict out.

use chrono::{DateTime, Duration, NaiveDate, Utc};
use entity::{notifications, reminders};

use super::{facts::Facts, recipient::Recipient};
use crate::{
    alerts::ALERT,
    content::{Action, Priority, ReminderTemplate, SkipIf, protocols},
    measures::DAILY,
    reminders::{
        ACCOUNT, RULE, SESSION, SNOOZE, goes_on, recurrence, recurring_facts,
        rules::{
            attention::RESTS_AFTER,
            planned::{Change, Planned},
            policy::{Candidate, Decision, Kind, Reason, decide},
            recurrence::slot_local,
            recurring::plan_recurring,
            session::{ExistingRow, plan_session, waits_for_record},
        },
        session_facts, skips_dosing_day, takes_place,
    },
};

/// How long until a reminder that waits for the record of a session asks again. The record plans it anew, for
/// later; this is for a record that came while it was just being asked about.
const ASK_AGAIN: Duration = Duration::hours(1);

/// What becomes of a claimed notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Send,
    /// Not any more: it is too late to be of use.
    Expired,
    Suppress(Reason),
    Cancel(Reason),
    /// Not now: come back at this instant.
    Postpone(DateTime<Utc>),
    /// It belongs to another time, which was not known yet when it was claimed.
    Move {
        due_at: DateTime<Utc>,
        expires_at: DateTime<Utc>,
        local_date: NaiveDate,
    },
}

/// Whether the answer depends on what the patient did in the last day.
pub fn may_be_done(row: &notifications::Model) -> bool {
    row.category == "measure" || skips(row).is_some_and(|(skip_if, _)| !skip_if.is_empty())
}

/// What makes a reminder of the content needless, and what it asks for.
fn skips(row: &notifications::Model) -> Option<(&'static [SkipIf], &'static Action)> {
    let id = row.template_id.as_deref()?;
    let of_session = protocols().template(id).map(|one| (one.skip_if.as_slice(), &one.action));
    of_session.or_else(|| protocols().recurring_template(id).map(|one| (one.skip_if.as_slice(), &one.action)))
}

/// The template of a session's reminder, as the recipient's clinic has it.
fn template<'a>(recipient: &'a Recipient, row: &notifications::Model) -> Option<&'a ReminderTemplate> {
    row.template_id.as_deref().and_then(|id| recipient.timeline.template(id))
}

/// Judges one notification by the facts of its batch.
pub fn judge(facts: &Facts, row: &notifications::Model) -> Verdict {
    let Some(recipient) = facts.recipient(row.recipient_id) else {
        return Verdict::Suppress(Reason::AccountClosed);
    };
    if facts.now >= row.expires_at {
        return Verdict::Expired;
    }
    // Staff are told of an alert for as long as nobody has acknowledged it; quiet hours are the ladder's business.
    if row.origin_kind == ALERT {
        let open = facts.open_alerts.contains(&row.origin_id);
        return if open { Verdict::Send } else { Verdict::Cancel(Reason::AlreadyDone) };
    }
    // What happened to the account is no reminder: whoever it is told late could no longer stop it.
    if row.origin_kind == ACCOUNT {
        return Verdict::Send;
    }
    if recipient.consent_withdrawn {
        return Verdict::Suppress(Reason::ConsentWithdrawn);
    }
    // Confirmed in the app before it came.
    if row.done_at.is_some() {
        return Verdict::Suppress(Reason::AlreadyDone);
    }
    let origin = match row.origin_kind.as_str() {
        SESSION => judge_session(facts, recipient, row),
        RULE => judge_rule(facts, recipient, row),
        SNOOZE => judge_snooze(facts, recipient, row),
        _ => None,
    };
    origin
        .or_else(|| judge_done(facts.now, recipient, row))
        .unwrap_or_else(|| judge_policy(facts, recipient, row))
}

fn judge_rule(facts: &Facts, recipient: &Recipient, row: &notifications::Model) -> Option<Verdict> {
    let Some(rule) = facts.rule(row).filter(|rule| goes_on(rule, recipient.active_plan)) else {
        return Some(Verdict::Cancel(Reason::Superseded));
    };
    if recipient.needs_support {
        return Some(Verdict::Suppress(Reason::Paused));
    }
    if facts.ignored(rule) >= RESTS_AFTER {
        return Some(Verdict::Suppress(Reason::Ignored));
    }
    let on_day = |start| recipient.zone.local_date(start) == row.local_date;
    let dosing_day = recipient.hush.iter().any(|hush| on_day(hush.start));
    if dosing_day && skips_dosing_day(rule) {
        return Some(Verdict::Suppress(Reason::Hush));
    }
    judge_slot(facts, recipient, rule, row)
}

/// Planning leaves alone what is claimed: a rule that was changed meanwhile, or a patient who travelled, is made up for
/// here.
fn judge_slot(
    facts: &Facts,
    recipient: &Recipient,
    rule: &reminders::Model,
    row: &notifications::Model,
) -> Option<Verdict> {
    let (recurrence, slot) = (recurrence(rule).ok()?, slot_local(&row.slot)?);
    let zone = &recipient.zone;
    if !recurrence.has_slot(slot, zone) {
        return Some(Verdict::Cancel(Reason::Superseded));
    }
    if zone.instant(slot) <= facts.now {
        return None;
    }
    let seen = recurring_facts(rule, &recurrence, None, 0);
    let again = plan_recurring(facts.now, &seen, zone, &recipient.policy, &recipient.hush)?;
    let Planned { due_at, expires_at, local_date, .. } = again;
    (again.slot == row.slot).then_some(Verdict::Move { due_at, expires_at, local_date })
}

/// What was put off still has its session or rule. Planning moves and ends it; this is for what changed since.
fn judge_snooze(facts: &Facts, recipient: &Recipient, row: &notifications::Model) -> Option<Verdict> {
    let of_session = row.template_id.as_deref().is_some_and(|id| protocols().template(id).is_some());
    if !of_session {
        let off = facts.rule(row).is_some_and(|rule| !rule.active);
        return off.then_some(Verdict::Cancel(Reason::Superseded));
    }
    if !recipient.in_care {
        return Some(Verdict::Suppress(Reason::CareEnded));
    }
    let session = recipient.sessions.iter().find(|session| session.id.0 == row.origin_id);
    let ended = session.is_none_or(|session| !takes_place(session));
    ended.then_some(Verdict::Cancel(Reason::SessionCancelled))
}

/// The session must still take place as it did when this was planned.
fn judge_session(facts: &Facts, recipient: &Recipient, row: &notifications::Model) -> Option<Verdict> {
    if !recipient.in_care {
        return Some(Verdict::Suppress(Reason::CareEnded));
    }
    let Some(session) = recipient.sessions.iter().find(|session| session.id.0 == row.origin_id) else {
        return Some(Verdict::Cancel(Reason::SessionCancelled));
    };
    let seen = session_facts(session, &recipient.sessions, &recipient.hush);
    let template = template(recipient, row);
    // Planning leaves alone what is claimed: what changed meanwhile is made up for here, by the same rules.
    let planned =
        plan_session(template, facts.now, &seen, &recipient.zone, &recipient.policy, &[as_planned(row)]);
    match planned.into_iter().next_back() {
        Some(Change::Cancel { reason, .. }) if !reason.is_policy() => return Some(Verdict::Cancel(reason)),
        Some(Change::Move { due_at, expires_at, local_date, .. }) if due_at > facts.now => {
            return Some(Verdict::Move { due_at, expires_at, local_date });
        }
        _ => {}
    }
    let template = template?;
    if template.superseded_by_next_dosing && seen.next_dosing_start.is_some_and(|next| next <= facts.now) {
        return Some(Verdict::Suppress(Reason::Superseded));
    }
    // Without a record of the end nobody knows whether what follows it applies. It waits, for a record plans it anew;
    // ended here, it could never come.
    waits_for_record(template, &seen, facts.now)
        .then(|| Verdict::Postpone((facts.now + ASK_AGAIN).min(row.expires_at)))
}

/// A claimed row as planning would see it, were it not claimed.
fn as_planned(row: &notifications::Model) -> ExistingRow {
    ExistingRow {
        id: row.id.0,
        slot: row.slot.clone(),
        local_date: row.local_date,
        due_at: row.due_at,
        expires_at: row.expires_at,
        open: true,
        may_reopen: false,
    }
}

/// Nobody is asked for what they have just done.
fn judge_done(now: DateTime<Utc>, recipient: &Recipient, row: &notifications::Model) -> Option<Verdict> {
    let done = match skips(row) {
        Some((skip_if, action)) => skip_if.iter().any(|skip| is_done(now, recipient, action, *skip)),
        None => row.category == "measure" && recipient.checked_in,
    };
    done.then_some(Verdict::Suppress(Reason::AlreadyDone))
}

fn is_done(now: DateTime<Utc>, recipient: &Recipient, action: &Action, skip: SkipIf) -> bool {
    let refers_to = action.reference.as_deref();
    match skip {
        SkipIf::MeasuresComplete => !recipient.measures_open,
        // The daily form is filled in as a check-in, every other one as a response.
        SkipIf::MeasureDone24h if refers_to == Some(DAILY) => recipient.checked_in,
        SkipIf::MeasureDone24h => refers_to.is_some_and(|measure| recipient.answered.contains(measure)),
        SkipIf::JournalDone24h => refers_to.is_some_and(|template| recipient.wrote.contains(template)),
        SkipIf::NextAppointmentBooked => {
            recipient.sessions.iter().any(|session| session.state == "planned" && session.starts_at > now)
        }
    }
}

/// Hush before quiet hours before the cap, as when it was planned.
fn judge_policy(facts: &Facts, recipient: &Recipient, row: &notifications::Model) -> Verdict {
    let template = template(recipient, row);
    let session = recipient.sessions.iter().find(|session| session.id.0 == row.origin_id);
    let kind = match (template, session) {
        (Some(template), Some(session)) if template.offset.is_negative() => {
            Kind::BeforeSession(session.starts_at)
        }
        _ if row.routine => Kind::Routine,
        _ => Kind::Other,
    };
    let priority = Priority::from_word(&row.priority).unwrap_or(Priority::Normal);
    let candidate = Candidate {
        category: &row.category,
        priority,
        kind,
        ignores_quiet_hours: template.is_some_and(|template| template.ignores_quiet_hours),
        due_at: facts.now,
        expires_at: row.expires_at,
        not_before: facts.now,
    };
    match decide(&candidate, &recipient.policy, &recipient.zone, &recipient.hush) {
        Decision::Suppress(reason) => Verdict::Suppress(reason),
        Decision::MoveTo(at) if at > facts.now => Verdict::Postpone(at),
        _ if over_cap(recipient, row, priority) => Verdict::Suppress(Reason::DailyCap),
        _ => Verdict::Send,
    }
}

fn over_cap(recipient: &Recipient, row: &notifications::Model, priority: Priority) -> bool {
    // The cap spares patients; staff are told of what is theirs to do.
    if priority == Priority::High || row.origin_kind == SNOOZE || recipient.is_staff {
        return false;
    }
    let (sent, routine) = recipient.sent.get(&row.local_date).copied().unwrap_or_default();
    let expected = recipient.expected.get(&row.local_date).copied().unwrap_or_default();
    let all = if priority == Priority::Low { sent + expected } else { sent };
    let dosing = recipient.hush.iter().any(|hush| recipient.zone.local_date(hush.start) == row.local_date);
    let policy = &recipient.policy;
    let cap = if dosing { policy.cap_dosing_day } else { policy.cap };
    all >= i64::from(cap) || (row.routine && routine >= i64::from(policy.recurring_cap))
}
