//! When a plan asks for the questionnaires of its template.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use jiff::civil;

use super::{fit::plus, templates::TemplateMeasure};
use crate::reminders::rules::localtime::Zone;

/// How many days there are to fill one in: from its day to the session that reads it.
const OPEN_DAYS: i32 = 3;

/// One questionnaire to ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    pub measure: String,
    pub opens_at: DateTime<Utc>,
    pub due_at: DateTime<Utc>,
}

/// The questionnaires of a template around the first dosing day. What would have closed already is asked for once, now:
/// without a first value no later one says anything.
pub fn asks(
    measures: &[TemplateMeasure],
    first_dosing_on: civil::Date,
    zone: &Zone,
    now: DateTime<Utc>,
) -> Vec<Ask> {
    let closes = |day: civil::Date| zone.instant(plus(day, OPEN_DAYS).at(23, 59, 0, 0));
    let mut ahead = Vec::new();
    let mut missed: BTreeMap<&str, Ask> = BTreeMap::new();
    for one in measures.iter().filter(|one| !one.optional) {
        let day = plus(first_dosing_on, one.day_offset);
        let (opens_at, due_at) = (zone.instant(day.at(8, 0, 0, 0)).max(now), closes(day));
        let measure = one.measure.clone();
        if due_at > now {
            ahead.push(Ask { measure, opens_at, due_at });
        } else {
            let due_at = closes(zone.local(now).date());
            missed.insert(&one.measure, Ask { measure, opens_at: now, due_at });
        }
    }
    missed.into_values().chain(ahead).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measure(day_offset: i32, optional: bool) -> TemplateMeasure {
        TemplateMeasure { measure: "phq-9".to_owned(), day_offset, optional }
    }

    #[test]
    fn what_has_passed_is_asked_for_once_and_what_is_optional_never() {
        let zone = Zone::parse("Europe/Berlin").unwrap();
        let first = civil::date(2026, 12, 14);
        let list = [measure(-17, false), measure(-12, false), measure(-10, true), measure(13, false)];
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let ahead = asks(&list, first, &zone, at("2026-11-20T12:00:00Z"));
        let times: Vec<_> = ahead.iter().map(|ask| (ask.opens_at, ask.due_at)).collect();
        assert_eq!(
            times,
            [
                (at("2026-11-27T07:00:00Z"), at("2026-11-30T22:59:00Z")),
                (at("2026-12-02T07:00:00Z"), at("2026-12-05T22:59:00Z")),
                (at("2026-12-27T07:00:00Z"), at("2026-12-30T22:59:00Z")),
            ]
        );
        let late = asks(&list, first, &zone, at("2026-12-10T12:00:00Z"));
        let times: Vec<_> = late.iter().map(|ask| (ask.opens_at, ask.due_at)).collect();
        assert_eq!(times[0], (at("2026-12-10T12:00:00Z"), at("2026-12-13T22:59:00Z")));
        assert_eq!(times.len(), 2, "both that passed are asked for once");
    }
}
