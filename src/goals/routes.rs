//! Handlers of the patient's own goals.

use axum::{Json, extract::State, http::StatusCode};
use entity::ids::GoalId;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    dto::{Goal, GoalCreate, GoalList, GoalPatch},
    links,
    queries::{self, Draft},
    rules::Words,
    status::GoalStatus,
};
use crate::{
    accounts::Patient,
    app::AppState,
    error::ApiResult,
    extract::{IfMatch, Once, PathId, ValidJson, ValidQuery, Versioned},
    idempotency::Answer,
    openapi::Problems,
    page::{Cursor, PageQuery},
};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(create_goal, list_goals))
        .routes(routes!(get_goal, update_goal, delete_goal))
        .routes(routes!(agree_to_goal))
}

/// Set a goal. It is mine alone until I share it.
#[utoipa::path(post, path = "/goals", operation_id = "create_goal", tag = "goals",
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repeated request have one effect.")),
    request_body = GoalCreate, responses((status = 201, body = Goal), Problems))]
async fn create_goal(
    State(app): State<AppState>,
    me: Patient,
    Once { input, replay }: Once<GoalCreate>,
) -> ApiResult<Answer> {
    let id = GoalId(app.random.uuid_v7(app.clock.now()));
    app.db
        .write_once(&me.writing(), replay.as_ref(), &me.key, async |tx| {
            let setting = queries::setting(tx, &me.zone, &me.locale)?;
            let words = Words::of_own(&input);
            let draft = Draft {
                id,
                status: input.lifecycle_status.unwrap_or(GoalStatus::Active),
                template_id: words.template_id.clone(),
                detail: words.detail(&setting, || tx.new_id())?,
                proposed_by: None,
            };
            let row = queries::insert(tx, me.id(), &me.key, draft).await?;
            links::replace(tx, me.id(), id, &input.entry_ids).await?;
            Answer::created(&queries::load(tx.conn(), row, &me.key).await?, Some(1))
        })
        .await
}

/// List my goals and what was proposed to me, newest first.
#[utoipa::path(get, path = "/goals", operation_id = "list_goals", tag = "goals", params(PageQuery),
    responses((status = 200, body = GoalList), Problems))]
async fn list_goals(
    State(app): State<AppState>,
    me: Patient,
    ValidQuery(query): ValidQuery<PageQuery>,
) -> ApiResult<Json<GoalList>> {
    let page = query.page(&app.cursor_mac, me.account.0, "list_goals")?;
    let mut rows = queries::list(app.db.reader(), me.id(), &page).await?;
    let next_cursor =
        page.finish(&mut rows, &app.cursor_mac, |row| Cursor { at: row.created_at, id: row.id.0 });
    let mut links = links::of_goals(app.db.reader(), me.id(), rows.iter().map(|row| row.id)).await?;
    let items = rows
        .into_iter()
        .map(|row| {
            let entries = links.remove(&row.id).unwrap_or_default();
            queries::view(row, entries, &me.key)
        })
        .collect::<ApiResult<_>>()?;
    Ok(Json(GoalList { items, next_cursor }))
}

/// Read one of my goals.
#[utoipa::path(get, path = "/goals/{id}", operation_id = "get_goal", tag = "goals",
    params(("id" = Uuid, Path),
        ("If-None-Match" = Option<String>, Header, description = "The ETag that the app already has.")),
    responses((status = 200, body = Goal), (status = 304, description = "Unchanged"), Problems))]
async fn get_goal(
    State(app): State<AppState>,
    me: Patient,
    PathId(id): PathId<GoalId>,
) -> ApiResult<Versioned<Goal>> {
    let row = queries::find(app.db.reader(), me.id(), id).await?;
    let goal = queries::load(app.db.reader(), row, &me.key).await?;
    Ok(Versioned { version: goal.version, body: goal })
}

/// Change one of my goals, tick off its steps, or take it a step further; decline a proposal.
#[utoipa::path(patch, path = "/goals/{id}", operation_id = "update_goal", tag = "goals",
    params(("id" = Uuid, Path), ("If-Match" = String, Header, description = "The ETag that was read.", example = "\"1\"")),
    request_body = GoalPatch, responses((status = 200, body = Goal), Problems))]
async fn update_goal(
    State(app): State<AppState>,
    me: Patient,
    PathId(id): PathId<GoalId>,
    IfMatch(version): IfMatch,
    ValidJson(patch): ValidJson<GoalPatch>,
) -> ApiResult<Versioned<Goal>> {
    let goal = app
        .db
        .write(&me.writing(), async |tx| {
            let setting = queries::setting(tx, &me.zone, &me.locale)?;
            let row = queries::update(tx, me.id(), &me.key, (id, version), (&setting, patch)).await?;
            queries::load(tx.conn(), row, &me.key).await
        })
        .await?;
    Ok(Versioned { version: goal.version, body: goal })
}

/// Delete one of my goals, with the notes on its way.
#[utoipa::path(delete, path = "/goals/{id}", operation_id = "delete_goal", tag = "goals",
    params(("id" = Uuid, Path), ("If-Match" = String, Header, description = "The ETag that was read.", example = "\"1\"")),
    responses((status = 204, description = "Deleted"), Problems))]
async fn delete_goal(
    State(app): State<AppState>,
    me: Patient,
    PathId(id): PathId<GoalId>,
    IfMatch(version): IfMatch,
) -> ApiResult<StatusCode> {
    app.db.write(&me.writing(), async |tx| queries::delete(tx, me.id(), id, version).await).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Agree to a goal that a therapist proposed. It counts from now on, and is shared with them until I close it.
#[utoipa::path(post, path = "/goals/{id}/agree", operation_id = "agree_to_goal", tag = "goals",
    params(("id" = Uuid, Path)), responses((status = 200, body = Goal), Problems))]
async fn agree_to_goal(
    State(app): State<AppState>,
    me: Patient,
    PathId(id): PathId<GoalId>,
) -> ApiResult<Versioned<Goal>> {
    let goal = app
        .db
        .write(&me.writing(), async |tx| {
            let row = queries::agree(tx, me.id(), id).await?;
            queries::load(tx.conn(), row, &me.key).await
        })
        .await?;
    Ok(Versioned { version: goal.version, body: goal })
}
