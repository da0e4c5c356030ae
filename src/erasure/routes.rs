//! Handlers of erasure.

use axum::{Json, extract::State, http::StatusCode};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{dto::AccountErasure, queries};
use crate::{accounts::Patient, app::AppState, error::ApiResult, openapi::Problems};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(get_erasure, request_erasure, cancel_erasure))
}

/// What erasing my account would take away and what would stay, and whether it is under way.
#[utoipa::path(get, path = "/me/erasure", operation_id = "get_erasure", tag = "me",
    responses((status = 200, body = AccountErasure), Problems))]
async fn get_erasure(State(app): State<AppState>, me: Patient) -> ApiResult<Json<AccountErasure>> {
    let row = queries::find(app.db.reader(), me.id()).await?;
    Ok(Json(AccountErasure::new(row.as_ref(), &me.locale)))
}

/// Erase everything of mine, a week from now. Asked again, the first time counts. Needs my password or code from
/// within the last five minutes.
#[utoipa::path(post, path = "/me/erasure", operation_id = "request_erasure", tag = "me",
    responses((status = 200, body = AccountErasure), Problems))]
async fn request_erasure(State(app): State<AppState>, me: Patient) -> ApiResult<Json<AccountErasure>> {
    me.require_fresh_factor(app.clock.now())?;
    let (id, clinic) = (me.id(), me.clinic);
    let row = app.db.write(&me.writing(), async |tx| queries::request(tx, id, clinic).await).await?;
    Ok(Json(AccountErasure::new(Some(&row), &me.locale)))
}

/// Keep everything after all. Works until the last moment, and needs nothing but a login.
#[utoipa::path(delete, path = "/me/erasure", operation_id = "cancel_erasure", tag = "me",
    responses((status = 204, description = "Nothing will be erased"), Problems))]
async fn cancel_erasure(State(app): State<AppState>, me: Patient) -> ApiResult<StatusCode> {
    app.db.write(&me.writing(), async |tx| queries::cancel(tx, me.id()).await).await?;
    Ok(StatusCode::NO_CONTENT)
}
