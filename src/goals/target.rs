//! What of a goal can be measured: a score of a questionnaire that comes down, or something done so often a week.

use chrono::{Months, NaiveDate};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    error::{ApiError, ApiResult},
    measures,
    validate::Checks,
};

/// How far ahead a goal may lie.
const FURTHEST: Months = Months::new(60);
/// Most times in a week that make sense.
const MOST_PER_WEEK: f64 = 50.0;

/// What can be counted in a week.
pub const COUNTED: [&str; 4] = ["journal-or-prompt", "journal", "prompt", "checkin"];

/// How a target is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TargetKind {
    /// The score comes down by so many percent of where it was.
    PercentReduction,
    /// The score comes down by so many points.
    AbsoluteReduction,
    /// Something is done so often a week.
    CountPerWeek,
}

/// What is to be reached, and until when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GoalTarget {
    /// The questionnaire, for reductions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64, example = "phq-9")]
    pub measure: Option<String>,
    /// Which of its scores; `total` if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64, example = "total")]
    pub score: Option<String>,
    #[serde(rename = "type")]
    pub kind: TargetKind,
    /// Percent, points, or times a week.
    #[schema(exclusive_minimum = 0, example = 50)]
    pub value: f64,
    /// What is counted, for `count-per-week`: `journal-or-prompt`, `journal`, `prompt` or `checkin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64, example = "journal-or-prompt")]
    pub of: Option<String>,
    /// The patient's own date on which it is to be reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "2027-01-17")]
    pub due_date: Option<NaiveDate>,
}

/// What is wrong with a target whatever the day is.
pub fn check(checks: &mut Checks, target: &GoalTarget) {
    checks.require(target.value > 0.0, "/target/value", "out_of_range", "must be more than 0");
    if target.kind == TargetKind::CountPerWeek {
        check_count(checks, target);
    } else {
        check_reduction(checks, target);
    }
}

fn check_count(checks: &mut Checks, target: &GoalTarget) {
    let detail = "belongs to reductions only; leave it out";
    checks.require(target.measure.is_none(), "/target/measure", "not_for_this_type", detail);
    checks.require(target.score.is_none(), "/target/score", "not_for_this_type", detail);
    let whole = target.value.fract() == 0.0 && target.value <= MOST_PER_WEEK;
    checks.require(whole, "/target/value", "out_of_range", "must be a whole number from 1 to 50");
    let known = target.of.as_deref().is_some_and(|of| COUNTED.contains(&of));
    let detail = format!("must be one of: {}", COUNTED.join(", "));
    checks.require(known, "/target/of", "unknown_value", detail);
}

fn check_reduction(checks: &mut Checks, target: &GoalTarget) {
    let detail = "belongs to count-per-week only; leave it out";
    checks.require(target.of.is_none(), "/target/of", "not_for_this_type", detail);
    let Some(measure) = target.measure.as_deref() else {
        checks.require(false, "/target/measure", "required", "is required for a reduction, such as phq-9");
        return;
    };
    let form = measures::embedded(measure);
    let detail = "must be the id of a questionnaire of this server, such as phq-9";
    checks.require(form.is_some(), "/target/measure", "unknown_measure", detail);
    let id = target.score.as_deref().unwrap_or("total");
    let score = form.and_then(|form| form.score(id)).filter(|score| score.is_better_lower());
    let detail = "must be a score of this questionnaire that is better when it is lower";
    checks.require(form.is_none() || score.is_some(), "/target/score", "unknown_score", detail);
    let most = match target.kind {
        TargetKind::AbsoluteReduction => score.map_or(f64::MAX, |score| score.max - score.min),
        _ => 100.0,
    };
    let detail = format!("must be at most {most}");
    checks.require(target.value <= most, "/target/value", "out_of_range", detail);
}

