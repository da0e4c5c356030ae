//! Standing rules on the patient's wall clock, and their next occurrence. Rules run on local date-times and only the
//! result is mapped to an instant, so a gap never swallows an occurrence and a fold never doubles one. Every call is
//! stateless: what it returns depends on its arguments alone.

use std::str::FromStr;

use chrono::{DateTime, NaiveDate, Utc};
use cron::Schedule;
use jiff::{Span, civil};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::localtime::{LocalTime, Zone, to_civil_date, to_naive_date};

/// Longest cron text taken, in bytes.
pub const MAX_CRON_BYTES: usize = 120;
/// Longest interval of [`Recurrence::EveryNDays`], in days.
pub const MAX_INTERVAL_DAYS: u16 = 366;

/// Local clocks jump by three hours at most within the years served (Antarctica/Casey), but for the date line.
const LARGEST_JUMP_HOURS: i32 = 4;
/// Candidates looked at by one search; enough for an hourly rule across a day that does not exist.
const MAX_CANDIDATES: usize = 64;

/// When a standing reminder fires, on the patient's wall clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Recurrence {
    Daily {
        time: LocalTime,
    },
    /// Monday to Friday.
    Weekdays {
        time: LocalTime,
    },
    Weekly {
        days: Vec<Weekday>,
        time: LocalTime,
    },
    /// Every `n` days, counted from and including `anchor`; never before it.
    EveryNDays {
        n: u16,
        anchor: NaiveDate,
        time: LocalTime,
    },
    /// Five fields: minute, hour, day of month, month, weekday by name.
    Cron {
        text: String,
    },
}

/// A day of the week, written `mon` to `sun`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weekday {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl From<civil::Weekday> for Weekday {
    fn from(day: civil::Weekday) -> Self {
        match day {
            civil::Weekday::Monday => Self::Mon,
            civil::Weekday::Tuesday => Self::Tue,
            civil::Weekday::Wednesday => Self::Wed,
            civil::Weekday::Thursday => Self::Thu,
            civil::Weekday::Friday => Self::Fri,
            civil::Weekday::Saturday => Self::Sat,
            civil::Weekday::Sunday => Self::Sun,
        }
    }
}

/// Why a rule cannot be taken. The message says what to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecurrenceError {
    #[error("choose at least one weekday")]
    DaysEmpty,
    #[error("name each weekday once")]
    DaysRepeated,
    #[error("choose an interval from 1 to {MAX_INTERVAL_DAYS} days")]
    IntervalOutOfRange,
    #[error("choose a start date between the years 1970 and 2200")]
    AnchorOutOfRange,
    #[error("keep the rule within {MAX_CRON_BYTES} bytes")]
    CronTooLong,
    #[error("write exactly five fields: minute, hour, day of month, month, weekday")]
    CronFieldCount,
    #[error(
        "write weekdays by name, such as MON-FRI: whether 1 means Sunday or Monday differs between programs"
    )]
    CronWeekdayNumber,
    #[error("restrict the day of month or the weekday, not both: programs differ on what both together mean")]
    CronBothDays,
    #[error("this is no cron rule: use numbers, names, '*', ',', '-' and '/', such as 30 8 * * MON-FRI")]
    CronSyntax,
    #[error("this rule never fires: the date it names does not exist")]
    CronNeverFires,
    #[error("this rule fires more often than hourly: name one single minute, such as 0 9-18 * * *")]
    CronTooOften,
}

impl RecurrenceError {
    /// The field of [`Recurrence`] at fault.
    pub fn field(self) -> &'static str {
        match self {
            Self::DaysEmpty | Self::DaysRepeated => "days",
            Self::IntervalOutOfRange => "n",
            Self::AnchorOutOfRange => "anchor",
            _ => "text",
        }
    }

    /// Stable word for `errors[].code`.
    pub fn code(self) -> &'static str {
        match self {
            Self::DaysEmpty => "days_empty",
            Self::DaysRepeated => "days_repeated",
            Self::IntervalOutOfRange => "interval_out_of_range",
            Self::AnchorOutOfRange => "anchor_out_of_range",
            Self::CronTooLong => "cron_too_long",
            Self::CronFieldCount => "cron_field_count",
            Self::CronWeekdayNumber => "cron_weekday_number",
            Self::CronBothDays => "cron_both_days",
            Self::CronSyntax => "cron_syntax",
            Self::CronNeverFires => "cron_never_fires",
            Self::CronTooOften => "cron_too_often",
        }
    }
}

/// One firing of a rule: the wall-clock time it is named by and the instant it is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Occurrence {
    pub local: civil::DateTime,
    pub due: DateTime<Utc>,
}

