//! Session plans as diffs, played against a small ledger.

use chrono::TimeDelta;
use proptest::prelude::*;
use uuid::Uuid;

use super::ledger::{Ledger, existing, template_of};
use super::{at, berlin};
use crate::content::{Priority, protocols};
use crate::reminders::rules::localtime::Zone;
use crate::reminders::rules::planned::Change;
use crate::reminders::rules::policy::{HushWindow, Policy, Reason};
use crate::reminders::rules::session::{
    ExistingRow, SessionFacts, SessionState, placement_after_move, plan_session, session_slot,
    waits_for_record,
};

/// A dosing session at the clinic on Wednesday 21 January 2026, 14:00 to 16:30 in Berlin.
fn dosing() -> SessionFacts {
    let (starts_at, ends_at) = (at("2026-01-21T14:00:00+01:00"), at("2026-01-21T16:30:00+01:00"));
    SessionFacts {
        id: Uuid::from_u128(9),
        kind: "dosing".into(),
        location: "clinic".into(),
        starts_at,
        ends_at,
        placement: 0,
        state: SessionState::Planned,
        completed_at: None,
        is_first_of_kind: true,
        is_last_of_kind: false,
        next_dosing_start: None,
        hush: vec![HushWindow::of_dosing(starts_at, ends_at, None, TimeDelta::minutes(30))],
    }
}

fn shifted(facts: &SessionFacts, by: TimeDelta) -> SessionFacts {
    let (starts_at, ends_at) = (facts.starts_at + by, facts.ends_at + by);
    let hush = vec![HushWindow::of_dosing(starts_at, ends_at, None, TimeDelta::minutes(30))];
    SessionFacts { starts_at, ends_at, hush, ..facts.clone() }
}

const EARLY: &str = "2026-01-01T09:00:00+01:00";

#[test]
fn a_scheduled_session_is_planned_in_full() {
    let mut ledger = Ledger::default();
    ledger.plan(at(EARLY), &dosing());
    let open = ledger.open();
    assert_eq!(open["dosing-plan-week"], at("2026-01-14T10:00:00+01:00"));
    assert_eq!(open["dosing-fasting"], at("2026-01-20T18:00:00+01:00"));
    assert_eq!(open["dosing-morning"], at("2026-01-21T10:00:00+01:00"), "exact: four hours before");
    assert_eq!(open["dosing-safety"], at("2026-01-21T17:00:00+01:00"));
    assert_eq!(open["dosing-morning-after"], at("2026-01-22T08:30:00+01:00"));
    assert_eq!(open["dosing-two-weeks"], at("2026-02-04T10:00:00+01:00"));
    assert!(!open.contains_key("home-space"), "only at home");
    assert!(ledger.rows.iter().all(|(row, _)| row.slot.ends_with(":0") && row.slot.starts_with("session:")));
    assert_eq!(ledger.plan(at(EARLY), &dosing()), [], "planning again changes nothing");
}

#[test]
fn place_and_position_in_the_plan_choose_the_templates() {
    let home = SessionFacts { location: "home".into(), is_first_of_kind: false, ..dosing() };
    let mut ledger = Ledger::default();
    ledger.plan(at(EARLY), &home);
    assert!(ledger.open().contains_key("home-companion") && !ledger.open().contains_key("dosing-plan-week"));
    let changes = ledger.plan(at(EARLY), &SessionFacts { location: "clinic".into(), ..home });
    assert_eq!(changes.len(), 3);
    assert_eq!(ledger.reason("home-space"), Some(Reason::SessionMoved));
}

#[test]
fn a_small_shift_moves_what_is_open_and_leaves_what_was_sent() {
    let mut ledger = Ledger::default();
    ledger.plan(at(EARLY), &dosing());
    let evening = at("2026-01-20T20:00:00+01:00");
    ledger.send_due(evening);
    let changes = ledger.plan(evening, &shifted(&dosing(), TimeDelta::hours(1)));
    assert!(changes.iter().all(|change| matches!(change, Change::Move { .. })), "{changes:?}");
    assert_eq!(ledger.open()["dosing-morning"], at("2026-01-21T11:00:00+01:00"));
    assert!(!ledger.open().contains_key("dosing-fasting"), "sent already");
}

