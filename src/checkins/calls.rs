//! What a check-in calls for, by the rules of the daily form: its alerts, and whether it is answered with the crisis
//! card. Most check-ins call for nothing, which is seen without asking the database.

use entity::{
    alerts, checkins,
    ids::{ClinicId, PatientId},
};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::rules::{Detail, VERY_LOW};
use crate::{
    alerts::{Raised, raise},
    db::WriteTx,
    error::{ApiError, ApiResult},
    measures::{
        DAILY, Measure, SafetyRule, clinic_facts, embedded,
        scoring::{Answers, Facts, Given, fired, score, waits_for_signature, worst_of_each_flag},
    },
};

/// Check-ins before this one that a rule may look at.
const LOOKS_BACK: u64 = 2;
const SOURCE: &str = "checkin";

/// Raises what the check-in calls for and has not called for before. Returns whether it is answered with the crisis card.
pub async fn judge(
    tx: &WriteTx,
    (patient, clinic): (PatientId, ClinicId),
    row: &checkins::Model,
    detail: &Detail,
) -> ApiResult<bool> {
    let form = embedded(DAILY).ok_or_else(|| ApiError::internal("the daily form is missing"))?;
    let answers = answers(row, detail);
    let as_before = vec![answers.clone(); LOOKS_BACK as usize];
    if holding(form, &answers, &as_before).is_empty() {
        return Ok(false);
    }
    let before = before(tx, patient, row).await?;
    let mut rules = holding(form, &answers, &before);
    if rules.iter().any(|rule| waits(form, rule))
        && !clinic_facts(tx.conn(), clinic).await?.form_thresholds_signed
    {
        rules.retain(|rule| !waits(form, rule));
    }
    let new = not_raised_yet(tx, patient, row, worst_of_each_flag(&rules)).await?;
    let raised =
        new.into_iter().map(|rule| Raised { id: tx.new_id().into(), rule, source: (SOURCE, row.id.0) });
    raise(tx, patient, raised.collect()).await?;
    Ok(rules.iter().any(|rule| rule.show_crisis_resources))
}

/// The rules that hold if somebody has signed all of them.
fn holding<'a>(form: &'a Measure, answers: &Answers, before: &[Answers]) -> Vec<&'a SafetyRule> {
    let (outcome, none) = (score(form, answers), Default::default());
    let facts = Facts {
        answers,
        outcome: &outcome,
        previous: &none,
        baseline: &none,
        before,
        thresholds_signed: true,
    };
    fired(form, &facts)
}

/// The gravest rule counts from the first day on: no clinic is without it until somebody signs.
fn waits(form: &Measure, rule: &SafetyRule) -> bool {
    rule.id != VERY_LOW && waits_for_signature(form, rule)
}

fn answers(row: &checkins::Model, detail: &Detail) -> Answers {
    let number = |value: Option<i32>| value.map(|value| Given::Number(value.into()));
    let emotions = (!detail.emotions.is_empty()).then(|| Given::Choices(detail.emotions.clone()));
    let all = [
        ("checkin.mood", number(Some(row.mood))),
        ("checkin.anxiety", number(row.anxiety)),
        ("checkin.energy", number(row.energy)),
        ("checkin.sleep-hours", row.sleep_hours.map(Given::Number)),
        ("checkin.emotions", emotions),
    ];
    all.into_iter().filter_map(|(item, given)| Some((item.to_owned(), given?))).collect()
}

/// The numbers of the check-ins before this one, the last first. Rules that look back ask for numbers only.
async fn before(tx: &WriteTx, patient: PatientId, row: &checkins::Model) -> ApiResult<Vec<Answers>> {
    let rows = checkins::Entity::find()
        .filter(checkins::Column::PatientId.eq(patient))
        .filter(checkins::Column::Id.ne(row.id))
        .filter(checkins::Column::TakenAt.lte(row.taken_at))
        .order_by_desc(checkins::Column::TakenAt)
        .order_by_desc(checkins::Column::Id)
        .limit(LOOKS_BACK)
        .all(tx.conn())
        .await?;
    Ok(rows.iter().map(|row| answers(row, &Detail::default())).collect())
}

/// Without what this check-in has raised already, as grave or graver, and what an open alert stands for. Only the
/// gravest rule rings each time it is met.
async fn not_raised_yet<'a>(
    tx: &WriteTx,
    patient: PatientId,
    row: &checkins::Model,
    rules: Vec<&'a SafetyRule>,
) -> ApiResult<Vec<&'a SafetyRule>> {
    use alerts::Column::{AcknowledgedAt, PatientId as Owner, SourceId, SourceKind};
    let mine_or_open = Condition::any().add(SourceId.eq(row.id.0)).add(AcknowledgedAt.is_null());
    let raised = alerts::Entity::find()
        .filter(Owner.eq(patient))
        .filter(SourceKind.eq(SOURCE))
        .filter(mine_or_open)
        .all(tx.conn())
        .await?;
    let form = embedded(DAILY);
    let stands_for = |rule: &SafetyRule, there: &alerts::Model| {
        let mine = there.source_id == row.id.0;
        let graver = form.and_then(|form| form.rule(&there.rule));
        mine && graver.is_some_and(|known| known.flag == rule.flag && known.level >= rule.level)
            || rule.id != VERY_LOW && there.acknowledged_at.is_none() && there.rule == rule.id
    };
    Ok(rules.into_iter().filter(|rule| !raised.iter().any(|there| stands_for(rule, there))).collect())
}
