//! A month through the end of summer time, lived day by day.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, NaiveDate, NaiveTime, Utc};
use chrono_tz::Europe::Berlin;

use crate::{
    harness::{TestApp, both_engines},
    practice::{Practice, is_open, local},
};

both_engines![
    eight_in_the_evening_is_eight_in_the_evening_on_every_day_of_a_month,
    a_reminder_in_the_hour_that_comes_twice_comes_once,
];

/// What came, by the local date on which it came, by a second time library.
fn by_date(sent: &[DateTime<Utc>]) -> BTreeMap<NaiveDate, Vec<NaiveTime>> {
    let mut days: BTreeMap<NaiveDate, Vec<NaiveTime>> = BTreeMap::new();
    for at in sent {
        let local = at.with_timezone(&Berlin);
        days.entry(local.date_naive()).or_default().push(local.time());
    }
    days
}

/// Lives day by day, and looks every evening whether exactly one occurrence is planned.
async fn live(practice: &Practice, rule: uuid::Uuid, until: DateTime<Utc>) -> Vec<DateTime<Utc>> {
    let mut sent = Vec::new();
    while practice.app.now() < until {
        let evening = (practice.app.now() + Duration::hours(12)).min(until);
        let today = practice.live_until(&practice.ana, evening).await;
        sent.extend(today.iter().map(|row| row.accepted_at.unwrap()));
        let rows = practice.rows_of(&practice.ana, rule).await;
        let open: Vec<_> = rows.iter().filter(|row| is_open(row)).collect();
        assert_eq!(open.len(), 1, "{} open rows on {evening}", open.len());
        assert!(open[0].due_at > evening);
    }
    sent
}

async fn eight_in_the_evening_is_eight_in_the_evening_on_every_day_of_a_month(app: TestApp) {
    app.clock.set(local("2026-10-05T12:00"));
    let practice = Practice::open(&app).await;
    practice.phone(&practice.ana, "phone").await;
    let rule = practice.daily(&practice.ana, "20:00").await;
    let sent = live(&practice, rule, local("2026-11-05T12:00")).await;
    let days = by_date(&sent);
    let first = NaiveDate::from_ymd_opt(2026, 10, 5).unwrap();
    let expected: BTreeMap<NaiveDate, Vec<NaiveTime>> = first
        .iter_days()
        .take(31)
        .map(|day| (day, vec![NaiveTime::from_hms_opt(20, 0, 0).unwrap()]))
        .collect();
    assert_eq!(days, expected);
    assert_eq!(practice.push.received().len(), 31);
    // The clocks did change in between.
    assert_eq!(sent[30] - sent[0], Duration::days(30) + Duration::hours(1));
    let rows = practice.rows_of(&practice.ana, rule).await;
    assert_eq!(rows.len(), 32, "one row an occurrence, and the next one");
}

async fn a_reminder_in_the_hour_that_comes_twice_comes_once(app: TestApp) {
    app.clock.set(local("2026-10-23T12:00"));
    let practice = Practice::open(&app).await;
    practice.phone(&practice.ana, "phone").await;
    // At night it is kept back, which the ledger tells; what counts is that every date has one line.
    let rule = practice.daily(&practice.ana, "02:30").await;
    live(&practice, rule, local("2026-10-27T12:00")).await;
    let rows = practice.rows_of(&practice.ana, rule).await;
    let due: Vec<DateTime<Utc>> = rows.iter().map(|row| row.due_at).collect();
    let days = by_date(&due);
    assert_eq!(days.len(), 5);
    assert!(days.values().all(|times| times.len() == 1), "{days:?}");
}