#[test]
fn another_day_is_a_new_placement_and_reminds_in_full_again() {
    let (old, zone) = (dosing(), berlin());
    let mut ledger = Ledger::default();
    ledger.plan(at(EARLY), &old);
    let now = at("2026-01-20T20:00:00+01:00");
    ledger.send_due(now);
    let mut moved = shifted(&old, TimeDelta::days(5));
    moved.placement = placement_after_move(old.starts_at, moved.starts_at, &zone, old.placement);
    assert_eq!(moved.placement, 1);
    ledger.plan(now, &moved);
    assert_eq!(
        ledger.open()["dosing-fasting"],
        at("2026-01-25T18:00:00+01:00"),
        "sent for the old day, due again"
    );
    let old_rows = ledger.rows.iter().filter(|(row, _)| row.slot.ends_with(":0"));
    assert!(old_rows.clone().all(|(row, _)| !row.open));
    assert!(old_rows.clone().any(|(_, reason)| *reason == Some(Reason::SessionMoved)));
}

#[test]
fn placements_count_other_dates_and_half_days() {
    let next = |from: &str, to: &str| placement_after_move(at(from), at(to), &berlin(), 3);
    assert_eq!(next("2026-01-21T14:00:00+01:00", "2026-01-21T23:59:00+01:00"), 3);
    assert_eq!(next("2026-01-21T23:00:00+01:00", "2026-01-22T00:30:00+01:00"), 4, "the local date changes");
    assert_eq!(next("2026-01-21T08:00:00+01:00", "2026-01-21T20:00:00+01:00"), 4, "twelve hours");
    assert_eq!(next("2026-01-21T20:00:00+01:00", "2026-01-21T08:00:01+01:00"), 3);
}

#[test]
fn cancelling_ends_every_open_row_and_nothing_else() {
    let mut ledger = Ledger::default();
    ledger.plan(at(EARLY), &dosing());
    ledger.send_due(at("2026-01-20T20:00:00+01:00"));
    let sent = ledger.rows.iter().filter(|(row, _)| !row.open).count();
    let cancelled = SessionFacts { state: SessionState::Cancelled, ..dosing() };
    let changes = ledger.plan(at("2026-01-20T20:00:00+01:00"), &cancelled);
    assert_eq!(changes.len() + sent, ledger.rows.len());
    assert!(ledger.open().is_empty());
    assert_eq!(ledger.reason("dosing-safety"), Some(Reason::SessionCancelled));
    assert_eq!(Ledger::default().plan(at(EARLY), &cancelled), [], "nothing is inserted for it");
}

#[test]
fn a_no_show_gets_none_of_the_after_session_reminders() {
    let mut ledger = Ledger::default();
    ledger.plan(at(EARLY), &dosing());
    let now = at("2026-01-21T15:00:00+01:00");
    ledger.send_due(now);
    ledger.plan(now, &SessionFacts { state: SessionState::NoShow, ..dosing() });
    assert!(ledger.open().is_empty());
    assert_eq!(ledger.reason("dosing-evening-check"), Some(Reason::SessionCancelled));
}

#[test]
fn after_session_reminders_follow_the_recorded_end() {
    let mut ledger = Ledger::default();
    ledger.plan(at(EARLY), &dosing());
    let now = at("2026-01-21T16:00:00+01:00");
    ledger.send_due(now);
    let mut done = SessionFacts { state: SessionState::Completed, completed_at: Some(now), ..dosing() };
    done.hush =
        vec![HushWindow::of_dosing(done.starts_at, done.ends_at, done.completed_at, TimeDelta::minutes(30))];
    ledger.plan(now, &done);
    assert_eq!(ledger.open()["dosing-safety"], at("2026-01-21T16:30:00+01:00"));
    assert_eq!(ledger.open()["dosing-rest"], at("2026-01-21T18:00:00+01:00"));
}

