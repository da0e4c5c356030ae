//! What a filled-in questionnaire is before it is stored, without database.

use chrono::{DateTime, Duration, SubsecRound, Utc};

use super::dto::MeasureResponseCreate;
use crate::{
    error::{ApiError, ApiResult},
    measures::{
        answers,
        catalogue::{Catalogue, DAILY},
        definition::{Condition, Measure},
        scoring::{Answers, Outcome, score},
    },
    validate::Checks,
};

/// How far back a form filled in offline may lie.
const OLDEST: Duration = Duration::days(366);
/// How wrong a phone's clock may be.
const SKEW: Duration = Duration::minutes(5);

/// A form that may be stored.
#[derive(Debug)]
pub struct Draft<'a> {
    pub measure: &'a Measure,
    pub language: String,
    pub answers: Answers,
    pub outcome: Outcome,
    pub started_at: Option<DateTime<Utc>>,
    pub taken_at: DateTime<Utc>,
    pub assignment_id: Option<uuid::Uuid>,
    pub shared: bool,
}

/// 422: the daily form has a home of its own.
pub fn use_checkins() -> ApiError {
    ApiError::refused(
        axum::http::StatusCode::UNPROCESSABLE_ENTITY,
        "use_checkins",
        "The daily form is filled in as a check-in and needs no assignment: POST /v1/checkins.",
    )
}

/// The questionnaire with this id, else 422 at `/measure_id`.
pub fn known<'a>(catalogue: &'a Catalogue, id: &str) -> ApiResult<&'a Measure> {
    if id == DAILY {
        return Err(use_checkins());
    }
    catalogue.find(id).ok_or_else(|| {
        let detail = "is no questionnaire of this server; see GET /v1/measures";
        ApiError::invalid_field("/measure_id", "unknown_measure", detail)
    })
}

/// Checks a form against its questionnaire and counts it.
pub fn draft(
    catalogue: &Catalogue,
    input: MeasureResponseCreate,
    now: DateTime<Utc>,
) -> ApiResult<Draft<'_>> {
    let measure = known(catalogue, &input.measure_id)?;
    let mut checks = Checks::default();
    checks.require(
        input.version == measure.version,
        "/version",
        "unknown_version",
        format!("must be {}; read the form again and show it before sending answers", measure.version),
    );
    checks.require(
        measure.languages.contains(&input.language),
        "/language",
        "unknown_value",
        format!("must be one of: {}", measure.languages.join(", ")),
    );
    let answers = answers::read(measure, input.answers, &mut checks);
    let taken_at = input.taken_at.unwrap_or(now).trunc_subsecs(3);
    let started_at = input.started_at.map(|at| at.trunc_subsecs(3));
    for (pointer, at) in [("/taken_at", Some(taken_at)), ("/started_at", started_at)] {
        let possible = at.is_none_or(|at| at <= now + SKEW && at >= now - OLDEST);
        checks.require(possible, pointer, "impossible_time", "must lie within the last year, not ahead");
    }
    let ordered = started_at.is_none_or(|started| started <= taken_at);
    checks.require(ordered, "/started_at", "impossible_time", "must not lie after taken_at");
    checks.finish()?;
    let outcome = score(measure, &answers);
    Ok(Draft {
        measure,
        language: input.language,
        answers,
        outcome,
        started_at,
        taken_at,
        assignment_id: input.assignment_id,
        shared: input.shared,
    })
}

/// How many forms before this one its rules look at.
pub fn forms_before(measure: &Measure) -> usize {
    fn depth(condition: &Condition) -> usize {
        match condition {
            Condition::Consecutive(rule) => rule.consecutive.saturating_sub(1).max(depth(&rule.of)),
            Condition::Any(any) => any.any.iter().map(depth).max().unwrap_or(0),
            Condition::All(all) => all.all.iter().map(depth).max().unwrap_or(0),
            _ => 0,
        }
    }
    measure.safety_rules.iter().map(|rule| depth(&rule.when)).max().unwrap_or(0)
}