impl Occurrence {
    /// The text that makes this occurrence of a rule unique: `rule:<id>:<YYYY-MM-DDTHH:MM>`, in wall-clock time.
    pub fn slot(&self, rule_id: Uuid) -> String {
        format!("rule:{rule_id}:{}", self.local.strftime("%Y-%m-%dT%H:%M"))
    }
}

/// The wall-clock time in a slot text of [`Occurrence::slot`].
pub fn slot_local(slot: &str) -> Option<civil::DateTime> {
    let (_, local) = slot.strip_prefix("rule:")?.split_once(':')?;
    civil::DateTime::strptime("%Y-%m-%dT%H:%M", local).ok()
}

impl Recurrence {
    /// Check a rule before it is stored.
    ///
    /// # Errors
    /// The first [`RecurrenceError`] found.
    pub fn validate(&self) -> Result<(), RecurrenceError> {
        match self {
            Self::Daily { .. } | Self::Weekdays { .. } => Ok(()),
            Self::Weekly { days, .. } if days.is_empty() => Err(RecurrenceError::DaysEmpty),
            Self::Weekly { days, .. } => {
                let repeated = days.iter().enumerate().any(|(i, day)| days[..i].contains(day));
                if repeated { Err(RecurrenceError::DaysRepeated) } else { Ok(()) }
            }
            Self::EveryNDays { n, .. } if !(1..=MAX_INTERVAL_DAYS).contains(n) => {
                Err(RecurrenceError::IntervalOutOfRange)
            }
            Self::EveryNDays { anchor, .. } => {
                let years = to_civil_date(*anchor).is_some_and(|date| (1970..=2200).contains(&date.year()));
                if years { Ok(()) } else { Err(RecurrenceError::AnchorOutOfRange) }
            }
            Self::Cron { text } => validate_cron(text),
        }
    }

    /// The time of day it fires at, if it is a single one by its kind.
    pub fn time(&self) -> Option<LocalTime> {
        match self {
            Self::Daily { time }
            | Self::Weekdays { time }
            | Self::Weekly { time, .. }
            | Self::EveryNDays { time, .. } => Some(*time),
            Self::Cron { .. } => None,
        }
    }

    /// The first occurrence due strictly after an instant, or `None` when the rule has no more.
    ///
    /// A local date that does not exist in the zone has none: Pacific/Apia went from 2011-12-29 to 2011-12-31, and
    /// two days' worth at once would help nobody. Two wall-clock times that a gap pushes onto one instant are one
    /// occurrence, named by the later time, which is the one the clock shows.
    pub fn next_after(&self, after: DateTime<Utc>, zone: &Zone) -> Option<Occurrence> {
        self.search(after, None, zone)
    }

    /// Like [`Self::next_after`], and also later on the wall clock than `served`: someone who travels west meets the
    /// same local times twice, and is reminded once.
    pub fn next_after_served(
        &self,
        after: DateTime<Utc>,
        served: Option<civil::DateTime>,
        zone: &Zone,
    ) -> Option<Occurrence> {
        self.search(after, served, zone)
    }

    /// The next `count` occurrences, for a preview.
    pub fn next_n(&self, after: DateTime<Utc>, zone: &Zone, count: usize) -> Vec<Occurrence> {
        let first = self.next_after(after, zone);
        std::iter::successors(first, |last| self.next_after(last.due, zone)).take(count).collect()
    }

    /// Whether the rule fires at this wall-clock time.
    pub fn has_slot(&self, local: civil::DateTime, zone: &Zone) -> bool {
        let before = local.checked_sub(Span::new().seconds(1)).ok();
        before.and_then(|before| self.next_local(before)) == Some(local) && zone.has_date(local.date())
    }

    fn search(
        &self,
        after: DateTime<Utc>,
        served: Option<civil::DateTime>,
        zone: &Zone,
    ) -> Option<Occurrence> {
        let jump = Span::new().hours(LARGEST_JUMP_HOURS);
        let mut cursor = zone.local(after).checked_sub(jump).ok()?;
        if let Some(served) = served {
            cursor = cursor.max(served);
        }
        let mut found: Option<Occurrence> = None;
        for _ in 0..MAX_CANDIDATES {
            let Some(local) = self.next_local(cursor) else { break };
            if found.is_some_and(|f| f.local.checked_add(jump).is_ok_and(|limit| local > limit)) {
                break;
            }
            cursor = local;
            let due = zone.instant(local);
            let earlier = found.is_none_or(|f| due <= f.due);
            if due > after && earlier && zone.has_date(local.date()) {
                found = Some(Occurrence { local, due });
            }
        }
        found
    }

