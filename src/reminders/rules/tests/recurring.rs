//! Planning the next occurrence of a standing rule.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::TimeDelta;
use uuid::Uuid;

use super::{at, berlin};
use crate::content::Priority;
use crate::reminders::rules::localtime::Zone;
use crate::reminders::rules::planned::{Planned, PlannedState};
use crate::reminders::rules::policy::{HushWindow, Policy, Reason};
use crate::reminders::rules::recurrence::{Recurrence, slot_local};
use crate::reminders::rules::recurring::{
    DEFAULT_SPREAD, RecurringFacts, plan_recurring, replan_recurring, spread_offset,
};

fn daily(time: &str) -> Recurrence {
    Recurrence::Daily { time: time.parse().unwrap() }
}

fn facts(recurrence: &Recurrence) -> RecurringFacts<'_> {
    RecurringFacts {
        rule_id: Uuid::from_u128(1),
        template_id: None,
        recurrence,
        category: "mindfulness",
        priority: Priority::Normal,
        served: None,
        skip_on_dosing_day: false,
        halved: false,
        spread: None,
    }
}

fn plan(now: &str, facts: &RecurringFacts<'_>, hush: &[HushWindow]) -> Planned {
    plan_recurring(at(now), facts, &berlin(), &Policy::default(), hush).unwrap()
}

#[test]
fn exactly_the_next_occurrence_fresh_until_its_window_closes() {
    let rule = daily("20:00");
    let planned = plan("2026-01-20T12:00:00+01:00", &facts(&rule), &[]);
    assert_eq!(planned.slot, "rule:00000000-0000-0000-0000-000000000001:2026-01-20T20:00");
    assert_eq!((planned.due_at, planned.state), (at("2026-01-20T20:00:00+01:00"), PlannedState::Planned));
    assert_eq!(planned.expires_at, at("2026-01-20T21:30:00+01:00"));
    assert!(planned.routine && planned.local_date.to_string() == "2026-01-20");
    let noon = daily("12:30");
    assert_eq!(
        plan("2026-01-20T12:00:00+01:00", &facts(&noon), &[]).expires_at,
        at("2026-01-20T16:30:00+01:00")
    );
    let next = plan("2026-01-20T20:00:00+01:00", &facts(&rule), &[]);
    assert_eq!(next.due_at, at("2026-01-21T20:00:00+01:00"), "strictly after now");
}

#[test]
fn quiet_hours_move_it_or_say_why_not() {
    let early = plan("2026-01-20T03:00:00+01:00", &facts(&daily("06:30")), &[]);
    assert_eq!((early.due_at, early.state), (at("2026-01-20T08:00:00+01:00"), PlannedState::Planned));
    assert!(early.slot.ends_with("2026-01-20T06:30"));
    let late = plan("2026-01-20T03:00:00+01:00", &facts(&daily("22:00")), &[]);
    assert_eq!(late.state, PlannedState::Suppressed(Reason::QuietHours));
}

#[test]
fn silent_around_dosing_and_then_goes_on() {
    let dosing = HushWindow { start: at("2026-01-20T14:00:00+01:00"), end: at("2026-01-20T17:00:00+01:00") };
    let (morning, evening) = (daily("10:00"), daily("20:00"));
    let now = "2026-01-20T03:00:00+01:00";
    assert_eq!(plan(now, &facts(&morning), &[dosing]).state, PlannedState::Planned);
    let all_day = RecurringFacts { skip_on_dosing_day: true, ..facts(&morning) };
    assert_eq!(plan(now, &all_day, &[dosing]).state, PlannedState::Suppressed(Reason::Hush));
    let silent = plan(now, &facts(&evening), &[dosing]);
    assert_eq!(silent.state, PlannedState::Suppressed(Reason::Hush));
    let following = RecurringFacts { served: slot_local(&silent.slot), ..facts(&evening) };
    let next = plan(now, &following, &[dosing]);
    assert_eq!((next.due_at, next.state), (at("2026-01-21T20:00:00+01:00"), PlannedState::Planned));
}

