//! How somebody was over a span of days: check-ins put together by day or week, without database or clock.

use std::collections::BTreeMap;

use chrono::{Datelike, Days, NaiveDate, Weekday};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    error::{ApiError, ApiResult},
    validate::{Checks, Validate},
};

/// Longest span of a trend, in days.
pub const LONGEST: i64 = 400;
/// Days of a trend without `from`.
const USUAL: u64 = 30;

/// How finely a trend is cut.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Bucket {
    #[default]
    Day,
    /// From Monday to Sunday (ISO 8601).
    Week,
}

impl Bucket {
    /// The first and the last day of the bucket that a day lies in.
    fn around(self, day: NaiveDate) -> (NaiveDate, NaiveDate) {
        match self {
            Self::Day => (day, day),
            Self::Week => {
                let start = day.week(Weekday::Mon).checked_first_day().unwrap_or(day);
                (start, start.checked_add_days(Days::new(6)).unwrap_or(start))
            }
        }
    }
}

/// Which days, and how finely.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TrendQuery {
    /// The first day, on the patient's own calendar; 29 days before the last if left out.
    #[param(example = "2026-11-01")]
    pub from: Option<NaiveDate>,
    /// The last day, at most 400 days with the first; today if left out.
    #[param(example = "2026-11-30")]
    pub to: Option<NaiveDate>,
    #[serde(default)]
    #[param(inline)]
    pub bucket: Bucket,
}

impl Validate for TrendQuery {
    fn validate(&self, checks: &mut Checks) {
        for (pointer, day) in [("query/from", self.from), ("query/to", self.to)] {
            let known = day.is_none_or(|day| (1900..=9_000).contains(&day.year()));
            checks.require(known, pointer, "impossible_date", "must be a date of our time");
        }
    }
}

impl TrendQuery {
    /// The first and the last day, both included. 422 when they are the wrong way round or too far apart.
    pub fn span(&self, today: NaiveDate) -> ApiResult<(NaiveDate, NaiveDate)> {
        let to = self.to.unwrap_or(today);
        let from = self.from.unwrap_or(to - Days::new(USUAL - 1));
        let days = (to - from).num_days() + 1;
        if days < 1 {
            return Err(ApiError::invalid_field("query/to", "before_from", "must not lie before `from`"));
        }
        if days > LONGEST {
            let detail = format!("must lie so that the span has at most {LONGEST} days");
            return Err(ApiError::invalid_field("query/to", "span_too_long", detail));
        }
        Ok((from, to))
    }
}

/// What a trend takes of a check-in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    pub local_date: NaiveDate,
    pub mood: i32,
    pub anxiety: Option<i32>,
    pub energy: Option<i32>,
    pub sleep_hours: Option<f64>,
}

/// One number over a bucket.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct TrendValue {
    /// To two decimals.
    #[schema(example = 5.5)]
    pub mean: f64,
    #[schema(example = 4.0)]
    pub min: f64,
    #[schema(example = 7.0)]
    pub max: f64,
    /// Check-ins that have this number.
    #[schema(example = 2)]
    pub count: u32,
}

/// The check-ins of a day or week; what nobody answered is absent.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct TrendBucket {
    /// Its first day; of a week the Monday, also if that lies before `from`.
    #[schema(example = "2026-11-16")]
    pub start: NaiveDate,
    /// Its last day.
    #[schema(example = "2026-11-22")]
    pub end: NaiveDate,
    #[schema(example = 2)]
    pub count: u32,
    pub mood: TrendValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub anxiety: Option<TrendValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub energy: Option<TrendValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub sleep_hours: Option<TrendValue>,
}

/// A session in the span, to draw beside the numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TrendSession {
    #[schema(example = "dosing")]
    pub kind: String,
    /// The patient's own date.
    #[schema(example = "2026-11-18")]
    pub local_date: NaiveDate,
}

