use proptest::prelude::*;

use super::*;
use crate::{content::protocols, reminders::rules::recurrence::Weekday};

fn zone(name: &str) -> Zone {
    Zone::parse(name).unwrap()
}

fn time(text: &str) -> LocalTime {
    text.parse().unwrap()
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn wanted(day_offset: i32, minutes: i64, dosing: bool) -> Wanted {
    Wanted { day_offset, minutes, dosing, time: None }
}

fn template(index: usize, time: Option<LocalTime>) -> Vec<Wanted> {
    let minutes =
        |kind: &str| protocols().session_kind(kind).map_or(60, |kind| kind.default_duration_minutes.into());
    let sessions = &protocols().plan_templates[index].sessions;
    sessions
        .iter()
        .map(|one| Wanted {
            day_offset: one.day_offset,
            minutes: minutes(&one.kind),
            dosing: one.kind == "dosing",
            time,
        })
        .collect()
}

fn always() -> Hours {
    use Weekday::{Fri, Mon, Sat, Sun, Thu, Tue, Wed};
    let open = |weekday| Opening { weekday, opens: time("00:00"), closes: time("23:59") };
    Hours::new([Mon, Tue, Wed, Thu, Fri, Sat, Sun].map(open).to_vec())
}

#[test]
fn closed_days_move_on_and_what_follows_a_dosing_day_moves_along() {
    let (hours, zone) = (Hours::default(), zone("Europe/Berlin"));
    let calendar = Calendar { hours: &hours, zone: &zone };
    let sessions = [
        wanted(-2, 60, false),
        wanted(0, 150, true),
        wanted(1, 60, false),
        wanted(3, 150, true),
        wanted(4, 60, false),
        wanted(7, 150, true),
    ];
    // A Thursday: three days later is a Sunday, so Monday, and the seventh day counts from there.
    let fitted = fit(calendar, &sessions, civil::date(2026, 12, 10), None).unwrap();
    let days: Vec<String> = fitted.iter().map(|one| zone.local_date(one.starts_at).to_string()).collect();
    assert_eq!(days, ["2026-12-08", "2026-12-10", "2026-12-11", "2026-12-14", "2026-12-15", "2026-12-18"]);
    assert!(fitted.iter().all(|one| zone.local(one.starts_at).hour() == 9));
    // A Sunday becomes the Monday, and what precedes it by two days is the Friday before, not that same morning.
    let fitted = fit(calendar, &sessions, civil::date(2026, 12, 13), None).unwrap();
    let days: Vec<String> = fitted.iter().map(|one| zone.local_date(one.starts_at).to_string()).collect();
    assert_eq!(days[..2], ["2026-12-11", "2026-12-14"]);
}

#[test]
fn the_chosen_time_is_kept_refused_or_fitted() {
    let (hours, zone) = (Hours::default(), zone("Europe/Berlin"));
    let calendar = Calendar { hours: &hours, zone: &zone };
    let day = civil::date(2026, 12, 10);
    let with = |text: &str| {
        let sessions: Vec<Wanted> = [wanted(0, 150, true), wanted(0, 60, false), wanted(1, 60, false)]
            .map(|one| Wanted { time: Some(time(text)), ..one })
            .to_vec();
        fit(calendar, &sessions, day, Some(time(text)))
    };
    let fitted = with("13:00").unwrap();
    let starts: Vec<_> = fitted.iter().map(|one| one.starts_at).collect();
    let wanted = [at("2026-12-10T12:00:00Z"), at("2026-12-10T14:30:00Z"), at("2026-12-11T12:00:00Z")];
    assert_eq!(starts, wanted);
    for late in ["14:31", "16:00", "08:59", "23:00"] {
        assert_eq!(with(late), Err(Unfit::OutsideHours), "{late}");
    }
    assert!(with("14:30").is_ok());
    // Friday closes at noon: what should begin at two begins as late as it can.
    let short = Hours::new(vec![
        Opening { weekday: Weekday::Thu, opens: time("09:00"), closes: time("18:00") },
        Opening { weekday: Weekday::Fri, opens: time("09:00"), closes: time("12:00") },
    ]);
    let calendar = Calendar { hours: &short, zone: &zone };
    let sessions = [(0, 150, true), (1, 60, false)].map(|(day_offset, minutes, dosing)| Wanted {
        day_offset,
        minutes,
        dosing,
        time: Some(time("14:00")),
    });
    let fitted = fit(calendar, &sessions, day, Some(time("14:00"))).unwrap();
    assert_eq!(fitted[1].starts_at, at("2026-12-11T10:00:00Z"));
}

#[test]
fn a_time_that_the_clock_skips_is_refused_where_it_was_chosen_and_shifted_elsewhere() {
    let (hours, zone) = (always(), zone("Europe/Berlin"));
    let calendar = Calendar { hours: &hours, zone: &zone };
    let chosen = Some(time("02:30"));
    let sessions = [0, 1].map(|day_offset| Wanted { day_offset, minutes: 60, dosing: false, time: chosen });
    assert_eq!(fit(calendar, &sessions, civil::date(2027, 3, 28), chosen), Err(Unfit::Gap));
    let fitted = fit(calendar, &sessions, civil::date(2027, 3, 27), chosen).unwrap();
    assert_eq!(fitted[0].starts_at, at("2027-03-27T01:30:00Z"));
    // 02:30 is 03:30 on that day.
    assert_eq!(fitted[1].starts_at, at("2027-03-28T01:30:00Z"));
}

#[test]
fn no_opening_long_enough_says_for_which() {
    let hours =
        Hours::new(vec![Opening { weekday: Weekday::Mon, opens: time("09:00"), closes: time("10:00") }]);
    let zone = zone("Europe/Berlin");
    let calendar = Calendar { hours: &hours, zone: &zone };
    let sessions = [wanted(-3, 60, false), wanted(0, 60, true), wanted(1, 90, false)];
    assert_eq!(fit(calendar, &sessions, civil::date(2026, 12, 10), None), Err(Unfit::NoRoom(2)));
    let sessions = [wanted(-3, 90, false), wanted(0, 60, true)];
    assert_eq!(fit(calendar, &sessions, civil::date(2026, 12, 10), None), Err(Unfit::NoRoom(0)));
}

#[test]
fn what_follows_a_moved_session_keeps_its_distance_and_its_time() {
    let (hours, zone) = (Hours::default(), zone("Europe/Berlin"));
    let calendar = Calendar { hours: &hours, zone: &zone };
    let sessions = [(1, false), (7, true), (8, false)].map(|(day_offset, dosing)| Wanted {
        day_offset,
        minutes: 60,
        dosing,
        time: Some(time("11:00")),
    });
    // Moved to a Friday.
    let moved = Fitted { starts_at: at("2026-12-11T10:00:00Z"), ends_at: at("2026-12-11T12:30:00Z") };
    let fitted = refit(calendar, &sessions, moved).unwrap();
    let starts: Vec<_> = fitted.iter().map(|one| one.starts_at).collect();
    let wanted = [at("2026-12-14T10:00:00Z"), at("2026-12-18T10:00:00Z"), at("2026-12-21T10:00:00Z")];
    assert_eq!(starts, wanted);
}

const ZONES: [&str; 9] = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "America/Sao_Paulo",
    "Pacific/Apia",
    "America/Havana",
    "Asia/Kathmandu",
    "UTC",
];

