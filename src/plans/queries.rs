//! Rows of plans. The patient is part of every predicate.

use entity::{
    ids::{AccountId, PatientId, PlanId},
    plans, sessions,
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    Set,
    sea_query::{Expr, ExprTrait},
};

use super::dto::{Plan, PlanState, PlanWithSessions};
use crate::{
    db::WriteTx,
    error::{ApiError, ApiResult},
    measures,
    page::Page,
    reminders::rules::session::SessionState,
    sessions::view as session_view,
};

pub fn view(row: plans::Model) -> Plan {
    Plan {
        id: row.id,
        patient_id: row.patient_id,
        version: row.version,
        clinic_id: row.clinic_id,
        member_id: row.member_id,
        started_by: row.started_by,
        template_id: row.template_id,
        route: row.route,
        first_dosing_on: row.first_dosing_on,
        time_zone: row.zone,
        state: row.state,
        created_at: row.created_at,
        updated_at: row.updated_at,
    }
}

/// A page, newest first.
pub async fn list(
    conn: &impl ConnectionTrait,
    patient: PatientId,
    page: &Page,
) -> ApiResult<Vec<plans::Model>> {
    let query = plans::Entity::find().filter(plans::Column::PatientId.eq(patient));
    Ok(page.newest_first(query, plans::Column::CreatedAt, plans::Column::Id).all(conn).await?)
}

/// All of a patient, the oldest first.
pub async fn all(conn: &impl ConnectionTrait, patient: PatientId) -> ApiResult<Vec<plans::Model>> {
    Ok(plans::Entity::find()
        .filter(plans::Column::PatientId.eq(patient))
        .order_by_asc(plans::Column::CreatedAt)
        .order_by_asc(plans::Column::Id)
        .all(conn)
        .await?)
}

async fn find(conn: &impl ConnectionTrait, patient: PatientId, id: PlanId) -> ApiResult<plans::Model> {
    plans::Entity::find_by_id((patient, id)).one(conn).await?.ok_or(ApiError::NotFound)
}

/// A plan with its sessions, 404 unless it is the patient's.
pub async fn read(
    conn: &impl ConnectionTrait,
    patient: PatientId,
    id: PlanId,
) -> ApiResult<PlanWithSessions> {
    let plan = find(conn, patient, id).await?;
    let sessions = sessions::Entity::find()
        .filter(sessions::Column::PatientId.eq(patient))
        .filter(sessions::Column::PlanId.eq(id.0))
        .order_by_asc(sessions::Column::StartsAt)
        .order_by_asc(sessions::Column::Id)
        .all(conn)
        .await?;
    Ok(PlanWithSessions { plan: view(plan), sessions: sessions.into_iter().map(session_view).collect() })
}

/// Ends an active plan that is at `version`; cancelling takes what is still to come along.
pub async fn end(
    tx: &WriteTx,
    patient: PatientId,
    (id, version): (PlanId, i32),
    state: PlanState,
) -> ApiResult<()> {
    let row = find(tx.conn(), patient, id).await?;
    if row.version != version {
        return Err(ApiError::stale());
    }
    if row.state != PlanState::Active.as_str() {
        let detail = format!("The plan is {} already; start a new one instead.", row.state);
        return Err(ApiError::conflict("wrong_plan_state", detail));
    }
    if state == PlanState::Cancelled {
        cancel_sessions(tx, patient, id).await?;
        measures::cancel_planned(tx, patient, id.0).await?;
    } else {
        refuse_while_sessions_are_ahead(tx, patient, id).await?;
    }
    let changed = plans::ActiveModel {
        patient_id: Set(patient),
        id: Set(id),
        version: Set(version + 1),
        sync_seq: Set(tx.sync_seq()),
        state: Set(state.as_str().to_owned()),
        updated_at: Set(tx.now()),
        ..Default::default()
    };
    changed.update(tx.conn()).await?;
    Ok(())
}

async fn cancel_sessions(tx: &WriteTx, patient: PatientId, plan: PlanId) -> ApiResult<()> {
    use sessions::Column;
    sessions::Entity::update_many()
        .col_expr(Column::State, Expr::value(SessionState::Cancelled.as_str()))
        .col_expr(Column::Version, Expr::col(Column::Version).add(1))
        .col_expr(Column::SyncSeq, Expr::value(tx.sync_seq()))
        .col_expr(Column::UpdatedAt, Expr::value(tx.now()))
        .filter(Column::PatientId.eq(patient))
        .filter(Column::PlanId.eq(plan.0))
        .filter(Column::State.eq(SessionState::Planned.as_str()))
        .filter(Column::StartsAt.gt(tx.now()))
        .exec(tx.conn())
        .await?;
    Ok(())
}

async fn refuse_while_sessions_are_ahead(tx: &WriteTx, patient: PatientId, plan: PlanId) -> ApiResult<()> {
    let open = [SessionState::Planned.as_str(), SessionState::Started.as_str()];
    let ahead = sessions::Entity::find()
        .filter(sessions::Column::PatientId.eq(patient))
        .filter(sessions::Column::PlanId.eq(plan.0))
        .filter(sessions::Column::State.is_in(open))
        .filter(sessions::Column::EndsAt.gt(tx.now()))
        .count(tx.conn())
        .await?;
    if ahead == 0 {
        return Ok(());
    }
    Err(ApiError::conflict(
        "sessions_left",
        "Sessions of this plan are still to come. Complete or cancel them first, or cancel the plan.",
    ))
}

/// A plan that one member carries out is carried out by another from now on.
pub async fn hand_over(
    tx: &WriteTx,
    patient: PatientId,
    (from, to): (AccountId, AccountId),
) -> ApiResult<()> {
    use plans::Column::{MemberId, PatientId as Owner, State, SyncSeq, UpdatedAt, Version};
    plans::Entity::update_many()
        .col_expr(MemberId, Expr::value(to))
        .col_expr(Version, Expr::col(Version).add(1))
        .col_expr(SyncSeq, Expr::value(tx.sync_seq()))
        .col_expr(UpdatedAt, Expr::value(tx.now()))
        .filter(Owner.eq(patient))
        .filter(MemberId.eq(from))
        .filter(State.eq(PlanState::Active.as_str()))
        .exec(tx.conn())
        .await?;
    Ok(())
}
