//! Rows of filled-in questionnaires. The owner is part of every predicate.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use entity::{
    ids::{MeasureAssignmentId, MeasureResponseId, PatientId},
    measure_responses::{self, Column, Entity},
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect, Set,
    Statement, Value,
    sea_query::{Expr, ExprTrait as _},
};

use super::{
    dto::{MeasureResponse, MeasureResult, MeasureScore},
    rules::{self, Draft},
};
use crate::{
    alerts::{self, Raised},
    consents,
    db::WriteTx,
    error::{ApiError, ApiResult},
    measures::{
        answers, assignments,
        catalogue::Catalogue,
        definition::SafetyRule,
        scoring::{Answers, Earlier, Facts, band, change, fired, worst_of_each_flag},
    },
    page::Page,
    vault::{DataKey, Place},
};

fn place(id: MeasureResponseId) -> Place {
    Place::new("measure_responses", "answers_sealed", id)
}

/// A filled-in questionnaire with the totals it is compared with.
#[derive(Debug, FromQueryResult)]
pub struct Row {
    pub id: MeasureResponseId,
    pub version: i32,
    pub measure_id: String,
    pub measure_version: String,
    pub language: String,
    pub state: String,
    pub assignment_id: Option<MeasureAssignmentId>,
    pub shared_at: Option<DateTime<Utc>>,
    pub started_at: Option<DateTime<Utc>>,
    pub taken_at: DateTime<Utc>,
    pub total: Option<f64>,
    pub band: Option<String>,
    pub scores: String,
    pub flags: String,
    pub answers_sealed: Vec<u8>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub previous: Option<f64>,
    pub baseline: Option<f64>,
}

/// Who reads decides what there is: an earlier total that a reader may not see must not show through a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    Author,
    CareTeam,
}

impl Reader {
    fn may_see(self, table: &str) -> String {
        match self {
            Self::Author => String::new(),
            Self::CareTeam => {
                format!(" AND ({table}.assignment_id IS NOT NULL OR {table}.shared_at IS NOT NULL)")
            }
        }
    }

    /// The total of an earlier form, the latest (`DESC`) or the first (`ASC`).
    fn earlier(self, order: &str) -> String {
        let visible = self.may_see("p");
        format!(
            "(SELECT p.total FROM measure_responses p WHERE p.patient_id = r.patient_id \
             AND p.measure_id = r.measure_id AND p.total IS NOT NULL \
             AND (p.taken_at, p.id) < (r.taken_at, r.id){visible} \
             ORDER BY p.taken_at {order}, p.id {order} LIMIT 1)"
        )
    }

    pub fn select(self) -> String {
        let (previous, baseline, visible) = (self.earlier("DESC"), self.earlier("ASC"), self.may_see("r"));
        format!(
            "SELECT r.id, r.version, r.measure_id, r.measure_version, r.language, r.state, r.assignment_id, \
             r.shared_at, r.started_at, r.taken_at, r.total, r.band, r.scores, r.flags, r.answers_sealed, \
             r.created_at, r.updated_at, {previous} AS previous, {baseline} AS baseline \
             FROM measure_responses r WHERE r.patient_id = $1{visible}"
        )
    }
}

async fn select<C: ConnectionTrait>(
    conn: &C,
    reader: Reader,
    rest: &str,
    values: Vec<Value>,
) -> ApiResult<Vec<Row>> {
    let sql = format!("{} {rest}", reader.select());
    let statement = Statement::from_sql_and_values(conn.get_database_backend(), sql, values);
    Ok(Row::find_by_statement(statement).all(conn).await?)
}

/// One filled-in questionnaire of the patient's own, else 404.
pub async fn find(conn: &impl ConnectionTrait, patient: PatientId, id: MeasureResponseId) -> ApiResult<Row> {
    let values = vec![patient.0.into(), id.0.into()];
    let rows = select(conn, Reader::Author, "AND r.id = $2", values).await?;
    rows.into_iter().next().ok_or(ApiError::NotFound)
}

/// A page, latest first.
pub async fn list(
    conn: &impl ConnectionTrait,
    reader: Reader,
    patient: PatientId,
    measure: Option<&str>,
    page: &Page,
) -> ApiResult<Vec<Row>> {
    let (after, limit) = page.bounds();
    let mut values = vec![patient.0.into(), after.at.into(), after.id.into(), limit.into()];
    let only = measure.map_or("", |_| "AND r.measure_id = $5");
    values.extend(measure.map(Value::from));
    let rest =
        format!("AND (r.taken_at, r.id) < ($2, $3) {only} ORDER BY r.taken_at DESC, r.id DESC LIMIT $4");
    select(conn, reader, &rest, values).await
}

