//! Local time and recurrence against chrono-tz, which shares no code with the library under test.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc};
use proptest::prelude::*;

use super::at;
use crate::reminders::rules::localtime::{
    IsoDuration, LocalTime, Zone, ZoneError, to_civil_date, to_naive_date,
};
use crate::reminders::rules::recurrence::{Occurrence, Recurrence, RecurrenceError, Weekday, slot_local};

pub(super) const ZONES: [&str; 8] = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "America/Sao_Paulo",
    "Pacific/Apia",
    "America/Havana",
    "Asia/Kathmandu",
];

/// Morocco announces its clock changes from year to year, so two releases of the database need not agree on later ones.
fn last_year(zone: &str) -> i32 {
    if zone == "Africa/Casablanca" { 2024 } else { 2035 }
}

/// The instant of a local time by chrono-tz: first of a fold; in a gap the reading before it, carried forward.
pub(super) fn oracle(zone: chrono_tz::Tz, local: NaiveDateTime) -> DateTime<Utc> {
    let known = (0..).find_map(|back| {
        let earlier = local - TimeDelta::minutes(back);
        let reading = zone.from_local_datetime(&earlier);
        let instant = if back == 0 { reading.earliest() } else { reading.latest() };
        instant.map(|instant| instant.to_utc() + TimeDelta::minutes(back))
    });
    known.unwrap()
}

fn exists(zone: chrono_tz::Tz, date: NaiveDate) -> bool {
    (0..24).any(|hour| zone.from_local_datetime(&date.and_hms_opt(hour, 0, 0).unwrap()).earliest().is_some())
}

fn naive(occurrence: &Occurrence) -> NaiveDateTime {
    let local = occurrence.local;
    let date = to_naive_date(local.date());
    let (hour, minute) = (u32::try_from(local.hour()).unwrap(), u32::try_from(local.minute()).unwrap());
    date.and_hms_opt(hour, minute, 0).unwrap()
}

fn time(hour: i8, minute: i8) -> LocalTime {
    LocalTime::new(hour, minute).unwrap()
}

/// Walk a daily rule over the days from `first` and hold every one against the oracle.
fn walk_daily(name: &str, hour: u32, minute: u32, first: NaiveDate, days: u64) {
    let (zone, tz) = (Zone::parse(name).unwrap(), name.parse::<chrono_tz::Tz>().unwrap());
    let clock = NaiveTime::from_hms_opt(hour, minute, 0).unwrap();
    let rule = Recurrence::Daily { time: clock.format("%H:%M").to_string().parse().unwrap() };
    let mut after = oracle(tz, first.and_time(clock)) - TimeDelta::milliseconds(1);
    let expected = (0..days).map(|n| first.checked_add_days(Days::new(n)).unwrap());
    for date in expected.filter(|date| exists(tz, *date) && date.year() <= last_year(name)) {
        let next = rule.next_after(after, &zone).unwrap();
        assert_eq!(naive(&next), date.and_time(clock), "{name}");
        assert_eq!(next.due, oracle(tz, date.and_time(clock)), "{name} {date} {clock}");
        assert!(next.due > after);
        after = next.due;
    }
}