#[test]
fn starting_early_ends_what_would_come_before() {
    let mut ledger = Ledger::default();
    ledger.plan(at(EARLY), &dosing());
    let now = at("2026-01-21T12:30:00+01:00");
    ledger.send_due(now);
    ledger.plan(now, &SessionFacts { state: SessionState::Started, ..dosing() });
    assert_eq!(ledger.reason("dosing-grounding"), Some(Reason::Superseded));
    assert!(ledger.open().contains_key("dosing-safety"));
}

#[test]
fn scheduled_late_says_so_but_high_ones_still_fresh_are_due_now() {
    let now = at("2026-01-20T19:30:00+01:00");
    let mut ledger = Ledger::default();
    ledger.plan(now, &dosing());
    let open = ledger.open();
    for template in ["dosing-fasting", "dosing-checklist", "dosing-ride", "dosing-health-changes"] {
        assert_eq!(open[template], now, "{template}");
    }
    assert_eq!(ledger.reason("dosing-intention"), Some(Reason::ScheduledLate), "normal");
    assert_eq!(ledger.reason("dosing-plan-week"), Some(Reason::ScheduledLate));
    assert_eq!(open["dosing-easy-evening"], at("2026-01-20T20:30:00+01:00"));
    assert_eq!(ledger.plan(now + TimeDelta::seconds(30), &dosing()), [], "what is due now is not put off");
    let mut after_start = Ledger::default();
    after_start.plan(at("2026-01-21T14:00:00+01:00"), &dosing());
    assert_eq!(after_start.reason("dosing-checklist"), Some(Reason::ScheduledLate), "not once it begins");
}

#[test]
fn late_at_night_high_ones_wait_for_the_morning() {
    let mut ledger = Ledger::default();
    ledger.plan(at("2026-01-20T23:00:00+01:00"), &dosing());
    assert_eq!(ledger.open()["dosing-checklist"], at("2026-01-21T08:00:00+01:00"));
    assert_eq!(
        ledger.reason("dosing-fasting"),
        Some(Reason::QuietHours),
        "fresh until 06:00, so neither side fits"
    );
}

#[test]
fn a_slot_suppressed_as_late_is_opened_when_a_small_move_brings_it_back() {
    let now = at("2026-01-21T10:30:00+01:00");
    let mut ledger = Ledger::default();
    ledger.plan(now, &dosing());
    assert_eq!(ledger.reason("dosing-morning"), Some(Reason::ScheduledLate));
    ledger.plan(now, &shifted(&dosing(), TimeDelta::hours(3)));
    assert_eq!(ledger.open()["dosing-morning"], at("2026-01-21T13:00:00+01:00"));
    ledger.send_due(at("2026-01-21T13:00:00+01:00"));
    ledger.plan(at("2026-01-21T13:05:00+01:00"), &shifted(&dosing(), TimeDelta::hours(4)));
    assert!(!ledger.open().contains_key("dosing-morning"), "sent once within a placement");
}

#[test]
fn an_open_row_pulled_into_the_past_is_sent_now_while_fresh() {
    let mut ledger = Ledger::default();
    ledger.plan(at(EARLY), &dosing());
    let now = at("2026-01-21T09:45:00+01:00");
    ledger.send_due(now);
    ledger.plan(now, &shifted(&dosing(), TimeDelta::hours(-1)));
    assert_eq!(ledger.open()["dosing-morning"], now, "four hours before 13:00 was 09:00");
}

#[test]
fn before_session_reminders_never_reach_the_start() {
    let early = shifted(&dosing(), TimeDelta::minutes(-6 * 60 - 15));
    let mut ledger = Ledger::default();
    ledger.plan(at(EARLY), &early);
    assert_eq!(ledger.open()["dosing-morning"], at("2026-01-20T21:29:00+01:00"), "the evening before");
    assert_eq!(ledger.open()["dosing-grounding"], at("2026-01-20T21:29:00+01:00"));
    let row = ledger.rows.iter().find(|(row, _)| template_of(&row.slot) == "dosing-ride").unwrap();
    assert_eq!(row.0.expires_at, early.starts_at);
}

