//! Handlers of check-ins.

use axum::{Json, extract::State, http::StatusCode};
use entity::ids::CheckinId;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    dto::{Checkin, CheckinCreate, CheckinList, CheckinPatch},
    queries, rules,
};
use crate::{
    accounts::Patient,
    app::AppState,
    error::ApiResult,
    extract::{IfMatch, Once, PathId, ValidJson, ValidQuery, Versioned},
    idempotency::Answer,
    openapi::Problems,
    page::{Cursor, PageQuery},
    safety,
};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(create_checkin, list_checkins)).routes(routes!(
        get_checkin,
        update_checkin,
        delete_checkin
    ))
}

/// Record how I am.
#[utoipa::path(post, path = "/checkins", operation_id = "create_checkin", tag = "checkins",
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repeated request have one effect.")),
    request_body = CheckinCreate, responses((status = 201, body = Checkin), Problems))]
async fn create_checkin(
    State(app): State<AppState>,
    me: Patient,
    Once { input, replay }: Once<CheckinCreate>,
) -> ApiResult<Answer> {
    let now = app.clock.now();
    let draft = rules::draft(input, &me.zone, now)?;
    let id = app.random.uuid_v7(now).into();
    app.db
        .write_once(&me.writing(), replay.as_ref(), &me.key, async |tx| {
            let row = queries::insert(tx, (me.id(), me.clinic), &me.key, id, draft).await?;
            let card = row.flagged.then(|| safety::crisis_card(rules::VERY_LOW, &me.locale));
            let checkin = Checkin { crisis_card: card, ..queries::view(row, &me.key)? };
            Answer::created(&checkin, Some(checkin.version))
        })
        .await
}

/// List my check-ins, latest first.
#[utoipa::path(get, path = "/checkins", operation_id = "list_checkins", tag = "checkins", params(PageQuery),
    responses((status = 200, body = CheckinList), Problems))]
async fn list_checkins(
    State(app): State<AppState>,
    me: Patient,
    ValidQuery(query): ValidQuery<PageQuery>,
) -> ApiResult<Json<CheckinList>> {
    let page = query.page(&app.cursor_mac, me.account.0, "list_checkins")?;
    let mut rows = queries::list(app.db.reader(), me.id(), &page).await?;
    let next_cursor =
        page.finish(&mut rows, &app.cursor_mac, |row| Cursor { at: row.taken_at, id: row.id.0 });
    let items = rows.into_iter().map(|row| queries::view(row, &me.key)).collect::<ApiResult<_>>()?;
    Ok(Json(CheckinList { items, next_cursor }))
}

/// Read one of my check-ins.
#[utoipa::path(get, path = "/checkins/{id}", operation_id = "get_checkin", tag = "checkins",
    params(("id" = Uuid, Path),
        ("If-None-Match" = Option<String>, Header, description = "The ETag that the app already has.")), responses((status = 200, body = Checkin), (status = 304, description = "Unchanged"), Problems))]
async fn get_checkin(
    State(app): State<AppState>,
    me: Patient,
    PathId(id): PathId<CheckinId>,
) -> ApiResult<Versioned<Checkin>> {
    let row = queries::find(app.db.reader(), me.id(), id).await?;
    Ok(Versioned { version: row.version, body: queries::view(row, &me.key)? })
}

/// Change one of my check-ins.
#[utoipa::path(patch, path = "/checkins/{id}", operation_id = "update_checkin", tag = "checkins",
    params(("id" = Uuid, Path), ("If-Match" = String, Header, description = "The ETag that was read.", example = "\"1\"")),
    request_body = CheckinPatch, responses((status = 200, body = Checkin), Problems))]
async fn update_checkin(
    State(app): State<AppState>,
    me: Patient,
    PathId(id): PathId<CheckinId>,
    IfMatch(version): IfMatch,
    ValidJson(patch): ValidJson<CheckinPatch>,
) -> ApiResult<Versioned<Checkin>> {
    let whose = (me.id(), me.clinic);
    let row = app
        .db
        .write(&me.writing(), async |tx| queries::update(tx, whose, &me.key, (id, version), patch).await)
        .await?;
    let card = row.flagged.then(|| safety::crisis_card(rules::VERY_LOW, &me.locale));
    Ok(Versioned {
        version: row.version,
        body: Checkin { crisis_card: card, ..queries::view(row, &me.key)? },
    })
}

/// Delete one of my check-ins.
#[utoipa::path(delete, path = "/checkins/{id}", operation_id = "delete_checkin", tag = "checkins",
    params(("id" = Uuid, Path), ("If-Match" = String, Header, description = "The ETag that was read.", example = "\"1\"")),
    responses((status = 204, description = "Deleted"), Problems))]
async fn delete_checkin(
    State(app): State<AppState>,
    me: Patient,
    PathId(id): PathId<CheckinId>,
    IfMatch(version): IfMatch,
) -> ApiResult<StatusCode> {
    app.db.write(&me.writing(), async |tx| queries::delete(tx, me.id(), id, version).await).await?;
    Ok(StatusCode::NO_CONTENT)
}
