//! Wall-clock time: IANA zones, `HH:MM`, ISO 8601 durations, and the one mapping of a local date-time to an instant.
//! A gap (spring) shifts forward by the length of the gap, a fold (autumn) takes the first of the two. Instants are
//! UTC in whole milliseconds, as both databases keep them.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, FixedOffset, NaiveDate, Offset, SubsecRound, TimeDelta, Utc};
use jiff::{Span, Timestamp, civil, tz::TimeZone};
use serde::{Deserialize, Serialize};

/// Longest zone name taken, in bytes; the longest of the IANA database has 32.
pub const MAX_ZONE_NAME: usize = 64;

/// A time zone of the IANA database, such as `Europe/Berlin`.
#[derive(Debug, Clone)]
pub struct Zone {
    name: String,
    zone: TimeZone,
}

/// Why a text is no zone. The message says what to send instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ZoneError {
    #[error("send the name of an IANA time zone such as Europe/Berlin, not an offset or a POSIX rule")]
    NotAName,
    #[error(
        "this IANA time zone is not known here: send the device's zone as Area/City, such as Europe/Berlin"
    )]
    Unknown,
}

impl ZoneError {
    /// Stable word for `errors[].code`.
    pub fn code(self) -> &'static str {
        match self {
            Self::NotAName => "zone_not_a_name",
            Self::Unknown => "zone_unknown",
        }
    }
}

impl Zone {
    /// Look a zone up by its IANA name; case is ignored, the database's own spelling is kept.
    ///
    /// # Errors
    /// [`ZoneError::NotAName`] for offsets, POSIX rules and file-system names, [`ZoneError::Unknown`] otherwise.
    pub fn parse(name: &str) -> Result<Self, ZoneError> {
        let shape = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'-' | b'+');
        let starts_well = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
        if !starts_well || name.len() > MAX_ZONE_NAME || !name.bytes().all(shape) {
            return Err(ZoneError::NotAName);
        }
        // These exist as files beside the zones, but name a machine's setting or a copy, never a place.
        let lower = name.to_ascii_lowercase();
        if lower.starts_with("posix") || lower.starts_with("right/") || lower == "localtime" {
            return Err(ZoneError::NotAName);
        }
        if matches!(lower.as_str(), "factory" | "etc/unknown") {
            return Err(ZoneError::Unknown);
        }
        let zone = TimeZone::get(name).map_err(|_| ZoneError::Unknown)?;
        let name = zone.iana_name().ok_or(ZoneError::Unknown)?.to_owned();
        Ok(Self { name, zone })
    }

    /// The IANA name, in the database's spelling.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What a clock on the wall shows at an instant.
    pub fn local(&self, instant: DateTime<Utc>) -> civil::DateTime {
        self.zone.to_datetime(to_timestamp(instant))
    }

    /// The local calendar date of an instant.
    pub fn local_date(&self, instant: DateTime<Utc>) -> NaiveDate {
        to_naive_date(self.local(instant).date())
    }

    /// How far the clocks there are from UTC at an instant.
    pub fn offset(&self, instant: DateTime<Utc>) -> FixedOffset {
        let seconds = self.zone.to_offset(to_timestamp(instant)).seconds();
        // Never: no place is a day away from UTC.
        FixedOffset::east_opt(seconds).unwrap_or_else(|| Utc.fix())
    }

    /// The instant of a local date-time: in a gap shifted forward by the gap, in a fold the first.
    pub fn instant(&self, local: civil::DateTime) -> DateTime<Utc> {
        let edge = if local.year() < 1970 { Timestamp::MIN } else { Timestamp::MAX };
        from_timestamp(self.zone.to_timestamp(local).unwrap_or(edge))
    }

    /// Whether any moment of this local date exists. Zones that cross the date line leave one out: Pacific/Apia has
    /// no 2011-12-30.
    pub fn has_date(&self, date: civil::Date) -> bool {
        self.local(self.instant(date.at(0, 0, 0, 0))).date() == date
    }

    /// Add a duration: months and days on the local calendar (month ends are clamped), time parts exactly.
    pub fn add(&self, instant: DateTime<Utc>, duration: IsoDuration) -> DateTime<Utc> {
        let moved = if duration.has_date_part() {
            self.instant(duration.shift_date_part(self.local(instant)))
        } else {
            instant
        };
        moved.checked_add_signed(duration.time_part()).unwrap_or(moved).trunc_subsecs(3)
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}
impl Eq for Zone {}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// A wall-clock time of day to the minute, written `HH:MM` (24 hours, both parts with two digits).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LocalTime {
    hour: i8,
    minute: i8,
}

/// The text is not `HH:MM`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write the time as HH:MM on the 24-hour clock, such as 08:30")]
pub struct LocalTimeError;

impl LocalTime {
    /// # Errors
    /// [`LocalTimeError`] outside 00:00 to 23:59.
    pub fn new(hour: i8, minute: i8) -> Result<Self, LocalTimeError> {
        let inside = (0..24).contains(&hour) && (0..60).contains(&minute);
        inside.then_some(Self { hour, minute }).ok_or(LocalTimeError)
    }

    /// This time on a date.
    pub fn on(self, date: civil::Date) -> civil::DateTime {
        date.at(self.hour, self.minute, 0, 0)
    }

    /// The minute a local date-time lies in.
    pub fn of(local: civil::DateTime) -> Self {
        Self { hour: local.hour(), minute: local.minute() }
    }
}