#[test]
fn travelling_west_does_not_serve_a_local_date_twice() {
    let rule = daily("20:00");
    let new_york = Zone::parse("America/New_York").unwrap();
    let now = at("2026-01-20T20:00:00+01:00");
    let served = RecurringFacts { served: slot_local("rule:x:2026-01-20T20:00"), ..facts(&rule) };
    let due = |facts: RecurringFacts<'_>| {
        plan_recurring(now, &facts, &new_york, &Policy::default(), &[]).unwrap().due_at
    };
    assert_eq!(due(facts(&rule)), at("2026-01-20T20:00:00-05:00"));
    assert_eq!(due(served), at("2026-01-21T20:00:00-05:00"));
}

#[test]
fn an_open_row_keeps_its_slot_while_it_is_fresh() {
    let replan = |now: &str, rule: &Recurrence, slot: &str| {
        let open = slot_local(slot).unwrap();
        replan_recurring(at(now), &facts(rule), open, &berlin(), &Policy::default(), &[]).unwrap()
    };
    let (early, evening) = (daily("06:30"), daily("20:00"));
    let moved = replan("2026-01-20T07:00:00+01:00", &early, "rule:x:2026-01-20T06:30");
    assert_eq!(
        moved.due_at,
        at("2026-01-20T08:00:00+01:00"),
        "moved out of quiet hours, its slot has passed"
    );
    let due = replan("2026-01-20T20:00:03+01:00", &evening, "rule:x:2026-01-20T20:00");
    assert_eq!(due.due_at, at("2026-01-20T20:00:00+01:00"), "due and not sent yet");
    let expired = replan("2026-01-20T21:30:00+01:00", &evening, "rule:x:2026-01-20T20:00");
    assert_eq!(expired.due_at, at("2026-01-21T20:00:00+01:00"));
    let edited = replan("2026-01-20T12:00:00+01:00", &daily("18:00"), "rule:x:2026-01-20T20:00");
    assert_eq!(edited.due_at, at("2026-01-20T18:00:00+01:00"), "the rule has that slot no more");
    let edited = replan("2026-01-20T20:00:03+01:00", &daily("18:00"), "rule:x:2026-01-20T20:00");
    assert_eq!(edited.due_at, at("2026-01-21T18:00:00+01:00"), "nor keeps it because it was due");
    let hush = [HushWindow { start: at("2026-01-20T19:00:00+01:00"), end: at("2026-01-20T22:00:00+01:00") }];
    let (now, open) = (at("2026-01-20T20:00:03+01:00"), slot_local("rule:x:2026-01-20T20:00").unwrap());
    let hushed = replan_recurring(now, &facts(&evening), open, &berlin(), &Policy::default(), &hush).unwrap();
    assert_eq!(hushed.due_at, at("2026-01-21T20:00:00+01:00"), "silenced: the following one");
    let sooner = replan("2026-01-19T12:00:00+01:00", &evening, "rule:x:2026-01-20T20:00");
    assert_eq!(sooner.due_at, at("2026-01-19T20:00:00+01:00"), "an edited rule may fire before the open row");
    let served = RecurringFacts { served: slot_local("rule:x:2026-01-20T20:00"), ..facts(&evening) };
    let open = slot_local("rule:x:2026-01-20T20:00").unwrap();
    let now = at("2026-01-20T20:00:03+01:00");
    let next = replan_recurring(now, &served, open, &berlin(), &Policy::default(), &[]).unwrap();
    assert_eq!(next.due_at, at("2026-01-21T20:00:00+01:00"), "never a served slot");
}