/// 422 for a date that has passed or that nobody plans for.
pub fn check_due(target: Option<&GoalTarget>, today: NaiveDate) -> ApiResult<()> {
    let Some(due) = target.and_then(|target| target.due_date) else { return Ok(()) };
    let last = today.checked_add_months(FURTHEST).unwrap_or(today);
    if due >= today && due <= last {
        return Ok(());
    }
    let detail = format!("must lie from {today} to {last}");
    Err(ApiError::invalid_field("/target/due_date", "impossible_date", detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(
        measure: Option<&str>,
        score: Option<&str>,
        kind: TargetKind,
        value: f64,
        of: Option<&str>,
    ) -> GoalTarget {
        let own = |text: Option<&str>| text.map(str::to_owned);
        GoalTarget { measure: own(measure), score: own(score), kind, value, of: own(of), due_date: None }
    }

    fn first_wrong(target: &GoalTarget) -> Option<String> {
        let mut checks = Checks::default();
        check(&mut checks, target);
        match checks.finish() {
            Err(ApiError::Refused { errors, .. }) => Some(errors[0].pointer.clone()),
            _ => None,
        }
    }

    #[test]
    fn targets_fit_what_they_measure() {
        use TargetKind::{AbsoluteReduction, CountPerWeek, PercentReduction};
        for (target, wrong) in [
            (target(Some("phq-9"), Some("total"), PercentReduction, 50.0, None), None),
            (target(Some("phq-9"), None, PercentReduction, 100.0, None), None),
            (target(Some("phq-9"), None, PercentReduction, 100.5, None), Some("/target/value")),
            (target(Some("phq-9"), None, PercentReduction, 0.0, None), Some("/target/value")),
            (target(Some("phq-9"), None, AbsoluteReduction, 27.0, None), None),
            (target(Some("phq-9"), None, AbsoluteReduction, 28.0, None), Some("/target/value")),
            (target(Some("pcl-5"), Some("intrusion"), AbsoluteReduction, 20.0, None), None),
            (target(Some("pcl-5"), Some("other"), AbsoluteReduction, 1.0, None), Some("/target/score")),
            (target(Some("daily-check-in"), Some("anxiety"), AbsoluteReduction, 2.0, None), None),
            (
                target(Some("daily-check-in"), Some("mood"), AbsoluteReduction, 2.0, None),
                Some("/target/score"),
            ),
            (target(Some("phq-99"), None, PercentReduction, 50.0, None), Some("/target/measure")),
            (target(None, None, PercentReduction, 50.0, None), Some("/target/measure")),
            (target(Some("phq-9"), None, PercentReduction, 5.0, Some("journal")), Some("/target/of")),
            (target(None, None, CountPerWeek, 3.0, Some("journal-or-prompt")), None),
            (target(None, None, CountPerWeek, 2.5, Some("journal")), Some("/target/value")),
            (target(None, None, CountPerWeek, 51.0, Some("journal")), Some("/target/value")),
            (target(None, None, CountPerWeek, 3.0, None), Some("/target/of")),
            (target(None, None, CountPerWeek, 3.0, Some("steps")), Some("/target/of")),
            (target(Some("phq-9"), None, CountPerWeek, 3.0, Some("journal")), Some("/target/measure")),
        ] {
            assert_eq!(first_wrong(&target).as_deref(), wrong, "{target:?}");
        }
    }

    #[test]
    fn a_due_date_lies_ahead_and_not_too_far() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        let today = day("2026-11-22");
        for (due, good) in [
            ("2026-11-22", true),
            ("2026-11-21", false),
            ("2031-11-22", true),
            ("2031-11-23", false),
            ("9999-12-31", false),
            ("0000-01-01", false),
        ] {
            let target = GoalTarget {
                due_date: Some(day(due)),
                ..target(None, None, TargetKind::CountPerWeek, 1.0, Some("journal"))
            };
            assert_eq!(check_due(Some(&target), today).is_ok(), good, "{due}");
        }
        assert!(check_due(None, today).is_ok());
    }
}