#[test]
fn a_row_moved_back_before_quiet_hours_stays_while_it_is_about_to_be_sent() {
    let early = shifted(&dosing(), TimeDelta::minutes(-6 * 60 - 15));
    let mut ledger = Ledger::default();
    ledger.plan(at(EARLY), &early);
    let now = at("2026-01-20T21:29:20+01:00");
    for (row, _) in ledger.rows.iter_mut().filter(|(row, _)| row.due_at < now - TimeDelta::minutes(1)) {
        row.open = false;
    }
    assert_eq!(ledger.plan(now, &early), []);
    assert!(ledger.open().contains_key("dosing-morning"));
}

#[test]
fn a_day_that_does_not_exist_pushes_nothing_past_the_start() {
    let (starts_at, zone) = (at("2011-12-30T18:00:00Z"), Zone::parse("Pacific/Apia").unwrap());
    let facts =
        SessionFacts { starts_at, ends_at: starts_at + TimeDelta::hours(2), hush: vec![], ..dosing() };
    let now = at("2011-12-01T00:00:00Z");
    let changes = plan_session(&protocols().reminders, now, &facts, &zone, &Policy::default(), &[]);
    for change in changes {
        let Change::Insert(planned) = change else { panic!("{change:?}") };
        let template = protocols().template(template_of(&planned.slot)).unwrap();
        assert!(!template.offset.is_negative() || planned.due_at < starts_at, "{}", planned.slot);
    }
}

#[test]
fn a_high_reminder_held_up_by_hush_stays_fresh_until_the_start_at_most() {
    let mut home = SessionFacts { location: "home".into(), ..dosing() };
    let other = |from: i64, to: i64| HushWindow {
        start: home.starts_at - TimeDelta::minutes(from),
        end: home.starts_at - TimeDelta::minutes(to),
    };
    home.hush = vec![other(240, 30)];
    let mut ledger = Ledger::default();
    ledger.plan(home.starts_at - TimeDelta::minutes(210), &home);
    let row = &ledger.rows.iter().find(|(row, _)| template_of(&row.slot) == "home-space").unwrap().0;
    assert!(row.open);
    assert_eq!((row.due_at, row.expires_at), (home.starts_at - TimeDelta::minutes(30), home.starts_at));
    let mut after = dosing();
    after.hush = vec![HushWindow { start: after.starts_at, end: after.ends_at + TimeDelta::hours(38) }];
    let mut ledger = Ledger::default();
    ledger.plan(at(EARLY), &after);
    let row =
        &ledger.rows.iter().find(|(row, _)| template_of(&row.slot) == "dosing-morning-after").unwrap().0;
    assert!(row.open && row.due_at > at("2026-01-22T20:30:00+01:00"));
    assert_eq!(row.expires_at, row.due_at + TimeDelta::hours(1));
}

#[test]
fn the_next_dosing_session_supersedes_the_integration_of_this_one() {
    let mut ledger = Ledger::default();
    ledger.plan(at(EARLY), &dosing());
    let next = SessionFacts { next_dosing_start: Some(at("2026-01-24T14:00:00+01:00")), ..dosing() };
    ledger.plan(at(EARLY), &next);
    assert_eq!(ledger.reason("dosing-journal-insight"), Some(Reason::Superseded));
    assert!(ledger.open().contains_key("dosing-journal-body"), "before it");
    ledger.plan(at(EARLY), &dosing());
    assert!(ledger.open().contains_key("dosing-journal-insight"), "back when that session is gone");
}

#[test]
fn hush_moves_unmarked_reminders_to_its_end_and_lets_marked_ones_pass() {
    let mut facts = dosing();
    facts.hush[0].end = at("2026-01-21T18:00:00+01:00");
    let mut ledger = Ledger::default();
    ledger.plan(at(EARLY), &facts);
    assert_eq!(ledger.open()["dosing-first-impressions"], at("2026-01-21T18:00:00+01:00"));
    assert_eq!(ledger.open()["dosing-safety"], at("2026-01-21T17:00:00+01:00"), "marked");
}

