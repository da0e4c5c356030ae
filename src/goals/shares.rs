//! Sharing a goal with one member of the care team, and taking that back.

use axum::{Json, extract::State, http::StatusCode};
use chrono::{DateTime, Datelike, Utc};
use entity::{
    care_relations, goal_shares, goals,
    ids::{AccountId, GoalId, PatientId},
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, OnConflict},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    dto::{GoalShare, GoalShareList, GoalShareRequest},
    queries,
};
use crate::{
    accounts::Patient,
    app::AppState,
    audit::Event,
    consents::{self, Purpose},
    db::WriteTx,
    error::{ApiError, ApiResult},
    extract::{PathId, PathMember, ValidJson},
    openapi::Problems,
};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_goal_shares)).routes(routes!(put_goal_share, delete_goal_share))
}

pub fn view(row: goal_shares::Model) -> GoalShare {
    GoalShare { member_id: row.member_id, shared_at: row.shared_at, until: row.until }
}

/// Who may read this goal of mine.
#[utoipa::path(get, path = "/goals/{id}/shares", operation_id = "list_goal_shares", tag = "goals",
    params(("id" = Uuid, Path)), responses((status = 200, body = GoalShareList), Problems))]
async fn list_goal_shares(
    State(app): State<AppState>,
    me: Patient,
    PathId(id): PathId<GoalId>,
) -> ApiResult<Json<GoalShareList>> {
    queries::find(app.db.reader(), me.id(), id).await?;
    let rows = goal_shares::Entity::find()
        .filter(goal_shares::Column::PatientId.eq(me.id()))
        .filter(goal_shares::Column::GoalId.eq(id))
        .filter(goal_shares::Column::EndedAt.is_null())
        .order_by_asc(goal_shares::Column::SharedAt)
        .order_by_asc(goal_shares::Column::MemberId)
        .limit(100)
        .all(app.db.reader())
        .await?;
    let now = app.clock.now();
    let items = rows.into_iter().filter(|row| row.until.is_none_or(|until| until > now)).map(view).collect();
    Ok(Json(GoalShareList { items }))
}

/// Share this goal of mine with one member of my care team, as it is and as it changes; never the notes on its way.
#[utoipa::path(put, path = "/goals/{id}/shares/{member_id}", operation_id = "put_goal_share", tag = "goals",
    params(("id" = Uuid, Path), ("member_id" = Uuid, Path)), request_body = GoalShareRequest,
    responses((status = 200, body = GoalShare), Problems))]
async fn put_goal_share(
    State(app): State<AppState>,
    me: Patient,
    PathId(id): PathId<GoalId>,
    PathMember(member): PathMember,
    ValidJson(input): ValidJson<GoalShareRequest>,
) -> ApiResult<Json<GoalShare>> {
    let share =
        app.db.write(&me.writing(), async |tx| share(tx, me.id(), id, member.into(), input).await).await?;
    Ok(Json(view(share)))
}

/// Close this goal of mine to a member of my care team, at once.
#[utoipa::path(delete, path = "/goals/{id}/shares/{member_id}", operation_id = "delete_goal_share", tag = "goals",
    params(("id" = Uuid, Path), ("member_id" = Uuid, Path)),
    responses((status = 204, description = "Closed"), Problems))]
