//! Notes on the way to a goal. Only the patient reads them, also when the goal itself is shared.

use axum::{Json, extract::State, http::StatusCode};
use entity::{
    goal_progress,
    ids::{GoalId, GoalProgressId, PatientId},
};
use sea_orm::{ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Set};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    dto::{GoalProgress, GoalProgressCreate, GoalProgressList, GoalProgressPatch},
    queries,
};
use crate::{
    accounts::Patient,
    app::AppState,
    db::WriteTx,
    error::{ApiError, ApiResult},
    extract::{IfMatch, Once, PathId, ValidJson, ValidQuery, Versioned},
    idempotency::Answer,
    openapi::Problems,
    page::{Cursor, PageQuery},
    vault::{DataKey, Place},
};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(create_goal_progress, list_goal_progress))
        .routes(routes!(update_goal_progress, delete_goal_progress))
}

fn place(id: GoalProgressId) -> Place {
    Place::new("goal_progress", "note_sealed", id)
}

pub fn view(row: goal_progress::Model, key: &DataKey) -> ApiResult<GoalProgress> {
    Ok(GoalProgress {
        note: key.open_text(place(row.id), &row.note_sealed)?,
        id: row.id,
        goal_id: row.goal_id,
        version: row.version,
        created_at: row.created_at,
        updated_at: row.updated_at,
    })
}

/// Note how I am getting on with a goal.
#[utoipa::path(post, path = "/goals/{id}/progress", operation_id = "create_goal_progress", tag = "goals",
    params(("id" = Uuid, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeated request have one effect.")),
    request_body = GoalProgressCreate, responses((status = 201, body = GoalProgress), Problems))]
async fn create_goal_progress(
    State(app): State<AppState>,
    me: Patient,
    PathId(goal): PathId<GoalId>,
    Once { input, replay }: Once<GoalProgressCreate>,
) -> ApiResult<Answer> {
    let id = GoalProgressId(app.random.uuid_v7(app.clock.now()));
    app.db
        .write_once(&me.writing(), replay.as_ref(), &me.key, async |tx| {
            let row = insert(tx, me.id(), &me.key, (goal, id), &input.note).await?;
            Answer::created(&view(row, &me.key)?, Some(1))
        })
        .await
}

/// List my notes on the way to a goal, newest first.
#[utoipa::path(get, path = "/goals/{id}/progress", operation_id = "list_goal_progress", tag = "goals",
    params(("id" = Uuid, Path), PageQuery), responses((status = 200, body = GoalProgressList), Problems))]
async fn list_goal_progress(
    State(app): State<AppState>,
    me: Patient,
    PathId(goal): PathId<GoalId>,
    ValidQuery(query): ValidQuery<PageQuery>,
) -> ApiResult<Json<GoalProgressList>> {
    let page = query.page(&app.cursor_mac, me.account.0, &format!("list_goal_progress:{goal}"))?;
    queries::find(app.db.reader(), me.id(), goal).await?;
    let notes = goal_progress::Entity::find()
        .filter(goal_progress::Column::PatientId.eq(me.id()))
        .filter(goal_progress::Column::GoalId.eq(goal));
    let notes = page.newest_first(notes, goal_progress::Column::CreatedAt, goal_progress::Column::Id);
    let mut rows = notes.all(app.db.reader()).await?;
    let next_cursor =
        page.finish(&mut rows, &app.cursor_mac, |row| Cursor { at: row.created_at, id: row.id.0 });
    let items = rows.into_iter().map(|row| view(row, &me.key)).collect::<ApiResult<_>>()?;
    Ok(Json(GoalProgressList { items, next_cursor }))
}

/// Change one of my notes.
#[utoipa::path(patch, path = "/goal-progress/{id}", operation_id = "update_goal_progress", tag = "goals",
    params(("id" = Uuid, Path), ("If-Match" = String, Header, description = "The ETag that was read.", example = "\"1\"")),
    request_body = GoalProgressPatch, responses((status = 200, body = GoalProgress), Problems))]