/// Weeks of very different clinics, the last one open through the night in which clocks change.
fn weeks() -> Vec<Hours> {
    use Weekday::{Fri, Mon, Sat, Sun, Thu, Tue, Wed};
    let open =
        |weekday, opens: &str, closes: &str| Opening { weekday, opens: time(opens), closes: time(closes) };
    vec![
        Hours::default(),
        Hours::new(vec![
            open(Tue, "08:00", "12:30"),
            open(Tue, "13:30", "18:00"),
            open(Fri, "10:00", "16:00"),
        ]),
        Hours::new(vec![open(Wed, "07:00", "20:00")]),
        Hours::new(vec![
            open(Mon, "09:00", "12:00"),
            open(Thu, "09:00", "12:00"),
            open(Sat, "09:00", "12:00"),
        ]),
        Hours::new(vec![
            open(Sat, "00:00", "06:00"),
            open(Sun, "00:00", "06:00"),
            open(Wed, "00:00", "06:00"),
        ]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn every_template_fits_every_clinic(
        index in 0_usize..5, day in 0_i32..4_000, zone_index in 0_usize..ZONES.len(), week in 0_usize..5,
        hour in prop::option::of(0_i8..24),
    ) {
        let (zone, hours) = (zone(ZONES[zone_index]), &weeks()[week]);
        let chosen = hour.map(|hour| LocalTime::new(hour, 30).unwrap());
        let sessions = template(index, chosen);
        let first = plus(civil::date(2026, 1, 1), day);
        let calendar = Calendar { hours, zone: &zone };
        let fitted = match fit(calendar, &sessions, first, chosen) {
            Ok(fitted) => fitted,
            // Only what somebody chose is ever refused.
            Err(error) => {
                prop_assert!(chosen.is_some() && matches!(error, Unfit::Gap | Unfit::OutsideHours), "{error:?}");
                return Ok(());
            }
        };
        prop_assert_eq!(fitted.len(), sessions.len());
        let date = |one: &Fitted| zone.local(one.starts_at).date();
        for pair in fitted.windows(2) {
            prop_assert!(pair[0].ends_at <= pair[1].starts_at, "order and room: {:?}", pair);
        }
        for (one, session) in fitted.iter().zip(&sessions) {
            prop_assert_eq!((one.ends_at - one.starts_at).num_minutes(), session.minutes);
            let inside = hours.on(date(one)).any(|open| {
                zone.instant(open.opens.on(date(one))) <= one.starts_at
                    && one.ends_at <= zone.instant(open.closes.on(date(one)))
            });
            prop_assert!(inside, "within hours: {:?}", one);
        }
        let dosing: Vec<_> = fitted.iter().zip(&sessions).filter(|(_, session)| session.dosing).collect();
        prop_assert!(date(dosing[0].0) >= first);
        for pair in dosing.windows(2) {
            let apart = date(pair[0].0).until(date(pair[1].0)).unwrap().get_days();
            prop_assert!(apart >= pair[1].1.day_offset - pair[0].1.day_offset, "{} days apart", apart);
        }
        // What prepares is over before the day it prepares for.
        for (one, _) in fitted.iter().zip(&sessions).filter(|(_, session)| session.day_offset < 0) {
            prop_assert!(date(one) < date(dosing[0].0));
        }
    }
}