async fn delete_goal_share(
    State(app): State<AppState>,
    me: Patient,
    PathId(id): PathId<GoalId>,
    PathMember(member): PathMember,
) -> ApiResult<StatusCode> {
    app.db.write(&me.writing(), async |tx| unshare(tx, me.id(), id, member.into()).await).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn share(
    tx: &WriteTx,
    patient: PatientId,
    goal: GoalId,
    member: AccountId,
    input: GoalShareRequest,
) -> ApiResult<goal_shares::Model> {
    queries::refuse_open_proposal(&queries::find(tx.conn(), patient, goal).await?)?;
    if input.until.is_some_and(|until| until <= tx.now()) {
        return Err(ApiError::invalid_field("/until", "in_the_past", "must lie in the future"));
    }
    // SQLite compares instants as text, which holds for years of four digits.
    if input.until.is_some_and(|until| until.year() > 9_999) {
        return Err(ApiError::invalid_field("/until", "impossible_time", "must lie before the year 10000"));
    }
    if !in_care(tx.conn(), patient, member).await? {
        return Err(ApiError::NotFound);
    }
    consents::require_sharing(tx.conn(), patient).await?;
    let share = open(tx, patient, goal, member, input.until).await?;
    touch(tx, patient, goal).await?;
    Ok(share)
}

/// Lets whoever proposed a goal follow it from the moment the patient agreed, if they still take part in the care and
/// the patient's consent to sharing stands.
pub async fn share_with_proposer(
    tx: &WriteTx,
    patient: PatientId,
    goal: GoalId,
    member: AccountId,
) -> ApiResult<()> {
    let may = consents::holds(tx.conn(), patient, Purpose::SharingWithCareTeam).await?;
    if may && in_care(tx.conn(), patient, member).await? {
        open(tx, patient, goal, member, None).await?;
    }
    Ok(())
}

async fn in_care(conn: &impl ConnectionTrait, patient: PatientId, member: AccountId) -> ApiResult<bool> {
    let relation = care_relations::Entity::find()
        .filter(care_relations::Column::PatientId.eq(patient))
        .filter(care_relations::Column::MemberId.eq(member))
        .filter(care_relations::Column::EndedAt.is_null())
        .one(conn)
        .await?;
    Ok(relation.is_some())
}

async fn open(
    tx: &WriteTx,
    patient: PatientId,
    goal: GoalId,
    member: AccountId,
    until: Option<DateTime<Utc>>,
) -> ApiResult<goal_shares::Model> {
    use goal_shares::Column::{EndedAt, GoalId as Goal, MemberId, PatientId as Patient, SharedAt, Until};
    let share = goal_shares::Model {
        patient_id: patient,
        goal_id: goal,
        member_id: member,
        until,
        shared_at: tx.now(),
        ended_at: None,
    };
    let active: goal_shares::ActiveModel = share.clone().into();
    goal_shares::Entity::insert(active.reset_all())
        .on_conflict(
            OnConflict::columns([Patient, Goal, MemberId])
                .update_columns([Until, SharedAt, EndedAt])
                .to_owned(),
        )
        .exec_without_returning(tx.conn())
        .await?;
    tx.audit(Event::new("goals.share", patient, format!("goals/{goal} to accounts/{member}")));
    Ok(share)
}

async fn unshare(tx: &WriteTx, patient: PatientId, goal: GoalId, member: AccountId) -> ApiResult<()> {
    let ended = goal_shares::Entity::update_many()
        .col_expr(goal_shares::Column::EndedAt, Expr::value(tx.now()))
        .filter(goal_shares::Column::PatientId.eq(patient))
        .filter(goal_shares::Column::GoalId.eq(goal))
        .filter(goal_shares::Column::MemberId.eq(member))
        .filter(goal_shares::Column::EndedAt.is_null())
        .exec(tx.conn())
        .await?;
    if ended.rows_affected == 0 {
        return Err(ApiError::NotFound);
    }
    touch(tx, patient, goal).await?;
    tx.audit(Event::new("goals.unshare", patient, format!("goals/{goal} to accounts/{member}")));
    Ok(())
}

/// Takes the shares of a goal away that is being deleted.
pub async fn remove(tx: &WriteTx, patient: PatientId, goal: GoalId) -> ApiResult<()> {
    goal_shares::Entity::delete_many()
        .filter(goal_shares::Column::PatientId.eq(patient))
        .filter(goal_shares::Column::GoalId.eq(goal))
        .exec(tx.conn())
        .await?;
    Ok(())
}

/// Shares travel with their goal to the patient's other devices.
async fn touch(tx: &WriteTx, patient: PatientId, goal: GoalId) -> ApiResult<()> {
    goals::Entity::update_many()
        .col_expr(goals::Column::SyncSeq, Expr::value(tx.sync_seq()))
        .filter(goals::Column::PatientId.eq(patient))
        .filter(goals::Column::Id.eq(goal))
        .exec(tx.conn())
        .await?;
    Ok(())
}