    /// The first wall-clock time of the rule strictly after another.
    fn next_local(&self, after: civil::DateTime) -> Option<civil::DateTime> {
        match self {
            Self::Daily { time } => next_on(after, *time, |_| true),
            Self::Weekdays { time } => {
                next_on(after, *time, |date| !matches!(date.weekday().into(), Weekday::Sat | Weekday::Sun))
            }
            Self::Weekly { days, time } => {
                next_on(after, *time, |date| days.contains(&date.weekday().into()))
            }
            Self::EveryNDays { n, anchor, time } => next_interval(after, *n, *anchor, *time),
            Self::Cron { text } => next_cron(after, text),
        }
    }
}

/// The first date from `after` on that fits and whose `time` is later than `after`; weekly rules repeat in 8 days.
fn next_on(
    after: civil::DateTime,
    time: LocalTime,
    fits: impl Fn(civil::Date) -> bool,
) -> Option<civil::DateTime> {
    let mut date = after.date();
    for _ in 0..=8 {
        if fits(date) && time.on(date) > after {
            return Some(time.on(date));
        }
        date = date.tomorrow().ok()?;
    }
    None
}

fn next_interval(
    after: civil::DateTime,
    n: u16,
    anchor: NaiveDate,
    time: LocalTime,
) -> Option<civil::DateTime> {
    let anchor = to_civil_date(anchor)?;
    if time.on(anchor) > after {
        return Some(time.on(anchor));
    }
    let passed = (to_naive_date(after.date()) - to_naive_date(anchor)).num_days();
    let steps = passed.checked_div(i64::from(n))?;
    let last = anchor.checked_add(Span::new().try_days(steps * i64::from(n)).ok()?).ok()?;
    let next = if time.on(last) > after { last } else { last.checked_add(Span::new().days(n)).ok()? };
    Some(time.on(next))
}

/// The `cron` crate on wall-clock time labelled UTC: given a real zone it would skip gaps and double folds.
fn next_cron(after: civil::DateTime, text: &str) -> Option<civil::DateTime> {
    let schedule = parse_cron(text).ok()?;
    let date = to_naive_date(after.date());
    let (h, m, s) =
        (after.hour().unsigned_abs(), after.minute().unsigned_abs(), after.second().unsigned_abs());
    let labelled = date.and_hms_opt(h.into(), m.into(), s.into())?.and_utc();
    // The crate has returned times that were not later than asked; those are passed over, not looped on.
    let next = schedule.after(&labelled).take(4).find(|next| *next > labelled)?;
    let time = next.time().format("%H:%M").to_string().parse::<LocalTime>().ok()?;
    Some(time.on(to_civil_date(next.date_naive())?))
}

fn parse_cron(text: &str) -> Result<Schedule, RecurrenceError> {
    Schedule::from_str(&format!("0 {text}")).map_err(|_| RecurrenceError::CronSyntax)
}

fn validate_cron(text: &str) -> Result<(), RecurrenceError> {
    if text.len() > MAX_CRON_BYTES {
        return Err(RecurrenceError::CronTooLong);
    }
    let fields: Vec<&str> = text.split_ascii_whitespace().collect();
    let &[_, _, day_of_month, _, weekday] = fields.as_slice() else {
        return Err(RecurrenceError::CronFieldCount);
    };
    let known = |b: u8| b.is_ascii_alphanumeric() || b.is_ascii_whitespace() || b"*?,-/".contains(&b);
    if !text.bytes().all(known) {
        return Err(RecurrenceError::CronSyntax);
    }
    if weekday.bytes().any(|b| b.is_ascii_digit()) {
        return Err(RecurrenceError::CronWeekdayNumber);
    }
    let open = |field: &str| matches!(field, "*" | "?");
    if !open(day_of_month) && !open(weekday) {
        return Err(RecurrenceError::CronBothDays);
    }
    let schedule = parse_cron(text)?;
    // One minute of the hour is the same as "at least an hour apart", whatever the other fields say.
    if cron::TimeUnitSpec::count(schedule.minutes()) != 1 {
        return Err(RecurrenceError::CronTooOften);
    }
    // Five fields name no year, so one leap-year cycle from any start shows whether a date ever comes.
    let start = NaiveDate::from_ymd_opt(2000, 1, 1).and_then(|date| date.and_hms_opt(0, 0, 0));
    let fires = start.is_some_and(|start| schedule.after(&start.and_utc()).next().is_some());
    if fires { Ok(()) } else { Err(RecurrenceError::CronNeverFires) }
}