/// The latest that a reader may see, the earliest first.
pub async fn all(
    conn: &impl ConnectionTrait,
    reader: Reader,
    patient: PatientId,
    most: i64,
) -> ApiResult<Vec<Row>> {
    let rest = "ORDER BY r.taken_at DESC, r.id DESC LIMIT $2";
    let mut rows = select(conn, reader, rest, vec![patient.0.into(), most.into()]).await?;
    rows.reverse();
    Ok(rows)
}

/// What the form says, with its answers opened.
pub fn result(row: &Row, key: &DataKey, catalogue: &Catalogue) -> ApiResult<(MeasureResult, Answers)> {
    let answers: Answers = key.open_json(place(row.id), &row.answers_sealed)?;
    let measure = catalogue.find(&row.measure_id);
    let scores: BTreeMap<String, f64> = serde_json::from_str(&row.scores).map_err(ApiError::internal)?;
    let scores = scores.into_iter().map(|(id, value)| {
        let score = measure.and_then(|measure| measure.score(&id));
        let band = score.and_then(|score| band(score, value)).map(str::to_owned);
        MeasureScore { id, value, band }
    });
    let earlier = Earlier { previous: row.previous, baseline: row.baseline };
    let beside = measure.zip(row.total).and_then(|(measure, total)| change(measure, total, earlier));
    let result = MeasureResult {
        measure_id: row.measure_id.clone(),
        measure_version: row.measure_version.clone(),
        language: row.language.clone(),
        state: row.state.clone(),
        answers: answers::write(measure, answers.clone()),
        scores: scores.collect(),
        total: row.total,
        band: row.band.clone(),
        change: beside.map(Into::into),
        started_at: row.started_at,
        taken_at: row.taken_at,
        assignment_id: row.assignment_id,
        shared_at: row.shared_at,
    };
    Ok((result, answers))
}

/// The form as its author reads it.
pub fn view(row: &Row, key: &DataKey, catalogue: &Catalogue) -> ApiResult<MeasureResponse> {
    let (result, _) = result(row, key, catalogue)?;
    Ok(MeasureResponse {
        id: row.id,
        version: row.version,
        result,
        visible_to_care_team: row.assignment_id.is_some() || row.shared_at.is_some(),
        created_at: row.created_at,
        updated_at: row.updated_at,
        crisis_card: None,
        message: None,
    })
}

/// Stores the form, closes the assignment that asked for it and commits an alert for what it raises. Returns every
/// rule that holds, the gravest first.
pub async fn insert<'a>(
    tx: &WriteTx,
    patient: PatientId,
    key: &DataKey,
    id: MeasureResponseId,
    (draft, thresholds_signed): (&'a Draft<'_>, bool),
) -> ApiResult<Vec<&'a SafetyRule>> {
    let (measure, outcome) = (draft.measure, &draft.outcome);
    if let Some(assignment) = draft.assignment_id {
        assignments::close(tx, patient, (assignment.into(), &measure.id), id).await?;
    }
    let [previous, baseline] = earlier_scores(tx, patient, draft).await?;
    let before = answers_before(tx, patient, key, draft).await?;
    let facts = Facts {
        answers: &draft.answers,
        outcome,
        previous: &previous,
        baseline: &baseline,
        before: &before,
        thresholds_signed,
    };
    let rules = fired(measure, &facts);
    let flags: Vec<&str> = rules.iter().map(|rule| rule.id.as_str()).collect();
    // Filled in while offline, it may meet an answer about sharing that was changed since. A form is never refused for
    // that: it is kept closed, and what it calls for counts all the same.
    let shared = draft.shared && consents::may_share(tx.conn(), patient).await?;
    let row = measure_responses::ActiveModel {
        patient_id: Set(patient),
        id: Set(id),
        version: Set(1),
        sync_seq: Set(tx.sync_seq()),
        measure_id: Set(measure.id.clone()),
        measure_version: Set(measure.version.clone()),
        language: Set(draft.language.clone()),
        state: Set(if outcome.complete { "complete" } else { "partial" }.to_owned()),
        assignment_id: Set(draft.assignment_id.map(MeasureAssignmentId)),
        shared_at: Set(shared.then(|| tx.now())),
        started_at: Set(draft.started_at),
        taken_at: Set(draft.taken_at),
        total: Set(outcome.total),
        band: Set(outcome.band.clone()),
        scores: Set(serde_json::to_string(&outcome.scores).map_err(ApiError::internal)?),
        flags: Set(flags.join(" ")),
        answers_sealed: Set(key.seal_json(place(id), &draft.answers)),
        created_at: Set(tx.now()),
        updated_at: Set(tx.now()),
    };
    Entity::insert(row).exec_without_returning(tx.conn()).await?;
    raise_alerts(tx, patient, id, &rules).await?;
    Ok(rules)
}

