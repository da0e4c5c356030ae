//! Which exercise is offered today. Pure: the same patient, day and history give the same one.

use std::collections::BTreeSet;

use aws_lc_rs::digest;
use chrono::NaiveDate;
use uuid::Uuid;

use super::catalogue::{Care, Phase, Prompt, TimeOfDay};

/// An exercise does not come again within so many days, unless it is a favourite (`content/prompts.json`, rules).
pub const REST_DAYS: i64 = 14;
/// An exercise that fits before a session is offered so many days ahead of it, and one for afterwards as long.
pub const PHASE_DAYS: i64 = 14;
/// How many times more often a favourite comes.
const FAVOURITE_WEIGHT: f64 = 3.0;

/// What is known of a patient's day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Day {
    pub date: NaiveDate,
    pub part: TimeOfDay,
    /// A dosing session lies ahead, or was held, within [`PHASE_DAYS`].
    pub before_dosing: bool,
    pub after_dosing: bool,
    /// A dosing session is on this local date, or starts within the hour.
    pub dosing_day: bool,
    /// A safety alert is open.
    pub alert_open: bool,
}

/// The part of the day at a local hour.
pub fn part_of_day(hour: i8) -> TimeOfDay {
    match hour {
        5..=10 => TimeOfDay::Morning,
        11..=16 => TimeOfDay::Midday,
        17..=21 => TimeOfDay::Evening,
        _ => TimeOfDay::Night,
    }
}

/// Whether an exercise may be offered on this day, by the marks and rules of the catalogue.
pub fn may_offer(prompt: &Prompt, day: &Day) -> bool {
    let phase = match prompt.phase {
        Phase::Any => true,
        Phase::Pre => day.before_dosing,
        Phase::Post => day.after_dosing,
    };
    let time = prompt.time_of_day == TimeOfDay::Any || prompt.time_of_day == day.part;
    let calm = !day.dosing_day && !day.alert_open && day.part != TimeOfDay::Night;
    let care = calm || prompt.care != Some(Care::MayStirMemories);
    phase && time && care && (!day.alert_open || prompt.is_grounding())
}

/// The exercise for this day: one that rested, favourites more often; when all were met lately, any that may be offered.
pub fn choose<'a>(
    catalogue: &'a [Prompt],
    patient: Uuid,
    day: &Day,
    recent: &BTreeSet<String>,
    favourites: &BTreeSet<String>,
) -> Option<&'a Prompt> {
    let open: Vec<&Prompt> = catalogue.iter().filter(|prompt| may_offer(prompt, day)).collect();
    let rested = |prompt: &&&Prompt| favourites.contains(&prompt.id) || !recent.contains(&prompt.id);
    let best = |pool: Vec<&'a Prompt>| {
        let lot = |prompt: &Prompt| lot(patient, day.date, &prompt.id, favourites.contains(&prompt.id));
        pool.into_iter().max_by(|a, b| lot(a).total_cmp(&lot(b)))
    };
    let fresh: Vec<&Prompt> = open.iter().filter(rested).copied().collect();
    best(if fresh.is_empty() { open } else { fresh })
}

/// A number from 0 to 1 drawn for this patient, day and exercise. The u^(1/w) makes a weight of w count w-fold among
/// the largest (Efraimidis and Spirakis, weighted sampling, 2006).
fn lot(patient: Uuid, date: NaiveDate, prompt: &str, favourite: bool) -> f64 {
    let text = format!("{patient}/{date}/{prompt}");
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    let bits = hash.as_ref().iter().take(6).fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    let uniform = bits as f64 / (1_u64 << 48) as f64;
    uniform.powf(1.0 / if favourite { FAVOURITE_WEIGHT } else { 1.0 })
}

#[cfg(test)]
mod tests {
    use chrono::Days;

    use super::{super::catalogue::catalogue, *};

    fn calm(date: &str) -> Day {
        Day {
            date: date.parse().unwrap(),
            part: TimeOfDay::Morning,
            before_dosing: true,
            after_dosing: false,
            dosing_day: false,
            alert_open: false,
        }
    }