/// Check-ins over a span of days. Days and weeks without any are left out.
#[derive(Debug, Serialize, ToSchema)]
pub struct CheckinTrend {
    #[schema(example = "2026-11-01")]
    pub from: NaiveDate,
    #[schema(example = "2026-11-30")]
    pub to: NaiveDate,
    pub bucket: Bucket,
    /// Earliest first.
    pub buckets: Vec<TrendBucket>,
    /// Sessions that are planned or took place, earliest first.
    pub sessions: Vec<TrendSession>,
}

/// Adds numbers up.
#[derive(Debug, Clone, Copy)]
struct Sum {
    total: f64,
    min: f64,
    max: f64,
    count: u32,
}

impl Default for Sum {
    fn default() -> Self {
        Self { total: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY, count: 0 }
    }
}

impl Sum {
    fn add(&mut self, value: impl Into<f64>) {
        let value = value.into();
        self.total += value;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        self.count += 1;
    }

    fn value(self) -> Option<TrendValue> {
        let mean = (self.total / f64::from(self.count) * 100.0).round() / 100.0;
        (self.count > 0).then_some(TrendValue { mean, min: self.min, max: self.max, count: self.count })
    }
}

#[derive(Debug, Default)]
struct Sums {
    mood: Sum,
    anxiety: Sum,
    energy: Sum,
    sleep_hours: Sum,
}

impl Sums {
    fn add(&mut self, point: &Point) {
        self.mood.add(point.mood);
        if let Some(anxiety) = point.anxiety {
            self.anxiety.add(anxiety);
        }
        if let Some(energy) = point.energy {
            self.energy.add(energy);
        }
        if let Some(hours) = point.sleep_hours {
            self.sleep_hours.add(hours);
        }
    }
}

