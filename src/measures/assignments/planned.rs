//! Questionnaires that a treatment plan asks for: written, moved and cancelled all at once, in as many statements for
//! many as for one.

use chrono::{DateTime, SubsecRound, Utc};
use entity::{
    ids::{AccountId, ClinicId, MeasureAssignmentId, PatientId},
    measure_assignments::{ActiveModel, Column, Entity, Model},
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter, QueryOrder,
    sea_query::{Expr, ExprTrait, OnConflict},
};
use uuid::Uuid;

use super::{
    dto::MeasureAssignmentState,
    queries::{MOST, count_open},
};
use crate::{
    db::WriteTx,
    error::{ApiError, ApiResult},
    measures::{clinic_facts, definition::Measure},
};

/// One questionnaire of a plan.
#[derive(Debug, Clone, Copy)]
pub struct PlannedMeasure<'a> {
    pub measure: &'a Measure,
    pub opens_at: DateTime<Utc>,
    pub due_at: DateTime<Utc>,
}

/// Asks for all of them, or for none: the conditions are those of a single one.
pub async fn assign_planned(
    tx: &WriteTx,
    patient: PatientId,
    by: (ClinicId, AccountId, Uuid),
    wanted: &[PlannedMeasure<'_>],
) -> ApiResult<()> {
    if wanted.is_empty() {
        return Ok(());
    }
    let urgent = wanted.iter().any(|one| one.measure.needs_response_policy());
    if urgent && !clinic_facts(tx.conn(), by.0).await?.has_response_policy {
        return Err(ApiError::conflict(
            "response_policy_missing",
            "Questionnaires of this plan may raise alerts that need an answer the same day, and your clinic has not \
             written down who gives it. Ask your clinic's admin to fill in the response policy, or send \
             without_measures.",
        ));
    }
    let many = u64::try_from(wanted.len()).unwrap_or(u64::MAX);
    if count_open(tx.conn(), patient).await?.saturating_add(many) > MOST {
        return Err(ApiError::conflict(
            "too_many_assignments",
            "So many questionnaires are open already. Cancel some first, or send without_measures.",
        ));
    }
    let rows = wanted.iter().map(|one| ActiveModel::from(row(tx, patient, by, one)).reset_all());
    Entity::insert_many(rows).exec_without_returning(tx.conn()).await?;
    Ok(())
}

fn row(
    tx: &WriteTx,
    patient: PatientId,
    (clinic, member, plan): (ClinicId, AccountId, Uuid),
    wanted: &PlannedMeasure<'_>,
) -> Model {
    Model {
        patient_id: patient,
        id: MeasureAssignmentId(tx.new_id()),
        version: 1,
        sync_seq: tx.sync_seq(),
        clinic_id: clinic,
        member_id: member,
        measure_id: wanted.measure.id.clone(),
        opens_at: wanted.opens_at.trunc_subsecs(3),
        due_at: wanted.due_at.trunc_subsecs(3),
        state: MeasureAssignmentState::Open.as_str().to_owned(),
        response_id: None,
        plan_id: Some(plan),
        closed_at: None,
        created_at: tx.now(),
        updated_at: tx.now(),
    }
}

/// Moves what a plan asks for after an instant and has not opened yet.
pub async fn move_planned(
    tx: &WriteTx,
    patient: PatientId,
    (plan, after): (Uuid, DateTime<Utc>),
    later: impl Fn(DateTime<Utc>) -> DateTime<Utc>,
) -> ApiResult<()> {
    let rows = Entity::find()
        .filter(Column::PatientId.eq(patient))
        .filter(Column::PlanId.eq(plan))
        .filter(Column::State.eq(MeasureAssignmentState::Open.as_str()))
        .filter(Column::OpensAt.gt(Ord::max(after, tx.now())))
        .order_by_asc(Column::Id)
        .all(tx.conn())
        .await?;
    let moved: Vec<ActiveModel> = rows
        .into_iter()
        .map(|row| {
            ActiveModel::from(Model {
                version: row.version + 1,
                sync_seq: tx.sync_seq(),
                opens_at: Ord::max(later(row.opens_at), tx.now()),
                due_at: Ord::max(later(row.due_at), tx.now()),
                updated_at: tx.now(),
                ..row
            })
            .reset_all()
        })
        .collect();
    if moved.is_empty() {
        return Ok(());
    }
    let changed = OnConflict::columns([Column::PatientId, Column::Id])
        .update_columns([Column::Version, Column::SyncSeq, Column::OpensAt, Column::DueAt, Column::UpdatedAt])
        .to_owned();
    Entity::insert_many(moved).on_conflict(changed).exec_without_returning(tx.conn()).await?;
    Ok(())
}

/// Takes back everything that a plan still asks for.
pub async fn cancel_planned(tx: &WriteTx, patient: PatientId, plan: Uuid) -> ApiResult<()> {
    Entity::update_many()
        .col_expr(Column::State, Expr::value(MeasureAssignmentState::Cancelled.as_str()))
        .col_expr(Column::Version, Expr::col(Column::Version).add(1))
        .col_expr(Column::SyncSeq, Expr::value(tx.sync_seq()))
        .col_expr(Column::ClosedAt, Expr::value(tx.now()))
        .col_expr(Column::UpdatedAt, Expr::value(tx.now()))
        .filter(Column::PatientId.eq(patient))
        .filter(Column::PlanId.eq(plan))
        .filter(Column::State.eq(MeasureAssignmentState::Open.as_str()))
        .exec(tx.conn())
        .await?;
    Ok(())
}