#[test]
fn the_spread_is_stable_bounded_and_stays_inside_the_window() {
    let patients = (0..500_u128).map(|n| Uuid::from_u128((0x019a_0000_0000_7000_8000 << 48) | n));
    let offsets: BTreeSet<_> = patients.clone().map(|p| spread_offset(p, DEFAULT_SPREAD)).collect();
    assert!(offsets.len() > 120 && offsets.iter().all(|offset| *offset <= DEFAULT_SPREAD));
    assert!(patients.clone().all(|p| spread_offset(p, DEFAULT_SPREAD) == spread_offset(p, DEFAULT_SPREAD)));
    assert_eq!(spread_offset(Uuid::nil(), Duration::ZERO), Duration::ZERO);
    let spread = |rule: &Recurrence| {
        let spread = RecurringFacts { spread: Some(Duration::from_secs(90)), ..facts(rule) };
        plan("2026-01-20T03:00:00+01:00", &spread, &[]).due_at
    };
    assert_eq!(spread(&daily("12:30")), at("2026-01-20T12:31:30+01:00"));
    assert_eq!(spread(&daily("21:29")), at("2026-01-20T21:29:00+01:00"), "never past the window");
    assert_eq!(spread(&daily("07:00")), at("2026-01-20T08:01:30+01:00"), "the morning peak is spread too");
}

#[test]
fn rules_that_end_or_are_unsound_give_nothing_and_come_back() {
    let zero = Recurrence::EveryNDays {
        n: 0,
        anchor: "2026-01-01".parse().unwrap(),
        time: "09:00".parse().unwrap(),
    };
    let never = Recurrence::Cron { text: "0 9 30 2 *".into() };
    let empty = Recurrence::Weekly { days: vec![], time: "09:00".parse().unwrap() };
    for rule in [zero, never, empty, Recurrence::Cron { text: "nonsense".into() }] {
        let now = at("2026-01-20T12:00:00Z");
        assert_eq!(plan_recurring(now, &facts(&rule), &berlin(), &Policy::default(), &[]), None);
    }
    let paused = Policy { paused_until: Some(at("2026-02-01T00:00:00Z")), ..Policy::default() };
    let rule = daily("12:00");
    let planned = plan_recurring(at("2026-01-20T00:00:00Z"), &facts(&rule), &berlin(), &paused, &[]).unwrap();
    assert_eq!(planned.state, PlannedState::Suppressed(Reason::Paused));
    assert_eq!(planned.expires_at - planned.due_at, TimeDelta::hours(4));
}

#[test]
fn a_halved_rule_leaves_out_the_one_after_the_last_served_and_no_other() {
    let rule = daily("20:00");
    let halved = |served: Option<&str>| RecurringFacts {
        halved: true,
        served: served.and_then(|day| slot_local(&format!("rule:x:{day}T20:00"))),
        ..facts(&rule)
    };
    let day = |now: &str, facts: RecurringFacts<'_>| plan(now, &facts, &[]).local_date.to_string();
    let noon = |day: u32| format!("2026-01-{day}T12:00:00+01:00");
    assert_eq!(day(&noon(20), halved(None)), "2026-01-20", "nothing was served yet");
    assert_eq!(day(&noon(20), halved(Some("2026-01-19"))), "2026-01-21");
    assert_eq!(day(&noon(21), halved(Some("2026-01-19"))), "2026-01-21", "later in between gives the same");
    assert_eq!(day(&noon(23), halved(Some("2026-01-19"))), "2026-01-23", "and nothing is left out twice");
    let open = slot_local("rule:x:2026-01-20T20:00").unwrap();
    let now = at("2026-01-20T20:00:03+01:00");
    let kept = |facts: &RecurringFacts<'_>| {
        replan_recurring(now, facts, open, &berlin(), &Policy::default(), &[]).unwrap().local_date.to_string()
    };
    assert_eq!(kept(&halved(Some("2026-01-18"))), "2026-01-20", "due and not sent yet");
    assert_eq!(kept(&halved(Some("2026-01-19"))), "2026-01-21", "its slot is the one left out");
}