impl FromStr for LocalTime {
    type Err = LocalTimeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let &[h1, h2, b':', m1, m2] = text.as_bytes() else { return Err(LocalTimeError) };
        let digit = |b: u8| b.is_ascii_digit().then(|| (b - b'0').cast_signed()).ok_or(LocalTimeError);
        Self::new(digit(h1)? * 10 + digit(h2)?, digit(m1)? * 10 + digit(m2)?)
    }
}

impl TryFrom<String> for LocalTime {
    type Error = LocalTimeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<LocalTime> for String {
    fn from(time: LocalTime) -> Self {
        time.to_string()
    }
}

impl fmt::Display for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.hour, self.minute)
    }
}

/// An ISO 8601 duration such as `-P1D`, `PT2H` or `P1M`; its sign holds for all parts. Years and weeks are taken as
/// 12 months and 7 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct IsoDuration {
    months: i32,
    days: i32,
    seconds: i64,
}

/// The text is no ISO 8601 duration within ten years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write the duration in ISO 8601, within ten years, such as P1D, -PT2H or P2W")]
pub struct IsoDurationError;

impl IsoDuration {
    /// Whether it points backwards, as in `-P1D`.
    pub fn is_negative(self) -> bool {
        self.months < 0 || self.days < 0 || self.seconds < 0
    }

    /// Whether it has an exact time part, as in `PT2H`.
    pub fn has_time_part(self) -> bool {
        self.seconds != 0
    }

    /// Whether it has a calendar part, as in `P1D`.
    pub fn has_date_part(self) -> bool {
        self.months != 0 || self.days != 0
    }

    /// Whole calendar days, when it consists of nothing else.
    pub fn as_days(self) -> Option<i32> {
        (self.months == 0 && self.seconds == 0).then_some(self.days)
    }

    /// The exact part.
    pub fn time_part(self) -> TimeDelta {
        TimeDelta::try_seconds(self.seconds).unwrap_or_default()
    }

    /// The most exact time it can stand for, whatever its sign; a month counts as 31 days.
    pub fn longest(self) -> TimeDelta {
        let days = i64::from(self.months.abs()) * 31 + i64::from(self.days.abs());
        TimeDelta::try_days(days).unwrap_or_default() + self.time_part().abs()
    }

    /// Move a local date-time by the calendar part alone; the time of day stays.
    pub fn shift_date_part(self, local: civil::DateTime) -> civil::DateTime {
        let span = Span::new().try_months(self.months).and_then(|span| span.try_days(self.days));
        span.and_then(|span| local.checked_add(span)).unwrap_or(local)
    }
}

impl fmt::Display for IsoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.seconds.abs();
        f.write_str(if self.is_negative() { "-P" } else { "P" })?;
        for (amount, unit) in [(self.months.abs(), 'M'), (self.days.abs(), 'D')] {
            if amount != 0 {
                write!(f, "{amount}{unit}")?;
            }
        }
        if seconds == 0 {
            return f.write_str(if self.has_date_part() { "" } else { "T0S" });
        }
        f.write_str("T")?;
        for (amount, unit) in [(seconds / 3_600, 'H'), (seconds / 60 % 60, 'M'), (seconds % 60, 'S')] {
            if amount != 0 {
                write!(f, "{amount}{unit}")?;
            }
        }
        Ok(())
    }
}

impl FromStr for IsoDuration {
    type Err = IsoDurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const YEARS: i32 = 10;
        if !text.trim_start_matches('-').starts_with('P') || text.len() > 32 {
            return Err(IsoDurationError);
        }
        let span: Span = text.parse().map_err(|_| IsoDurationError)?;
        let months = i32::from(span.get_years()) * 12 + span.get_months();
        let days = span.get_weeks() * 7 + span.get_days();
        let clock = i64::from(span.get_hours()).checked_mul(3_600);
        let clock = clock.and_then(|s| s.checked_add(span.get_minutes().checked_mul(60)?));
        let seconds = clock.and_then(|s| s.checked_add(span.get_seconds())).ok_or(IsoDurationError)?;
        let inside = months.abs() <= YEARS * 12 && days.abs() <= YEARS * 366;
        if !inside || seconds.abs() > i64::from(YEARS) * 366 * 86_400 {
            return Err(IsoDurationError);
        }
        Ok(Self { months, days, seconds })
    }
}

impl TryFrom<String> for IsoDuration {
    type Error = IsoDurationError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

fn to_timestamp(instant: DateTime<Utc>) -> Timestamp {
    let edge = if instant.year() < 1970 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_millisecond(instant.timestamp_millis()).unwrap_or(edge)
}

fn from_timestamp(timestamp: Timestamp) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(timestamp.as_millisecond()).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// A calendar date in the type the tables use.
pub fn to_naive_date(date: civil::Date) -> NaiveDate {
    let (year, month, day) = (date.year().into(), date.month().unsigned_abs(), date.day().unsigned_abs());
    NaiveDate::from_ymd_opt(year, month.into(), day.into()).unwrap_or(NaiveDate::MAX)
}

/// A calendar date in the type the arithmetic uses; `None` outside the years -9999 to 9999.
pub fn to_civil_date(date: NaiveDate) -> Option<civil::Date> {
    let year = i16::try_from(date.year()).ok()?;
    let (month, day) = (i8::try_from(date.month()).ok()?, i8::try_from(date.day()).ok()?);
    civil::Date::new(year, month, day).ok()
}
