//! Rows of sessions. The patient is part of every predicate; a therapist reaches one by id only through a relation.

use entity::{
    ids::{AccountId, ClinicId, PatientId, SessionId},
    sessions,
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, FromQueryResult, QueryFilter,
    QueryOrder, Set, Statement, sea_query::Expr,
};

use super::{
    dto::{Session, SessionCreate, SessionPatch},
    overlaps::{Slot, refuse_overlaps},
    own::untick,
    rules::{self, Step},
};
use crate::{
    db::WriteTx,
    error::{ApiError, ApiResult},
    page::Page,
    reminders::{
        rules::{
            localtime::Zone,
            session::{SessionState, placement_after_move},
        },
        session_state, withdraw_question,
    },
};

pub fn view(row: sessions::Model) -> Session {
    let state = session_state(&row);
    Session {
        id: row.id,
        patient_id: row.patient_id,
        member_id: row.member_id,
        version: row.version,
        kind: row.kind,
        route: row.route,
        location: row.location,
        state,
        starts_at: row.starts_at,
        ends_at: row.ends_at,
        started_at: row.started_at,
        ended_at: row.ended_at,
        plan_id: row.plan_id,
        plan_key: row.plan_key,
        group_id: row.group_id,
        created_at: row.created_at,
        updated_at: row.updated_at,
    }
}

#[derive(FromQueryResult)]
struct PatientOf {
    patient_id: PatientId,
}

/// The patient of a session in whose care the member takes part, else 404.
pub async fn patient_of(
    conn: &impl ConnectionTrait,
    member: AccountId,
    id: SessionId,
) -> ApiResult<PatientId> {
    let statement = Statement::from_sql_and_values(
        conn.get_database_backend(),
        "SELECT s.patient_id FROM care_relations r JOIN sessions s ON s.patient_id = r.patient_id AND s.id = $2 \
         WHERE r.member_id = $1 AND r.ended_at IS NULL",
        [member.0.into(), id.0.into()],
    );
    let found = PatientOf::find_by_statement(statement).one(conn).await?;
    found.map(|row| row.patient_id).ok_or(ApiError::NotFound)
}

/// One session, 404 unless it is the patient's.
pub async fn find(
    conn: &impl ConnectionTrait,
    patient: PatientId,
    id: SessionId,
) -> ApiResult<sessions::Model> {
    sessions::Entity::find_by_id((patient, id)).one(conn).await?.ok_or(ApiError::NotFound)
}

/// A page, latest start first.
pub async fn list(
    conn: &impl ConnectionTrait,
    patient: PatientId,
    page: &Page,
) -> ApiResult<Vec<sessions::Model>> {
    let query = sessions::Entity::find().filter(sessions::Column::PatientId.eq(patient));
    Ok(page.newest_first(query, sessions::Column::StartsAt, sessions::Column::Id).all(conn).await?)
}

/// All of a patient, the earliest start first.
pub async fn all(conn: &impl ConnectionTrait, patient: PatientId) -> ApiResult<Vec<sessions::Model>> {
    Ok(sessions::Entity::find()
        .filter(sessions::Column::PatientId.eq(patient))
        .order_by_asc(sessions::Column::StartsAt)
        .order_by_asc(sessions::Column::Id)
        .all(conn)
        .await?)
}

/// Inserts a planned session.
pub async fn insert(
    tx: &WriteTx,
    patient: PatientId,
    id: SessionId,
    (clinic, member, zone): (ClinicId, AccountId, String),
    input: SessionCreate,
) -> ApiResult<sessions::Model> {
    let (starts_at, ends_at) = rules::times(&input, tx.now())?;
    let row = sessions::Model {
        patient_id: patient,
        id,
        version: 1,
        sync_seq: tx.sync_seq(),
        clinic_id: clinic,
        member_id: member,
        kind: input.kind,
        route: input.route,
        location: input.location,
        starts_at,
        ends_at,
        zone,
        placement: 0,
        state: SessionState::Planned.as_str().to_owned(),
        started_at: None,
        ended_at: None,
        plan_id: None,
        plan_key: None,
        group_id: input.group_id,
        intention_sealed: None,
        created_at: tx.now(),
        updated_at: tx.now(),
    };
    refuse_overlaps(tx, patient, member, &[Slot::of(&row, "/starts_at")]).await?;
    let active: sessions::ActiveModel = row.clone().into();
    sessions::Entity::insert(active.reset_all()).exec_without_returning(tx.conn()).await?;
    Ok(row)
}