    fn of(id: &str) -> &'static Prompt {
        catalogue().iter().find(|prompt| prompt.id == id).unwrap()
    }

    fn set(ids: &[&str]) -> BTreeSet<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    #[test]
    fn the_day_has_four_parts() {
        let parts = [
            (4, TimeOfDay::Night),
            (5, TimeOfDay::Morning),
            (11, TimeOfDay::Midday),
            (16, TimeOfDay::Midday),
        ];
        for (hour, part) in parts {
            assert_eq!(part_of_day(hour), part, "{hour}");
        }
        assert_eq!(
            (part_of_day(17), part_of_day(21), part_of_day(22)),
            (TimeOfDay::Evening, TimeOfDay::Evening, TimeOfDay::Night)
        );
    }

    #[test]
    fn what_may_stir_memories_is_kept_from_nights_dosing_days_and_open_alerts() {
        let mut day = Day { after_dosing: true, ..calm("2026-11-22") };
        let stirring: Vec<&Prompt> =
            catalogue().iter().filter(|prompt| prompt.care == Some(Care::MayStirMemories)).collect();
        assert!(stirring.iter().any(|prompt| may_offer(prompt, &day)));
        for change in [
            (|day: &mut Day| day.part = TimeOfDay::Night) as fn(&mut Day),
            |day| day.dosing_day = true,
            |day| day.alert_open = true,
        ] {
            let before = day.clone();
            change(&mut day);
            assert!(!stirring.iter().any(|prompt| may_offer(prompt, &day)), "{day:?}");
            day = before;
        }
    }

    #[test]
    fn with_an_open_alert_only_grounding_is_offered() {
        let day = Day { alert_open: true, ..calm("2026-11-22") };
        let offered: Vec<&Prompt> = catalogue().iter().filter(|prompt| may_offer(prompt, &day)).collect();
        assert!(!offered.is_empty() && offered.iter().all(|prompt| prompt.is_grounding()));
    }

    #[test]
    fn phase_and_time_of_day_are_respected() {
        let day = calm("2026-11-22");
        for prompt in catalogue().iter().filter(|prompt| may_offer(prompt, &day)) {
            assert!(
                prompt.phase != Phase::Post
                    && matches!(prompt.time_of_day, TimeOfDay::Any | TimeOfDay::Morning)
            );
        }
        assert!(!may_offer(of("kind-hard-day"), &day));
        assert!(may_offer(of("kind-hard-day"), &Day { after_dosing: true, ..day }));
    }

    /// A year of days, each remembering what the last fourteen brought.
    fn year(patient: Uuid, favourites: &BTreeSet<String>) -> Vec<String> {
        let start: NaiveDate = "2026-01-01".parse().unwrap();
        let mut met: Vec<String> = Vec::new();
        for number in 0..365 {
            let day = Day { date: start + Days::new(number), ..calm("2026-01-01") };
            let recent = met.iter().rev().take(usize::try_from(REST_DAYS).unwrap()).cloned().collect();
            met.push(choose(catalogue(), patient, &day, &recent, favourites).unwrap().id.clone());
        }
        met
    }

    #[test]
    fn nothing_comes_again_within_fourteen_days_and_everybody_has_an_order_of_their_own() {
        let (ana, ben) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let met = year(ana, &set(&[]));
        for window in met.windows(15) {
            assert_eq!(window.iter().collect::<BTreeSet<_>>().len(), 15);
        }
        assert_eq!(met, year(ana, &set(&[])));
        assert_ne!(met, year(ben, &set(&[])));
        assert!(met.iter().collect::<BTreeSet<_>>().len() > 25, "the whole catalogue is used");
    }

    #[test]
    fn favourites_come_more_often_and_may_come_soon() {
        let often = |met: &[String]| met.iter().filter(|id| *id == "ground-five-senses").count();
        let total = |favourites: &BTreeSet<String>| {
            (0..20).map(|n| often(&year(Uuid::from_u128(n), favourites))).sum::<usize>()
        };
        let (plain, favourite) = (total(&set(&[])), total(&set(&["ground-five-senses"])));
        assert!(favourite > plain * 2, "{favourite} against {plain}");
    }

    #[test]
    fn when_all_were_met_lately_one_comes_again() {
        let all: BTreeSet<String> = catalogue().iter().map(|prompt| prompt.id.clone()).collect();
        let day = Day { alert_open: true, ..calm("2026-11-22") };
        assert!(choose(catalogue(), Uuid::nil(), &day, &all, &set(&[])).is_some_and(Prompt::is_grounding));
    }
}