#[test]
fn thirty_years_of_a_daily_rule_agree_with_a_second_library() {
    let first = NaiveDate::from_ymd_opt(2005, 1, 1).unwrap();
    for zone in ZONES {
        walk_daily(zone, 2, 15, first, 31 * 365);
        walk_daily(zone, 0, 0, first, 31 * 365);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_daily_rule_fires_once_on_every_local_date(
        zone in 0..ZONES.len(), hour in 0..24_u32, minute in 0..60_u32, start in 0..10_600_u64,
    ) {
        let first = NaiveDate::from_ymd_opt(2005, 1, 1).unwrap() + Days::new(start);
        walk_daily(ZONES[zone], hour, minute, first, 370);
    }

    #[test]
    fn next_after_is_the_first_later_slot_from_any_instant(
        zone in 0..ZONES.len(), minute in 0..60_u32, start in 0..600_000_000_i64,
    ) {
        let name = ZONES[zone];
        let (zone, tz) = (Zone::parse(name).unwrap(), name.parse::<chrono_tz::Tz>().unwrap());
        let from = at("2005-01-01T00:00:00Z") + TimeDelta::seconds(start);
        let rule = Recurrence::Cron { text: format!("{minute} * * * *") };
        let until = from + TimeDelta::hours(60);
        let first = from.date_naive() - Days::new(2);
        let hours = (0..8 * 24).map(|h| first.and_hms_opt(0, minute, 0).unwrap() + TimeDelta::hours(h));
        let slots = hours.filter(|local| exists(tz, local.date())).map(|local| oracle(tz, local));
        let expected: BTreeSet<_> = slots.filter(|due| *due > from && *due <= until).collect();
        let found = rule.next_n(from, &zone, 62).into_iter().map(|o| o.due).filter(|due| *due <= until);
        prop_assert_eq!(found.collect::<Vec<_>>(), expected.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn any_local_time_maps_as_the_second_library_says(
        zone in 0..ZONES.len(), minutes in 0..(31 * 365 * 1440_i64),
    ) {
        let name = ZONES[zone];
        let local = NaiveDate::from_ymd_opt(2005, 1, 1).unwrap().and_time(NaiveTime::MIN) + TimeDelta::minutes(minutes);
        prop_assume!(local.year() <= last_year(name));
        let clock: LocalTime = local.format("%H:%M").to_string().parse().unwrap();
        let mapped = Zone::parse(name).unwrap().instant(clock.on(to_civil_date(local.date()).unwrap()));
        prop_assert_eq!(mapped, oracle(name.parse().unwrap(), local));
    }

    #[test]
    fn a_zone_that_reads_is_a_name_and_reads_the_same_again(text in "\\PC{0,20}|[A-Z][a-z]{2,8}(/[A-Z][A-Za-z_+-]{1,12}){0,2}|Etc/GMT[+-][0-9]{1,2}") {
        if let Ok(zone) = Zone::parse(&text) {
            prop_assert!(zone.name().eq_ignore_ascii_case(&text), "{} is {}", text, zone.name());
            let again = Zone::parse(zone.name()).unwrap();
            prop_assert_eq!(again.name(), zone.name());
        }
    }

    #[test]
    fn cron_texts_never_panic_and_accepted_ones_fire(text in "[0-9A-Z*/,?@ -]{0,24}|([0-9*/,-]{1,5} ){4}[A-Z*,-]{1,7}") {
        let rule = Recurrence::Cron { text };
        let next = rule.next_after(at("2026-03-28T23:59:59Z"), &super::berlin());
        if rule.validate().is_ok() {
            prop_assert!(next.is_some());
        }
    }
}

#[test]
fn clock_changes_by_hand() {
    let rule = Recurrence::Daily { time: time(2, 30) };
    let next = |after: &str| rule.next_after(at(after), &super::berlin()).unwrap();
    assert_eq!(next("2026-03-28T12:00:00Z").due, at("2026-03-29T01:30:00Z"), "gap: 03:30 summer time");
    assert_eq!(next("2026-03-28T12:00:00Z").local, time(2, 30).on(jiff::civil::date(2026, 3, 29)));
    assert_eq!(
        next("2026-03-29T01:10:00Z").due,
        at("2026-03-29T01:30:00Z"),
        "asked at 03:10, within its shift"
    );
    assert_eq!(next("2026-10-24T12:00:00Z").due, at("2026-10-25T00:30:00Z"), "fold: the first");
    assert_eq!(next("2026-10-25T00:30:00Z").due, at("2026-10-26T01:30:00Z"), "fold: not again");
    assert_eq!(next("2026-10-25T01:00:00Z").due, at("2026-10-26T01:30:00Z"), "asked between the two");
}

#[test]
fn two_slots_that_a_gap_joins_are_one_occurrence_named_by_the_clock() {
    let hourly = Recurrence::Cron { text: "30 * * * *".into() };
    let next = hourly.next_n(at("2026-03-29T00:00:00Z"), &super::berlin(), 3);
    let hours: Vec<_> = next.iter().map(|o| (o.local.hour(), o.due)).collect();
    let due = ["2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z", "2026-03-29T02:30:00Z"].map(at);
    assert_eq!(hours, [(1, due[0]), (3, due[1]), (4, due[2])]);
}

#[test]
fn a_date_that_does_not_exist_has_no_occurrence() {
    let zone = Zone::parse("Pacific/Apia").unwrap();
    let rule = Recurrence::Daily { time: time(20, 0) };
    let dates = rule.next_n(at("2011-12-28T12:00:00Z"), &zone, 5).into_iter().map(|o| o.local.day());
    assert_eq!(dates.collect::<Vec<_>>(), [28, 29, 31, 1, 2]);
    assert!(!zone.has_date(jiff::civil::date(2011, 12, 30)));
}

#[test]
fn a_gap_across_midnight_skips_nothing() {
    let zone = Zone::parse("America/Nuuk").unwrap();
    let rule = Recurrence::Daily { time: time(22, 30) };
    let days = rule.next_n(at("2024-03-29T12:00:00Z"), &zone, 4).into_iter().map(|o| o.local.day());
    assert_eq!(days.collect::<Vec<_>>(), [29, 30, 31, 1]);
}

#[test]
fn rules_fire_on_their_days() {
    let days = |rule: &Recurrence| {
        let found = rule.next_n(at("2026-11-22T12:00:00Z"), &super::berlin(), 5).into_iter();
        found.map(|o| o.local.day()).collect::<Vec<_>>()
    };
    assert_eq!(days(&Recurrence::Weekdays { time: time(9, 0) }), [23, 24, 25, 26, 27]);
    let weekly = Recurrence::Weekly { days: vec![Weekday::Tue, Weekday::Sun], time: time(20, 0) };
    assert_eq!(days(&weekly), [22, 24, 29, 1, 6]);
    let anchor = NaiveDate::from_ymd_opt(2026, 11, 20).unwrap();
    assert_eq!(days(&Recurrence::EveryNDays { n: 3, anchor, time: time(8, 0) }), [23, 26, 29, 2, 5]);
    let later = NaiveDate::from_ymd_opt(2027, 1, 10).unwrap();
    assert_eq!(days(&Recurrence::EveryNDays { n: 14, anchor: later, time: time(8, 0) })[..2], [10, 24]);
    assert_eq!(days(&Recurrence::Cron { text: "30 8 * * MON,WED".into() }), [23, 25, 30, 2, 7]);
    assert_eq!(days(&Recurrence::Cron { text: "0 9 1,15 * *".into() }), [1, 15, 1, 15, 1]);
}

#[test]
fn rules_are_refused_with_field_and_code() {
    use RecurrenceError as E;
    let cron = |text: &str| Recurrence::Cron { text: text.into() };
    let anchor = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap();
    let cases = [
        (Recurrence::Weekly { days: vec![], time: time(9, 0) }, E::DaysEmpty),
        (Recurrence::Weekly { days: vec![Weekday::Mon; 2], time: time(9, 0) }, E::DaysRepeated),
        (Recurrence::EveryNDays { n: 0, anchor, time: time(9, 0) }, E::IntervalOutOfRange),
        (Recurrence::EveryNDays { n: 367, anchor, time: time(9, 0) }, E::IntervalOutOfRange),
        (Recurrence::EveryNDays { n: 2, anchor: NaiveDate::MAX, time: time(9, 0) }, E::AnchorOutOfRange),
        (cron("0 9 * *"), E::CronFieldCount),
        (cron("0 0 9 * * MON"), E::CronFieldCount),
        (cron("@daily"), E::CronFieldCount),
        (cron("0 9 * * 1-5"), E::CronWeekdayNumber),
        (cron("0 9 * * MON,2"), E::CronWeekdayNumber),
        (cron("0 9 13 * FRI"), E::CronBothDays),
        (cron("0 25 * * *"), E::CronSyntax),
        (cron("0 9 * * FRI-MON"), E::CronSyntax),
        (cron("0 9 * * LUNES"), E::CronSyntax),
        (cron("0 9 \u{661} * *"), E::CronSyntax),
        (cron("0 9 30 2 *"), E::CronNeverFires),
        (cron("* * * * *"), E::CronTooOften),
        (cron("0,30 9 * * *"), E::CronTooOften),
        (cron("*/15 9 * * MON"), E::CronTooOften),
        (cron(&format!("0 9 {} * *", "1,".repeat(60))), E::CronTooLong),
    ];
    for (rule, error) in cases {
        assert_eq!(rule.validate(), Err(error), "{rule:?}");
        assert!(!error.to_string().is_empty() && !error.code().is_empty());
    }
    assert_eq!(
        (E::CronTooOften.field(), E::DaysEmpty.field(), E::IntervalOutOfRange.field()),
        ("text", "days", "n")
    );
    for text in
        ["0 9 * * *", "0 * * * *", "30 8 * * MON-FRI", "0 9 29 2 *", "0 8-20/2 ? JAN-MAR *", " 5 4 * * sun "]
    {
        assert_eq!(cron(text).validate(), Ok(()), "{text}");
    }
}

#[test]
fn rules_and_slots_keep_their_written_form() {
    let rule: Recurrence =
        serde_json::from_str(r#"{"kind":"every_n_days","n":2,"anchor":"2026-11-22","time":"08:05"}"#)
            .unwrap();
    assert_eq!(serde_json::to_value(&rule).unwrap()["time"], "08:05");
    assert!(serde_json::from_str::<Recurrence>(r#"{"kind":"daily","time":"8:05"}"#).is_err());
    let id = uuid::Uuid::from_u128(7);
    let next = rule.next_after(at("2026-11-21T12:00:00Z"), &super::berlin()).unwrap();
    assert_eq!(next.slot(id), "rule:00000000-0000-0000-0000-000000000007:2026-11-22T08:05");
    assert_eq!(slot_local(&next.slot(id)), Some(next.local));
    assert_eq!(slot_local("session:x:y:1"), None);
}

#[test]
fn zones_are_names_of_the_database() {
    assert_eq!(Zone::parse("europe/berlin").unwrap().name(), "Europe/Berlin");
    assert!(Zone::parse("UTC").is_ok() && Zone::parse("America/Argentina/Buenos_Aires").is_ok());
    for text in
        ["", "+02:00", "CET-1CEST,M3.5.0,M10.5.0/3", "<+03>-3", "../Berlin", "posix/UTC", "localtime", ":UTC"]
    {
        assert_eq!(Zone::parse(text), Err(ZoneError::NotAName), "{text}");
    }
    for text in ["Mars/Olympus", "Berlin", "EST5EDT4", "Factory", "Etc/Unknown"] {
        assert_eq!(Zone::parse(text), Err(ZoneError::Unknown), "{text}");
    }
    assert_eq!(Zone::parse(&"A".repeat(65)), Err(ZoneError::NotAName));
}

#[test]
fn times_of_day_are_strict() {
    assert_eq!("07:05".parse::<LocalTime>().unwrap().to_string(), "07:05");
    for text in ["7:05", "07:5", "24:00", "07:60", "0705", "07:05:00", " 7:05", "+7:05", "-1:00", "07.05"] {
        assert!(text.parse::<LocalTime>().is_err(), "{text}");
    }
}

#[test]
fn day_parts_follow_the_calendar_and_time_parts_the_clock() {
    let add = |from: &str, duration: &str| super::berlin().add(at(from), duration.parse().unwrap());
    assert_eq!(add("2026-03-28T11:00:00Z", "P1D"), at("2026-03-29T10:00:00Z"), "noon stays noon");
    assert_eq!(add("2026-03-28T11:00:00Z", "PT24H"), at("2026-03-29T11:00:00Z"));
    assert_eq!(add("2026-03-30T10:00:00Z", "-P2W"), at("2026-03-16T11:00:00Z"));
    assert_eq!(add("2026-01-31T11:00:00Z", "P1M"), at("2026-02-28T11:00:00Z"), "month ends are clamped");
    assert_eq!(
        add("2026-10-25T01:30:00Z", "PT30M"),
        at("2026-10-25T02:00:00Z"),
        "the second 02:30 of a fold"
    );
    assert_eq!(add("2026-11-22T10:00:00Z", "-P1DT2H30M"), at("2026-11-21T07:30:00Z"));
    for text in ["1 day", "P", "", "PT", "P20Y", "PT999999999H", "--P1D", "P1X"] {
        assert!(text.parse::<IsoDuration>().is_err(), "{text}");
    }
}