async fn raise_alerts(
    tx: &WriteTx,
    patient: PatientId,
    id: MeasureResponseId,
    rules: &[&SafetyRule],
) -> ApiResult<()> {
    let raised = worst_of_each_flag(rules).into_iter();
    let raised =
        raised.map(|rule| Raised { id: tx.new_id().into(), rule, source: ("measure_response", id.0) });
    alerts::raise(tx, patient, raised.collect()).await
}

/// The scores of the last and of the first form before this one that have a total; empty without any.
async fn earlier_scores(
    tx: &WriteTx,
    patient: PatientId,
    draft: &Draft<'_>,
) -> ApiResult<[BTreeMap<String, f64>; 2]> {
    let mut found = [BTreeMap::new(), BTreeMap::new()];
    if draft.measure.scoring.change.is_none() {
        return Ok(found);
    }
    for (index, order) in [sea_orm::Order::Desc, sea_orm::Order::Asc].into_iter().enumerate() {
        let row = Entity::find()
            .filter(Column::PatientId.eq(patient))
            .filter(Column::MeasureId.eq(draft.measure.id.as_str()))
            .filter(Column::Total.is_not_null())
            .filter(Column::TakenAt.lte(draft.taken_at))
            .order_by(Column::TakenAt, order.clone())
            .order_by(Column::Id, order)
            .limit(1)
            .one(tx.conn())
            .await?;
        if let Some(row) = row {
            found[index] = serde_json::from_str(&row.scores).map_err(ApiError::internal)?;
        }
    }
    Ok(found)
}

/// The answers of as many forms before this one as its rules look at, the last first.
async fn answers_before(
    tx: &WriteTx,
    patient: PatientId,
    key: &DataKey,
    draft: &Draft<'_>,
) -> ApiResult<Vec<Answers>> {
    let wanted = rules::forms_before(draft.measure);
    if wanted == 0 {
        return Ok(Vec::new());
    }
    let rows = Entity::find()
        .filter(Column::PatientId.eq(patient))
        .filter(Column::MeasureId.eq(draft.measure.id.as_str()))
        .filter(Column::TakenAt.lte(draft.taken_at))
        .order_by_desc(Column::TakenAt)
        .order_by_desc(Column::Id)
        .limit(u64::try_from(wanted).unwrap_or(u64::MAX))
        .all(tx.conn())
        .await?;
    rows.iter().map(|row| Ok(key.open_json(place(row.id), &row.answers_sealed)?)).collect()
}

/// Closes every form that nobody asked for to the care team.
pub async fn unshare_all(tx: &WriteTx, patient: PatientId) -> ApiResult<()> {
    Entity::update_many()
        .col_expr(Column::SharedAt, Expr::value(None::<DateTime<Utc>>))
        .col_expr(Column::Version, Expr::col(Column::Version).add(1))
        .col_expr(Column::SyncSeq, Expr::value(tx.sync_seq()))
        .col_expr(Column::UpdatedAt, Expr::value(tx.now()))
        .filter(Column::PatientId.eq(patient))
        .filter(Column::SharedAt.is_not_null())
        .exec(tx.conn())
        .await?;
    Ok(())
}

/// Shows the care team a form that nobody asked for, or closes it to them again, at once.
pub async fn set_shared(
    tx: &WriteTx,
    patient: PatientId,
    id: MeasureResponseId,
    shared: bool,
) -> ApiResult<Row> {
    let row = find(tx.conn(), patient, id).await?;
    if !shared && row.assignment_id.is_some() {
        return Err(ApiError::conflict(
            "asked_for",
            "The care team asked for this form and sees it. It can be talked about with them, not taken back here.",
        ));
    }
    if row.shared_at.is_some() == shared {
        return Ok(row);
    }
    if shared {
        consents::require_sharing(tx.conn(), patient).await?;
    }
    let shared_at = shared.then(|| tx.now());
    Entity::update_many()
        .col_expr(Column::SharedAt, Expr::value(shared_at))
        .col_expr(Column::Version, Expr::value(row.version + 1))
        .col_expr(Column::SyncSeq, Expr::value(tx.sync_seq()))
        .col_expr(Column::UpdatedAt, Expr::value(tx.now()))
        .filter(Column::PatientId.eq(patient))
        .filter(Column::Id.eq(id))
        .exec(tx.conn())
        .await?;
    find(tx.conn(), patient, id).await
}