async fn update_goal_progress(
    State(app): State<AppState>,
    me: Patient,
    PathId(id): PathId<GoalProgressId>,
    IfMatch(version): IfMatch,
    ValidJson(patch): ValidJson<GoalProgressPatch>,
) -> ApiResult<Versioned<GoalProgress>> {
    let row = app
        .db
        .write(&me.writing(), async |tx| update(tx, me.id(), &me.key, (id, version), patch).await)
        .await?;
    Ok(Versioned { version: row.version, body: view(row, &me.key)? })
}

/// Delete one of my notes.
#[utoipa::path(delete, path = "/goal-progress/{id}", operation_id = "delete_goal_progress", tag = "goals",
    params(("id" = Uuid, Path), ("If-Match" = String, Header, description = "The ETag that was read.", example = "\"1\"")),
    responses((status = 204, description = "Deleted"), Problems))]
async fn delete_goal_progress(
    State(app): State<AppState>,
    me: Patient,
    PathId(id): PathId<GoalProgressId>,
    IfMatch(version): IfMatch,
) -> ApiResult<StatusCode> {
    app.db.write(&me.writing(), async |tx| delete(tx, me.id(), id, version).await).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn insert(
    tx: &WriteTx,
    patient: PatientId,
    key: &DataKey,
    (goal, id): (GoalId, GoalProgressId),
    note: &str,
) -> ApiResult<goal_progress::Model> {
    queries::refuse_open_proposal(&queries::find(tx.conn(), patient, goal).await?)?;
    let row = goal_progress::Model {
        patient_id: patient,
        id,
        goal_id: goal,
        version: 1,
        sync_seq: tx.sync_seq(),
        note_sealed: key.seal_text(place(id), note),
        created_at: tx.now(),
        updated_at: tx.now(),
    };
    let active: goal_progress::ActiveModel = row.clone().into();
    goal_progress::Entity::insert(active.reset_all()).exec_without_returning(tx.conn()).await?;
    Ok(row)
}

/// Deletes a note that is still at `version`, else 412, and leaves a tombstone.
pub async fn delete(tx: &WriteTx, patient: PatientId, id: GoalProgressId, version: i32) -> ApiResult<()> {
    unchanged(tx, patient, id, version).await?;
    goal_progress::Entity::delete_by_id((patient, id)).exec(tx.conn()).await?;
    crate::sync::bury(tx, patient, "goal_progress", id).await
}

/// A note that is the patient's and still at `version`: 404 and 412 otherwise.
async fn unchanged(
    tx: &WriteTx,
    patient: PatientId,
    id: GoalProgressId,
    version: i32,
) -> ApiResult<goal_progress::Model> {
    let row = find(tx.conn(), patient, id).await?;
    if row.version == version { Ok(row) } else { Err(ApiError::stale()) }
}

async fn find(
    conn: &impl ConnectionTrait,
    patient: PatientId,
    id: GoalProgressId,
) -> ApiResult<goal_progress::Model> {
    goal_progress::Entity::find_by_id((patient, id)).one(conn).await?.ok_or(ApiError::NotFound)
}

pub async fn update(
    tx: &WriteTx,
    patient: PatientId,
    key: &DataKey,
    (id, version): (GoalProgressId, i32),
    patch: GoalProgressPatch,
) -> ApiResult<goal_progress::Model> {
    let row = unchanged(tx, patient, id, version).await?;
    let note_sealed = patch.note.map_or(row.note_sealed, |note| key.seal_text(place(id), &note));
    let changed = goal_progress::ActiveModel {
        patient_id: Set(patient),
        id: Set(id),
        version: Set(version + 1),
        sync_seq: Set(tx.sync_seq()),
        note_sealed: Set(note_sealed),
        updated_at: Set(tx.now()),
        ..Default::default()
    };
    Ok(changed.update(tx.conn()).await?)
}
