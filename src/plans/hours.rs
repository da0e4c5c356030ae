//! When a clinic is open in a week.

use jiff::civil;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    reminders::rules::{localtime::LocalTime, recurrence::Weekday},
    validate::Checks,
};

/// Most openings in a week.
const MOST: usize = 21;

/// One opening, on the clinic's wall clock. A day with a break has two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Opening {
    /// `mon`, `tue`, `wed`, `thu`, `fri`, `sat` or `sun`.
    #[schema(value_type = String, example = "mon")]
    pub weekday: Weekday,
    #[schema(value_type = String, example = "09:00")]
    pub opens: LocalTime,
    #[schema(value_type = String, example = "17:00")]
    pub closes: LocalTime,
}

/// The openings of a week, as they are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hours(Vec<Opening>);

impl Default for Hours {
    fn default() -> Self {
        use Weekday::{Fri, Mon, Thu, Tue, Wed};
        let at = |hour| LocalTime::new(hour, 0).ok();
        let (Some(opens), Some(closes)) = (at(9), at(17)) else { return Self(Vec::new()) };
        Self([Mon, Tue, Wed, Thu, Fri].map(|weekday| Opening { weekday, opens, closes }).to_vec())
    }
}

impl Hours {
    pub fn new(mut openings: Vec<Opening>) -> Self {
        openings.sort_by_key(|one| (number(one.weekday), one.opens));
        Self(openings)
    }

    pub fn openings(&self) -> &[Opening] {
        &self.0
    }

    /// The openings of a date, earliest first.
    pub fn on(&self, date: civil::Date) -> impl DoubleEndedIterator<Item = &Opening> {
        let weekday = Weekday::from(date.weekday());
        self.0.iter().filter(move |one| one.weekday == weekday)
    }
}

fn number(day: Weekday) -> u8 {
    match day {
        Weekday::Mon => 0,
        Weekday::Tue => 1,
        Weekday::Wed => 2,
        Weekday::Thu => 3,
        Weekday::Fri => 4,
        Weekday::Sat => 5,
        Weekday::Sun => 6,
    }
}

/// What is wrong with the openings of a week.
pub fn check(checks: &mut Checks, field: &str, openings: &[Opening]) {
    checks.require(!openings.is_empty(), field, "required", "needs at least one opening");
    checks.items(field, openings, MOST);
    for (index, one) in openings.iter().enumerate() {
        let pointer = format!("{field}/{index}/closes");
        checks.require(one.closes > one.opens, &pointer, "wrong_order", "must be later than opens");
        let overlaps = |other: &Opening| {
            other.weekday == one.weekday && other.opens < one.closes && one.opens < other.closes
        };
        let pointer = format!("{field}/{index}");
        let detail = "overlaps with another opening of that day; join the two";
        checks.require(!openings[..index].iter().any(overlaps), &pointer, "overlap", detail);
    }
}
