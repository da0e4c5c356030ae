//! The precedence table, cell by cell, and the daily cap.

use chrono::{DateTime, TimeDelta, Utc};

use super::{at, berlin};
use crate::content::Priority::{self, High, Low, Normal};
use crate::reminders::rules::policy::{
    Candidate, CapRow, Decision, HushWindow, Kind, Policy, Reason, Window, apply_cap, decide,
};

/// A local time of 20 to 22 January 2026 in Berlin, written `21 07:30`.
fn local(text: &str) -> DateTime<Utc> {
    let (day, time) = text.split_once(' ').unwrap();
    at(&format!("2026-01-{day}T{time}:00+01:00"))
}

/// Dosing on the 21st from 14:00 to 17:00, another one that evening from 20:00 to 22:00 local time.
fn hush() -> [HushWindow; 2] {
    [("21 14:00", "21 17:00"), ("21 20:00", "21 22:00")]
        .map(|(start, end)| HushWindow { start: local(start), end: local(end) })
}

#[derive(Clone, Copy)]
enum Of {
    /// Before a session at that time.
    Before(&'static str),
    After,
    Routine,
    /// After a session, and marked as ignoring quiet hours.
    Marked,
}

fn cell(of: Of, priority: Priority, due: &str, expires: &str) -> Decision {
    let (kind, marked) = match of {
        Of::Before(start) => (Kind::BeforeSession(local(start)), false),
        Of::After => (Kind::Other, false),
        Of::Routine => (Kind::Routine, false),
        Of::Marked => (Kind::Other, true),
    };
    let candidate = Candidate {
        category: "rest",
        priority,
        kind,
        ignores_quiet_hours: marked,
        due_at: local(due),
        expires_at: local(expires),
        not_before: local("19 12:00"),
    };
    decide(&candidate, &Policy::default(), &berlin(), &hush())
}

#[test]
fn hush_before_quiet_hours_cell_by_cell() {
    use Of::{After, Before, Marked, Routine};
    let send = |text: &str| Decision::Send(local(text));
    let moved = |text: &str| Decision::MoveTo(local(text));
    let drop = Decision::Suppress;
    let table = [
        // Neither hush nor quiet.
        (Before("20 14:00"), Normal, "20 10:00", "20 14:00", send("20 10:00")),
        (After, Normal, "20 08:00", "20 12:00", send("20 08:00")),
        (After, Normal, "20 21:29", "20 23:00", send("20 21:29")),
        (Routine, Normal, "20 20:00", "20 21:30", send("20 20:00")),
        (Marked, High, "20 20:00", "20 21:30", send("20 20:00")),
        // Quiet hours: back before a session, forward otherwise, and dropped where neither is fresh.
        (Before("20 09:00"), Normal, "20 07:00", "20 09:00", moved("19 21:29")),
        (Before("20 09:00"), High, "20 07:00", "20 09:00", moved("19 21:29")),
        (After, Normal, "20 21:30", "21 09:00", moved("21 08:00")),
        (After, Normal, "20 21:30", "21 07:00", drop(Reason::QuietHours)),
        (After, Low, "20 23:00", "21 08:00", drop(Reason::QuietHours)),
        (After, High, "20 23:00", "21 09:00", moved("21 08:00")),
        (Routine, Normal, "20 07:00", "20 11:00", moved("20 08:00")),
        (Routine, Normal, "19 22:00", "20 02:00", drop(Reason::QuietHours)),
        (Marked, High, "20 23:00", "21 05:00", send("20 23:00")),
        // Hush: forward to its end while fresh; high by any way; routine silent for the rest of the day.
        (Before("21 20:00"), Normal, "21 15:00", "21 20:00", moved("21 17:00")),
        (Before("21 20:00"), Normal, "21 15:00", "21 16:00", drop(Reason::Hush)),
        (Before("21 17:00"), High, "21 15:00", "21 17:00", moved("21 13:59")),
        (Before("21 17:00"), Normal, "21 15:00", "21 17:00", drop(Reason::Hush)),
        (After, Normal, "21 14:00", "21 18:00", moved("21 17:00")),
        (After, Normal, "21 16:59", "21 17:00", drop(Reason::Hush)),
        (After, High, "21 14:00", "21 16:00", moved("21 17:00")),
        (After, Normal, "21 17:00", "21 18:00", send("21 17:00")),
        (After, Normal, "21 13:59", "21 18:00", send("21 13:59")),
        (Routine, Normal, "21 13:59", "21 17:59", send("21 13:59")),
        (Routine, Normal, "21 15:00", "21 19:00", drop(Reason::Hush)),
        (Routine, Normal, "21 18:00", "21 21:30", drop(Reason::Hush)),
        (Routine, Normal, "22 09:00", "22 13:00", send("22 09:00")),
        (Marked, High, "21 15:00", "21 21:00", send("21 15:00")),
        // Both: out of hush into quiet hours, and on to the morning; the reason is hush.
        (After, Normal, "21 20:30", "22 09:00", moved("22 08:00")),
        (After, Normal, "21 20:30", "22 07:00", drop(Reason::Hush)),
        (After, High, "21 20:30", "22 07:00", moved("22 08:00")),
        (Before("22 10:00"), Normal, "21 21:45", "22 10:00", moved("22 08:00")),
        (Routine, Normal, "21 23:00", "22 03:00", drop(Reason::Hush)),
        (Marked, High, "21 21:45", "22 05:00", send("21 21:45")),
    ];
    for (n, (of, priority, due, expires, expected)) in table.into_iter().enumerate() {
        assert_eq!(cell(of, priority, due, expires), expected, "row {n}: due {due}");
    }
}

#[test]
fn what_has_to_come_before_a_start_never_comes_after_it() {
    // The way back lies behind us, and the hush ends when the other session has begun.
    let candidate = Candidate {
        category: "appointment",
        priority: High,
        kind: Kind::BeforeSession(local("21 16:00")),
        ignores_quiet_hours: false,
        due_at: local("21 15:00"),
        expires_at: local("21 18:00"),
        not_before: local("21 14:30"),
    };
    let decision = decide(&candidate, &Policy::default(), &berlin(), &hush());
    assert_eq!(decision, Decision::Suppress(Reason::Hush));
}

#[test]
fn a_prompt_of_the_early_morning_does_not_move_into_a_dosing_day() {
    let candidate = Candidate {
        category: "mindfulness",
        priority: Normal,
        kind: Kind::Routine,
        ignores_quiet_hours: false,
        due_at: local("20 07:30"),
        expires_at: local("20 11:30"),
        not_before: local("19 12:00"),
    };
    let early = [HushWindow { start: local("20 07:50"), end: local("20 11:00") }];
    let decision = decide(&candidate, &Policy::default(), &berlin(), &early);
    assert_eq!(decision, Decision::Suppress(Reason::QuietHours));
}

#[test]
fn nothing_moves_to_before_the_time_of_planning() {
    let candidate = Candidate {
        category: "appointment",
        priority: Normal,
        kind: Kind::BeforeSession(local("20 09:00")),
        ignores_quiet_hours: false,
        due_at: local("20 07:00"),
        expires_at: local("20 09:00"),
        not_before: local("19 22:00"),
    };
    let decide = |candidate: &Candidate<'_>| decide(candidate, &Policy::default(), &berlin(), &[]);
    assert_eq!(decide(&candidate), Decision::MoveTo(local("20 08:00")), "the last evening has passed");
    let paused = Policy { paused_until: Some(local("19 22:00")), ..Policy::default() };
    let planned_early = Candidate { not_before: local("18 12:00"), ..candidate };
    let decision = super::super::policy::decide(&planned_early, &paused, &berlin(), &[]);
    assert_eq!(decision, Decision::MoveTo(local("20 08:00")), "nor into a pause");
    let early = Candidate {
        kind: Kind::BeforeSession(local("20 07:45")),
        expires_at: local("20 07:45"),
        ..candidate
    };
    assert_eq!(decide(&early), Decision::Suppress(Reason::QuietHours), "neither side fits");
}

#[test]
fn the_patients_own_word_comes_first() {
    let candidate = Candidate {
        category: "rest",
        priority: High,
        kind: Kind::Other,
        ignores_quiet_hours: true,
        due_at: local("20 10:00"),
        expires_at: local("20 12:00"),
        not_before: local("19 12:00"),
    };
    let with = |policy: Policy| decide(&candidate, &policy, &berlin(), &hush());
    let off = Policy { categories_off: ["rest".to_owned()].into(), ..Policy::default() };
    assert_eq!(with(off), Decision::Suppress(Reason::CategoryOff));
    let paused = |until| Policy { paused_until: Some(until), ..Policy::default() };
    assert_eq!(with(paused(local("20 10:01"))), Decision::Suppress(Reason::Paused));
    assert_eq!(with(paused(local("20 10:00"))), Decision::Send(local("20 10:00")));
    let narrow = Window { opens: "12:00".parse().unwrap(), closes: "13:00".parse().unwrap() };
    let policy = Policy { category_windows: [("rest".to_owned(), narrow)].into(), ..Policy::default() };
    let unmarked = Candidate { ignores_quiet_hours: false, expires_at: local("20 14:00"), ..candidate };
    assert_eq!(decide(&unmarked, &policy, &berlin(), &[]), Decision::MoveTo(local("20 12:00")));
}

#[test]
fn windows_may_cross_midnight_or_hold_all_day() {
    let window =
        |opens: &str, closes: &str| Window { opens: opens.parse().unwrap(), closes: closes.parse().unwrap() };
    let night = window("18:00", "02:00");
    assert!(night.contains(local("20 01:59"), &berlin()) && !night.contains(local("20 02:00"), &berlin()));
    assert_eq!(night.last_before(local("20 12:00"), &berlin()), Some(local("20 01:59")));
    assert_eq!(night.first_from(local("20 12:00"), &berlin()), Some(local("20 18:00")));
    assert_eq!(night.closes_after(local("20 19:00"), &berlin()), Some(local("21 02:00")));
    let all_day = window("08:00", "08:00");
    assert!(all_day.contains(local("20 03:00"), &berlin()));
    assert_eq!(all_day.closes_after(local("20 03:00"), &berlin()), None);
    let in_the_gap = window("02:10", "02:50");
    let spring = at("2026-03-28T12:00:00Z");
    assert_eq!(in_the_gap.first_from(spring, &berlin()), Some(at("2026-03-30T00:10:00Z")), "the next day's");
}

#[test]
fn hush_ends_with_the_record_or_the_margin() {
    let (start, end) = (local("21 14:00"), local("21 16:30"));
    let of = |completed| HushWindow::of_dosing(start, end, completed, TimeDelta::minutes(30)).end;
    assert_eq!(of(None), local("21 17:00"));
    assert_eq!(of(Some(local("21 15:50"))), local("21 15:50"));
    assert_eq!(of(Some(local("21 13:00"))), start, "never before its start");
}

fn row(key: u8, priority: Priority, routine: bool, due: &str, sent: bool) -> CapRow<u8> {
    CapRow { key, priority, routine, due_at: local(due), sent }
}

#[test]
fn the_cap_keeps_normal_before_low_and_earlier_before_later() {
    let policy = Policy::default();
    assert_eq!((policy.cap, policy.cap_dosing_day, policy.recurring_cap), (4, 6, 2));
    let rows = [
        row(1, Low, false, "20 09:00", false),
        row(2, High, false, "20 09:00", false),
        row(3, Normal, false, "20 19:00", false),
        row(4, Normal, false, "20 10:00", false),
        row(5, Normal, false, "20 11:00", false),
        row(6, Normal, false, "20 12:00", false),
        row(7, High, false, "20 20:00", false),
        row(8, Normal, false, "20 13:00", false),
    ];
    assert_eq!(apply_cap(&rows, &policy, false), [3, 1], "four normal ones fill the day");
    assert!(apply_cap(&rows, &policy, true).is_empty(), "six on a dosing day");
    let sent = rows.map(|r| CapRow { sent: r.key == 1, ..r });
    assert_eq!(apply_cap(&sent, &policy, false), [8, 3], "what was sent counts and stays");
}

#[test]
fn routine_reminders_have_a_cap_of_their_own_within_it() {
    let policy = Policy::default();
    let routine =
        ["20 09:00", "20 10:00", "20 11:00"].map(|due| row(due.as_bytes()[4], Normal, true, due, false));
    assert_eq!(apply_cap(&routine, &policy, true), [b'1']);
    let mut rows: Vec<_> = (1..=3).map(|key| row(key, Normal, false, "20 08:30", false)).collect();
    rows.extend([row(8, Normal, true, "20 09:00", false), row(9, Normal, true, "20 10:00", false)]);
    assert_eq!(apply_cap(&rows, &policy, false), [9], "they share the common cap");
}

#[test]
fn reasons_keep_the_ledgers_words() {
    let words = Reason::ALL.map(Reason::as_str);
    let ledger = "quiet_hours, hush, already_done, consent_withdrawn, paused, category_off, daily_cap, no_device, \
                  session_moved, session_cancelled, superseded, scheduled_late, care_ended, ignored, account_closed";
    assert_eq!(words.join(", "), ledger);
    assert!(Reason::ALL.into_iter().all(|reason| Reason::from_word(reason.as_str()) == Some(reason)));
}
