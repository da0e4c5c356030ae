//! What holds for every reminder, whatever the day, the zone and the wishes: properties, with chrono-tz as the second
//! library wherever a wall clock is involved.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use proptest::prelude::*;
use uuid::Uuid;

use super::time::{ZONES, oracle};
use super::{at, berlin};
use crate::content::{Anchor, Priority, ReminderTemplate, protocols};
use crate::reminders::rules::localtime::{IsoDuration, LocalTime, Zone};
use crate::reminders::rules::planned::{Change, Planned, PlannedState};
use crate::reminders::rules::policy::{
    Candidate, CapRow, Decision, HushWindow, Kind, Policy, Reason, Window, apply_cap, decide,
};
use crate::reminders::rules::recurrence::{Recurrence, slot_local};
use crate::reminders::rules::recurring::{RecurringFacts, plan_recurring};
use crate::reminders::rules::session::{SessionFacts, SessionState, plan_session};
use crate::reminders::rules::timeline::Timeline;

fn minutes(from: &str, minutes: i64) -> DateTime<Utc> {
    at(from) + TimeDelta::minutes(minutes)
}

fn time(minute: i64) -> LocalTime {
    LocalTime::new(i8::try_from(minute / 60).unwrap(), i8::try_from(minute % 60).unwrap()).unwrap()
}

/// The same duration for chrono: months, days and the exact rest.
fn parts(duration: IsoDuration) -> (i64, i64, TimeDelta) {
    let text = duration.to_string();
    let (sign, rest) = text.strip_prefix('-').map_or((1, text.as_str()), |rest| (-1, rest));
    let date = rest.trim_start_matches('P').split('T').next().unwrap();
    let (mut months, mut days, mut number) = (0, 0, String::new());
    for letter in date.chars() {
        match letter {
            'M' => months = sign * std::mem::take(&mut number).parse::<i64>().unwrap(),
            'D' => days = sign * std::mem::take(&mut number).parse::<i64>().unwrap(),
            digit => number.push(digit),
        }
    }
    (months, days, duration.time_part())
}

fn shifted(date: NaiveDate, months: i64, days: i64) -> NaiveDate {
    let by = |n: i64| Months::new(u32::try_from(n.abs()).unwrap());
    let date = if months < 0 { date - by(months) } else { date + by(months) };
    let by = |n: i64| Days::new(u64::try_from(n.abs()).unwrap());
    if days < 0 { date - by(days) } else { date + by(days) }
}

/// When a template asks to be sent, by the second library.
fn wanted(template: &ReminderTemplate, tz: chrono_tz::Tz, facts: &SessionFacts) -> DateTime<Utc> {
    let anchor = if template.anchor == Anchor::Start { facts.starts_at } else { facts.ends_at };
    let (months, days, exact) = parts(template.offset);
    let local: NaiveDateTime = anchor.with_timezone(&tz).naive_local();
    let day = shifted(local.date(), months, days);
    match template.local_time {
        Some(clock) => {
            let clock: chrono::NaiveTime = format!("{clock}:00").parse().unwrap();
            oracle(tz, day.and_time(clock))
        }
        None if months == 0 && days == 0 => anchor + exact,
        None => oracle(tz, day.and_time(local.time())) + exact,
    }
}

fn session(kind: &str, location: &str, starts_at: DateTime<Utc>, hush: Vec<HushWindow>) -> SessionFacts {
    SessionFacts {
        id: Uuid::from_u128(5),
        kind: kind.into(),
        location: location.into(),
        starts_at,
        ends_at: starts_at + TimeDelta::minutes(150),
        placement: 0,
        state: SessionState::Planned,
        completed_at: None,
        is_first_of_kind: true,
        is_last_of_kind: true,
        next_dosing_start: None,
        hush,
    }
}

fn inserted(changes: Vec<Change>) -> Vec<Planned> {
    let insert = |change| match change {
        Change::Insert(planned) => planned,
        other => panic!("{other:?}"),
    };
    changes.into_iter().map(insert).collect()
}

/// A policy whose window never closes.
fn all_day() -> Policy {
    let midnight = LocalTime::new(0, 0).unwrap();
    Policy { window: Window { opens: midnight, closes: midnight }, ..Policy::default() }
}

prop_compose! {
    fn any_policy()(opens in 0..1440_i64, closes in 0..1440_i64, pause in prop::option::of(0..4000_i64)) -> Policy {
        Policy {
            window: Window { opens: time(opens), closes: time(closes) },
            paused_until: pause.map(|minute| minutes("2026-03-27T00:00:00Z", minute)),
            ..Policy::default()
        }
    }
}

