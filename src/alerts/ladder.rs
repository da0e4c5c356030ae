//! Who is told of an alert, and when: the clinic's written steps, counted in minutes of its hours. Pure.

use chrono::{DateTime, Duration, Utc};

use crate::{
    measures::{Responder, ResponseStep},
    plans::Hours,
    reminders::rules::localtime::Zone,
};

/// How far to look for the clinic's next opening.
const SEARCH: i32 = 60;
/// After the last step it is told again each time so many open minutes have passed.
const AGAIN: u32 = 240;
/// The steps of a clinic that has written none: a very low check-in may ring there too.
const UNWRITTEN: [ResponseStep; 2] = [
    ResponseStep { to: Responder::CareTeam, after_minutes: 0 },
    ResponseStep { to: Responder::ClinicLine, after_minutes: 120 },
];

/// A clinic's steps on its wall clock.
#[derive(Debug)]
pub struct Ladder {
    pub steps: Vec<ResponseStep>,
    pub hours: Hours,
    pub zone: Zone,
}

/// How grave a level is; what is unknown counts as the gravest.
pub fn rank(level: &str) -> usize {
    ["info", "moderate", "high"].iter().position(|known| *known == level).unwrap_or(3)
}

impl Ladder {
    /// The ladder of a clinic without a policy: its care team, then everybody who treats, in its usual hours.
    pub fn unwritten(hours: Hours, zone: Zone) -> Self {
        Self { steps: UNWRITTEN.to_vec(), hours, zone }
    }

    /// Who is told in the step with this number; after the last one it stays the last.
    pub fn to(&self, step: usize) -> Responder {
        let last = self.steps.len().saturating_sub(1);
        self.steps.get(step.min(last)).map_or(Responder::ClinicLine, |step| step.to)
    }

    /// When the step with this number is due for an alert of `raised_at`. Those beyond the last come again and again,
    /// counted from `now`.
    pub fn due(&self, step: usize, raised_at: DateTime<Utc>, now: DateTime<Utc>) -> DateTime<Utc> {
        match self.steps.get(step) {
            Some(step) => self.after(raised_at, step.after_minutes),
            None => self.after(now, AGAIN),
        }
    }

    /// The instant when so many open minutes have passed since `from`; if the clinic never opens, that of the wall
    /// clock: late hours are better than none.
    fn after(&self, from: DateTime<Utc>, minutes: u32) -> DateTime<Utc> {
        let mut left = Duration::minutes(i64::from(minutes));
        let first = self.zone.local(from).date();
        for day in 0..=SEARCH {
            let date = first.saturating_add(jiff::Span::new().days(day));
            for opening in self.hours.on(date) {
                let opens = self.zone.instant(opening.opens.on(date)).max(from);
                let open = self.zone.instant(opening.closes.on(date)) - opens;
                if open <= Duration::zero() {
                    continue;
                }
                // At the very moment of closing nobody is there any more.
                if left < open {
                    return opens + left;
                }
                left -= open;
            }
        }
        from + Duration::minutes(i64::from(minutes))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::plans::Opening;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn hours(list: &[(&str, &str, &str)]) -> Hours {
        let one = |(weekday, opens, closes): &(&str, &str, &str)| -> Opening {
            serde_json::from_value(serde_json::json!({"weekday": weekday, "opens": opens, "closes": closes}))
                .unwrap()
        };
        Hours::new(list.iter().map(one).collect())
    }

    fn ladder(hours: Hours) -> Ladder {
        let steps =
            [(Responder::CareTeam, 0), (Responder::CoveringClinician, 30), (Responder::ClinicLine, 90)];
        let steps = steps.map(|(to, after_minutes)| ResponseStep { to, after_minutes }).to_vec();
        Ladder { steps, hours, zone: Zone::parse("Europe/Berlin").unwrap() }
    }

    #[test]
    fn minutes_count_only_while_the_clinic_is_open() {
        // 22 November 2026 is a Sunday; Berlin is an hour ahead of UTC.
        let week =
            ladder(hours(&[("mon", "09:00", "12:00"), ("mon", "13:00", "17:00"), ("tue", "09:00", "10:00")]));
        for (raised, minutes, wanted) in [
            ("2026-11-22T21:00:00Z", 0, "2026-11-23T08:00:00Z"),
            ("2026-11-22T21:00:00Z", 30, "2026-11-23T08:30:00Z"),
            ("2026-11-23T10:45:00Z", 0, "2026-11-23T10:45:00Z"),
            ("2026-11-23T10:45:00Z", 14, "2026-11-23T10:59:00Z"),
            ("2026-11-23T10:45:00Z", 15, "2026-11-23T12:00:00Z"),
            ("2026-11-23T10:45:00Z", 16, "2026-11-23T12:01:00Z"),
            ("2026-11-23T15:30:00Z", 60, "2026-11-24T08:30:00Z"),
            ("2026-11-24T08:59:00Z", 1, "2026-11-30T08:00:00Z"),
        ] {
            assert_eq!(week.after(at(raised), minutes), at(wanted), "{raised} + {minutes}");
        }
    }

    #[test]
    fn the_hour_that_a_clock_skips_is_not_counted() {
        // On 28 March 2027 the clock goes from 02:00 to 03:00.
        let night = ladder(hours(&[("sun", "00:00", "08:00")]));
        assert_eq!(night.after(at("2027-03-27T23:00:00Z"), 120), at("2027-03-28T01:00:00Z"));
    }

    #[test]
    fn after_the_last_step_the_line_is_told_again() {
        let week = ladder(hours(&[("mon", "09:00", "17:00")]));
        let (raised, now) = (at("2026-11-23T08:00:00Z"), at("2026-11-23T09:30:00Z"));
        let steps: Vec<_> = (0..5).map(|step| week.to(step)).collect();
        use Responder::{CareTeam, ClinicLine, CoveringClinician};
        assert_eq!(steps, [CareTeam, CoveringClinician, ClinicLine, ClinicLine, ClinicLine]);
        assert_eq!(week.due(2, raised, now), at("2026-11-23T09:30:00Z"));
        assert_eq!(week.due(3, raised, now), at("2026-11-23T13:30:00Z"));
    }

    #[test]
    fn a_clinic_that_never_opens_is_told_by_the_wall_clock() {
        let closed = ladder(Hours::new(Vec::new()));
        assert_eq!(closed.after(at("2026-11-23T08:00:00Z"), 30), at("2026-11-23T08:30:00Z"));
    }

    proptest! {
        #[test]
        fn a_later_step_is_never_due_before_an_earlier_one(start in 0_i64..20_000, a in 0_u32..4_320, b in 0_u32..4_320) {
            let week = ladder(Hours::default());
            let from = at("2026-10-20T00:00:00Z") + Duration::minutes(start);
            let (early, late) = (week.after(from, a.min(b)), week.after(from, a.max(b)));
            prop_assert!(from <= early && early <= late);
        }
    }
}