#[test]
fn a_clinic_takes_a_template_away() {
    let planned =
        plan_session(&protocols().reminders, at(EARLY), &dosing(), &berlin(), &Policy::default(), &[]);
    let Some(Change::Insert(first)) = planned.first() else { panic!("nothing planned") };
    let rows = [existing(Uuid::nil(), first)];
    let changes = plan_session([], at(EARLY), &dosing(), &berlin(), &Policy::default(), &rows);
    assert_eq!(changes, [Change::Cancel { id: Uuid::nil(), reason: Reason::Superseded }]);
    let other = ExistingRow { slot: session_slot(Uuid::from_u128(8), "x", 0), ..rows[0].clone() };
    assert_eq!(plan_session([], at(EARLY), &dosing(), &berlin(), &Policy::default(), &[other]), []);
}

#[test]
fn a_change_of_zone_moves_wall_clock_reminders_and_keeps_exact_ones() {
    let mut ledger = Ledger::default();
    ledger.plan(at(EARLY), &dosing());
    let rows: Vec<_> = ledger.rows.iter().map(|(row, _)| row.clone()).collect();
    let lisbon = Zone::parse("Europe/Lisbon").unwrap();
    for change in
        plan_session(&protocols().reminders, at(EARLY), &dosing(), &lisbon, &Policy::default(), &rows)
    {
        ledger.apply(change);
    }
    assert_eq!(ledger.open()["dosing-fasting"], at("2026-01-20T18:00:00Z"));
    assert_eq!(ledger.open()["dosing-morning"], at("2026-01-21T09:00:00Z"));
}

#[test]
fn without_a_record_only_safety_texts_go_out() {
    let template = |id: &str| protocols().template(id).unwrap();
    let late = at("2026-01-21T18:30:00+01:00");
    assert!(waits_for_record(template("dosing-rest"), &dosing(), late));
    assert!(!waits_for_record(template("dosing-rest"), &dosing(), late - TimeDelta::seconds(1)));
    assert!(!waits_for_record(template("dosing-evening-check"), &dosing(), late));
    assert!(!waits_for_record(template("dosing-morning-after"), &dosing(), late));
    assert!(!waits_for_record(template("dosing-fasting"), &dosing(), late), "before the session");
    let recorded = SessionFacts { completed_at: Some(dosing().ends_at), ..dosing() };
    assert!(!waits_for_record(template("dosing-rest"), &recorded, late));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// A session is moved about while time passes: nothing is sent twice in a placement, nothing outside its window.
    #[test]
    fn moves_at_any_moment_keep_every_promise(steps in prop::collection::vec((0..4_000_i64, -900..900_i64), 1..12)) {
        let (mut facts, mut now, mut ledger) = (dosing(), at("2026-01-14T09:00:00+01:00"), Ledger::default());
        ledger.plan(now, &facts);
        for (wait, shift) in steps {
            now += TimeDelta::minutes(wait / 4);
            ledger.send_due(now);
            let moved = shifted(&facts, TimeDelta::minutes(shift));
            let placement = placement_after_move(facts.starts_at, moved.starts_at, &berlin(), facts.placement);
            facts = SessionFacts { placement, ..moved };
            ledger.plan(now, &facts);
            prop_assert_eq!(ledger.plan(now, &facts), vec![]);
            for (row, reason) in &ledger.rows {
                prop_assert_eq!(row.open, row.open && reason.is_none());
                let template = protocols().template(template_of(&row.slot)).unwrap();
                if !row.open {
                    continue;
                }
                let current = format!(":{}", facts.placement);
                prop_assert!(row.slot.ends_with(&current));
                prop_assert!(row.due_at >= now && row.due_at < row.expires_at);
                prop_assert!(!template.offset.is_negative() || row.expires_at <= facts.starts_at);
                let hushed = facts.hush.iter().any(|hush| hush.contains(row.due_at));
                let quiet = !Policy::default().window.contains(row.due_at, &berlin());
                prop_assert!(template.ignores_quiet_hours || !(hushed || quiet), "{} {}", row.slot, row.due_at);
            }
            let fresh_high = protocols().reminders.iter().filter(|t| t.priority == Priority::High);
            for template in fresh_high.filter(|t| t.session_kinds[0] == "dosing" && t.locations.is_empty()) {
                let slot = session_slot(facts.id, &template.id, facts.placement);
                let known = ledger.rows.iter().any(|(row, _)| row.slot == slot);
                prop_assert!(known, "{} has no row", slot);
            }
        }
    }
}