/// Puts check-ins, in any order, into the buckets they belong to.
pub fn aggregate(points: impl IntoIterator<Item = Point>, bucket: Bucket) -> Vec<TrendBucket> {
    let mut sums: BTreeMap<(NaiveDate, NaiveDate), Sums> = BTreeMap::new();
    for point in points {
        sums.entry(bucket.around(point.local_date)).or_default().add(&point);
    }
    sums.into_iter()
        .filter_map(|((start, end), sums)| {
            let mood = sums.mood.value()?;
            Some(TrendBucket {
                start,
                end,
                count: mood.count,
                mood,
                anxiety: sums.anxiety.value(),
                energy: sums.energy.value(),
                sleep_hours: sums.sleep_hours.value(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn point(date: &str, mood: i32, anxiety: Option<i32>, sleep_hours: Option<f64>) -> Point {
        Point { local_date: day(date), mood, anxiety, energy: None, sleep_hours }
    }

    #[test]
    fn days_and_weeks_hold_what_belongs_to_them() {
        let points = [
            point("2026-11-22", 4, Some(2), Some(7.5)),
            point("2026-11-22", 7, None, Some(8.0)),
            point("2026-11-23", 10, Some(0), None),
            point("2026-11-16", 5, None, None),
        ];
        let days = aggregate(points, Bucket::Day);
        let found: Vec<_> = days.iter().map(|one| (one.start, one.end, one.count, one.mood.mean)).collect();
        let one = |date: &str, count, mean| (day(date), day(date), count, mean);
        assert_eq!(found, [one("2026-11-16", 1, 5.0), one("2026-11-22", 2, 5.5), one("2026-11-23", 1, 10.0)]);
        assert_eq!(days[1].anxiety, Some(TrendValue { mean: 2.0, min: 2.0, max: 2.0, count: 1 }));
        assert_eq!(days[1].sleep_hours, Some(TrendValue { mean: 7.75, min: 7.5, max: 8.0, count: 2 }));
        assert_eq!((&days[0].anxiety, &days[0].energy), (&None, &None));
        let weeks = aggregate(points, Bucket::Week);
        let found: Vec<_> = weeks.iter().map(|one| (one.start, one.end, one.count)).collect();
        let week = |start, end, count| (day(start), day(end), count);
        assert_eq!(found, [week("2026-11-16", "2026-11-22", 3), week("2026-11-23", "2026-11-29", 1)]);
        assert_eq!(weeks[0].mood, TrendValue { mean: 5.33, min: 4.0, max: 7.0, count: 3 });
        assert_eq!(aggregate([], Bucket::Day), []);
    }

    #[test]
    fn weeks_begin_on_monday_also_over_the_new_year() {
        for (date, start) in [
            ("2026-12-31", "2026-12-28"),
            ("2027-01-03", "2026-12-28"),
            ("2027-01-04", "2027-01-04"),
            ("2024-02-29", "2024-02-26"),
        ] {
            assert_eq!(Bucket::Week.around(day(date)).0, day(start), "{date}");
        }
    }

    #[test]
    fn spans_are_bounded() {
        let today = day("2026-11-22");
        let query = |from: &str, to: &str| TrendQuery {
            from: from.parse().ok(),
            to: to.parse().ok(),
            bucket: Bucket::Day,
        };
        for (from, to, wanted) in [
            ("2026-11-22", "2026-11-22", Some(("2026-11-22", "2026-11-22"))),
            ("2026-01-01", "2027-02-04", Some(("2026-01-01", "2027-02-04"))),
            ("2026-01-01", "2027-02-05", None),
            ("2026-11-22", "2026-11-21", None),
            ("", "", Some(("2026-10-24", "2026-11-22"))),
            ("", "2026-01-31", Some(("2026-01-02", "2026-01-31"))),
            ("2026-11-23", "", None),
        ] {
            let wanted = wanted.map(|(from, to)| (day(from), day(to)));
            assert_eq!(query(from, to).span(today).ok(), wanted, "{from} to {to}");
        }
        for wrong in ["0001-01-01", "9001-01-01"] {
            let mut checks = Checks::default();
            query(wrong, wrong).validate(&mut checks);
            assert!(checks.finish().is_err(), "{wrong}");
        }
    }

    fn points() -> impl Strategy<Value = Vec<Point>> {
        let one = (0_u64..400, 0..=10, proptest::option::of(0..=10), proptest::option::of(0..=48));
        proptest::collection::vec(one, 0..200).prop_map(|all| {
            let point = |(days, mood, anxiety, halves): (u64, i32, Option<i32>, Option<i32>)| Point {
                local_date: day("2026-01-01") + Days::new(days),
                mood,
                anxiety,
                energy: anxiety,
                sleep_hours: halves.map(|halves| f64::from(halves) / 2.0),
            };
            all.into_iter().map(point).collect()
        })
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_counted_twice(points in points(), week: bool) {
            let bucket = if week { Bucket::Week } else { Bucket::Day };
            let buckets = aggregate(points.iter().copied(), bucket);
            prop_assert_eq!(buckets.iter().map(|one| one.count as usize).sum::<usize>(), points.len());
            prop_assert!(buckets.windows(2).all(|pair| pair[0].end < pair[1].start));
            for one in &buckets {
                prop_assert_eq!(one.end - one.start, chrono::Duration::days(if week { 6 } else { 0 }));
                let inside = points.iter().filter(|p| p.local_date >= one.start && p.local_date <= one.end);
                let moods: Vec<f64> = inside.map(|point| f64::from(point.mood)).collect();
                prop_assert_eq!(moods.len(), one.count as usize);
                let mean = moods.iter().sum::<f64>() / moods.len() as f64;
                prop_assert!((one.mood.mean - mean).abs() <= 0.005 + 1e-9);
                prop_assert!(one.mood.min <= one.mood.mean && one.mood.mean <= one.mood.max);
            }
        }

        #[test]
        fn the_order_of_checkins_does_not_matter(points in points()) {
            let backwards = points.iter().rev().copied();
            prop_assert_eq!(aggregate(backwards, Bucket::Week), aggregate(points.iter().copied(), Bucket::Week));
        }
    }
}