prop_compose! {
    fn any_hush()(windows in prop::collection::vec((0..6000_i64, 1..400_i64), 0..3)) -> Vec<HushWindow> {
        let start = |minute| minutes("2026-03-27T00:00:00Z", minute);
        windows.into_iter().map(|(at, long)| HushWindow { start: start(at), end: start(at + long) }).collect()
    }
}

prop_compose! {
    fn any_priority()(n in 0..3_usize) -> Priority { [Priority::High, Priority::Normal, Priority::Low][n] }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Every template of the content, in every zone, at any time of three decades.
    #[test]
    fn every_template_asks_for_the_time_that_a_second_library_says(
        zone in 0..ZONES.len(), minute in 0..(19 * 365 * 1440_i64), kind in 0..6_usize, at_home: bool,
    ) {
        let name = ZONES[zone];
        let (zone, tz) = (Zone::parse(name).unwrap(), name.parse::<chrono_tz::Tz>().unwrap());
        let starts_at = minutes("2005-01-10T00:00:00Z", minute);
        let kind = &protocols().session_kinds[kind].id;
        let facts = session(kind, if at_home { "home" } else { "clinic" }, starts_at, Vec::new());
        let now = starts_at - TimeDelta::days(60);
        let planned = inserted(plan_session(&protocols().reminders, now, &facts, &zone, &all_day(), &[]));
        prop_assert!(!planned.is_empty());
        for one in planned {
            let template = protocols().template(one.template_id.as_deref().unwrap()).unwrap();
            prop_assert_eq!(one.due_at, wanted(template, tz, &facts), "{} in {}", &template.id, name);
            prop_assert!(template.locations.is_empty() || template.locations.contains(&facts.location));
            prop_assert!(one.expires_at > one.due_at);
            if template.offset.is_negative() {
                prop_assert!(one.due_at < starts_at && one.expires_at <= starts_at, "{}", &template.id);
            }
            let date = one.due_at.with_timezone(&tz).date_naive();
            prop_assert_eq!(one.local_date, date);
        }
    }

    /// Hush before quiet hours: what is placed lies in neither, in time, and on the right side.
    #[test]
    fn what_is_placed_is_open_fresh_and_in_order(
        policy in any_policy(), hush in any_hush(), priority in any_priority(), due in 0..5000_i64, fresh in 1..900_i64,
        before in prop::option::of(1..900_i64), planned in 0..5000_i64,
    ) {
        let (zone, due_at) = (berlin(), minutes("2026-03-27T00:00:00Z", due));
        let start = before.map(|minutes| due_at + TimeDelta::minutes(minutes));
        let expires_at = due_at + TimeDelta::minutes(fresh);
        let candidate = Candidate {
            category: "rest", priority, ignores_quiet_hours: false, due_at,
            kind: start.map_or(Kind::Other, Kind::BeforeSession),
            expires_at: start.map_or(expires_at, |start| expires_at.min(start)),
            not_before: minutes("2026-03-27T00:00:00Z", planned.min(due)),
        };
        let hushed = hush.iter().any(|window| window.contains(due_at));
        match decide(&candidate, &policy, &zone, &hush) {
            Decision::Send(at) | Decision::MoveTo(at) => {
                prop_assert!(hush.iter().all(|window| !window.contains(at)));
                prop_assert!(policy.window.contains(at, &zone));
                prop_assert!(start.is_none_or(|start| at < start));
                prop_assert!(policy.paused_until.is_none_or(|until| at >= until));
                prop_assert!(at >= due_at || (start.is_some() && at >= candidate.not_before));
                // Only what is high outlives its freshness, and only when hush held it up.
                prop_assert!(at < candidate.expires_at || (hushed && priority == Priority::High));
            }
            Decision::Suppress(Reason::Paused) => {
                prop_assert!(policy.paused_until.is_some_and(|until| due_at < until));
            }
            Decision::Suppress(reason) => {
                prop_assert_eq!(reason, if hushed { Reason::Hush } else { Reason::QuietHours });
                // A high one is never dropped by hush: with no session to come before, there is always a way.
                prop_assert!(!(hushed && priority == Priority::High && start.is_none()));
            }
        }
    }

    #[test]
    fn the_cap_keeps_what_matters_most_and_never_a_high_one_too_few(
        rows in prop::collection::vec((any_priority(), any::<bool>(), 0..1440_i64, any::<bool>()), 0..16),
        cap in 0..8_u8, dosing_day: bool,
    ) {
        let policy = Policy { cap, cap_dosing_day: cap.saturating_add(2), ..Policy::default() };
        let rows: Vec<CapRow<usize>> = rows
            .into_iter()
            .enumerate()
            .map(|(key, (priority, routine, minute, sent))| CapRow {
                key, priority, routine, due_at: minutes("2026-03-27T00:00:00Z", minute), sent,
            })
            .collect();
        let over = apply_cap(&rows, &policy, dosing_day);
        let limit = usize::from(if dosing_day { policy.cap_dosing_day } else { policy.cap });
        let counts = |row: &&CapRow<usize>| row.priority != Priority::High;
        let sent = rows.iter().filter(counts).filter(|row| row.sent).count();
        let kept: Vec<_> = rows.iter().filter(counts).filter(|row| !over.contains(&row.key)).collect();
        prop_assert!(kept.len() <= limit.max(sent), "{} of {limit}, {sent} sent", kept.len());
        let routine = kept.iter().filter(|row| row.routine).count();
        let routine_sent = kept.iter().filter(|row| row.routine && row.sent).count();
        prop_assert!(routine <= usize::from(policy.recurring_cap).max(routine_sent));
        for key in &over {
            let dropped = &rows[*key];
            prop_assert!(dropped.priority != Priority::High && !dropped.sent);
            // Whoever stays for it is more important, or earlier, or held to no cap of its own.
            let order = |row: &CapRow<usize>| (row.priority, row.due_at, row.key);
            let behind = kept.iter().filter(|row| !row.sent && order(row) > order(dropped)).count();
            prop_assert!(behind == 0 || dropped.routine, "{dropped:?}");
        }
    }

    /// A rule fires at most once on a local date and slot, never outside its window, and halved it leaves out every
    /// second one, however often it is planned in between.
    #[test]
    fn a_rule_lives_through_zones_and_wishes_without_doubling(
        hour in 0..24_i64, minute in 0..60_i64, halved: bool,
        steps in prop::collection::vec((0..2000_i64, 0..ZONES.len()), 1..40),
    ) {
        let recurrence = Recurrence::Daily { time: time(hour * 60 + minute) };
        let (mut now, mut served) = (at("2026-03-20T00:00:00Z"), None);
        let policy = Policy::default();
        for (wait, zone) in steps {
            let zone = Zone::parse(ZONES[zone]).unwrap();
            now += TimeDelta::minutes(wait);
            let facts = RecurringFacts {
                rule_id: Uuid::from_u128(3), template_id: None, recurrence: &recurrence, category: "mindfulness",
                priority: Priority::Normal, served, skip_on_dosing_day: true, halved, spread: None,
            };
            let plan = |at| plan_recurring(at, &facts, &zone, &policy, &[]).unwrap();
            let next = plan(now);
            let slot = slot_local(&next.slot).unwrap();
            prop_assert!(next.due_at > now && served.is_none_or(|served| slot > served));
            prop_assert_eq!(&plan(now).slot, &next.slot, "planning again gives the same");
            if next.state == PlannedState::Planned {
                prop_assert!(policy.window.contains(next.due_at, &zone) && next.due_at < next.expires_at);
            }
            if let Some(last) = served.filter(|_| halved) {
                let days = slot.date().since(last.date()).unwrap().get_days();
                prop_assert!(days >= 2, "{last} and {slot}");
            }
            now = now.max(next.due_at);
            served = Some(slot);
        }
    }

    /// A clinic's edit moves its template as the content's own arithmetic would.
    #[test]
    fn an_edited_timeline_is_planned_as_it_says(days in 1..20_i64, clock in 480..1290_i64, minute in 0..400_000_i64) {
        let text = format!(
            r#"{{"edits":[{{"template_id":"dosing-ride","offset":"-P{days}D","local_time":"{}"}}]}}"#, time(clock)
        );
        let (timeline, tz) = (Timeline::read(Some(&text)), chrono_tz::Europe::Berlin);
        let facts = session("dosing", "clinic", minutes("2026-01-10T00:00:00Z", minute), Vec::new());
        let now = facts.starts_at - TimeDelta::days(60);
        let planned = inserted(plan_session(timeline.templates(), now, &facts, &berlin(), &all_day(), &[]));
        let ride = planned.iter().find(|one| one.template_id.as_deref() == Some("dosing-ride")).unwrap();
        prop_assert_eq!(ride.due_at, wanted(timeline.template("dosing-ride").unwrap(), tz, &facts));
        prop_assert_eq!(planned.len(), planned_without_edit(&facts, now));
    }
}

fn planned_without_edit(facts: &SessionFacts, now: DateTime<Utc>) -> usize {
    plan_session(&protocols().reminders, now, facts, &berlin(), &all_day(), &[]).len()
}

#[test]
fn the_oracle_counts_months_as_we_do() {
    let date = |text: &str| text.parse::<NaiveDate>().unwrap();
    assert_eq!(shifted(date("2026-01-31"), 1, 0), date("2026-02-28"));
    assert_eq!(shifted(date("2026-03-01"), 0, -7).day(), 22);
    assert_eq!(parts("-P1M2DT3H".parse().unwrap()), (-1, -2, TimeDelta::hours(-3)));
}