async fn unchanged(
    tx: &WriteTx,
    patient: PatientId,
    id: SessionId,
    version: i32,
) -> ApiResult<sessions::Model> {
    let row = find(tx.conn(), patient, id).await?;
    if row.version == version { Ok(row) } else { Err(ApiError::stale()) }
}

/// Moves or relocates a session that is still planned and at `version`: how it was, and how it is.
pub async fn relocate(
    tx: &WriteTx,
    patient: PatientId,
    zone: &str,
    (id, version): (SessionId, i32),
    patch: SessionPatch,
) -> ApiResult<(sessions::Model, sessions::Model)> {
    let row = unchanged(tx, patient, id, version).await?;
    if session_state(&row) != SessionState::Planned {
        return Err(ApiError::conflict("wrong_session_state", "Only a planned session can be moved."));
    }
    let (starts_at, ends_at) = rules::moved((row.starts_at, row.ends_at), &patch, tx.now())?;
    let zone = Zone::parse(zone).map_err(ApiError::internal)?;
    let changed = sessions::ActiveModel {
        patient_id: Set(patient),
        id: Set(id),
        version: Set(version + 1),
        sync_seq: Set(tx.sync_seq()),
        location: Set(patch.location.unwrap_or_else(|| row.location.clone())),
        starts_at: Set(starts_at),
        ends_at: Set(ends_at),
        placement: Set(placement_after_move(row.starts_at, starts_at, &zone, row.placement)),
        updated_at: Set(tx.now()),
        ..Default::default()
    };
    let moved = changed.update(tx.conn()).await?;
    withdraw_question(tx, row.member_id, id).await?;
    if moved.placement != row.placement {
        untick(tx, patient, vec![id]).await?;
    }
    Ok((row, moved))
}

/// Takes a session that is at `version` one step further.
pub async fn advance(
    tx: &WriteTx,
    patient: PatientId,
    (id, version): (SessionId, i32),
    step: Step,
) -> ApiResult<sessions::Model> {
    let row = unchanged(tx, patient, id, version).await?;
    let before = session_state(&row);
    let state = step.from(before)?;
    step.not_before((before, row.starts_at), tx.now())?;
    let ended_at = match step {
        Step::Complete(said) => {
            let times = (row.started_at.unwrap_or(row.starts_at), row.ends_at);
            Some(rules::ended(times, said, tx.now())?)
        }
        _ => row.ended_at,
    };
    withdraw_question(tx, row.member_id, id).await?;
    let changed = sessions::ActiveModel {
        patient_id: Set(patient),
        id: Set(id),
        version: Set(version + 1),
        sync_seq: Set(tx.sync_seq()),
        state: Set(state.as_str().to_owned()),
        started_at: Set(if step == Step::Start { Some(tx.now()) } else { row.started_at }),
        ended_at: Set(ended_at),
        updated_at: Set(tx.now()),
        ..Default::default()
    };
    Ok(changed.update(tx.conn()).await?)
}

/// What one member had planned with a patient is with another from now on.
pub async fn hand_over(
    tx: &WriteTx,
    patient: PatientId,
    (from, to): (AccountId, AccountId),
) -> ApiResult<()> {
    use sessions::Column::{MemberId, PatientId as Owner, State, SyncSeq, UpdatedAt, Version};
    sessions::Entity::update_many()
        .col_expr(MemberId, Expr::value(to))
        .col_expr(Version, Expr::col(Version).add(1))
        .col_expr(SyncSeq, Expr::value(tx.sync_seq()))
        .col_expr(UpdatedAt, Expr::value(tx.now()))
        .filter(Owner.eq(patient))
        .filter(MemberId.eq(from))
        .filter(State.eq(SessionState::Planned.as_str()))
        .exec(tx.conn())
        .await?;
    Ok(())
}
