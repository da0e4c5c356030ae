//! Handlers of a patient's own requests.

use axum::{Json, extract::State, http::StatusCode};
use entity::ids::SessionRequestId;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    accept,
    dto::{AcceptedOffer, SessionOfferAccept, SessionRequest, SessionRequestCreate, SessionRequestList},
    queries::{self, Keys},
};
use crate::{
    accounts::Patient,
    app::AppState,
    care,
    error::ApiResult,
    extract::{IfMatch, Once, PathId, ValidJson, ValidQuery, Versioned},
    idempotency::Answer,
    openapi::Problems,
    page::{Cursor, PageQuery},
    reminders,
};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(create_session_request, list_session_requests))
        .routes(routes!(get_session_request, withdraw_session_request))
        .routes(routes!(accept_session_offer))
}

/// Ask the clinic for a new session, another time, or to cancel one. Nothing changes before I accept an offer.
#[utoipa::path(post, path = "/sessions/requests", operation_id = "create_session_request", tag = "sessions",
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repeated request have one effect.")),
    request_body = SessionRequestCreate, responses((status = 201, body = SessionRequest), Problems))]
async fn create_session_request(
    State(app): State<AppState>,
    me: Patient,
    Once { input, replay }: Once<SessionRequestCreate>,
) -> ApiResult<Answer> {
    let clinic = care::clinic_key(&app, me.clinic).await?;
    let keys = Keys { patient: &me.key, clinic: &clinic };
    app.db
        .write_once(&me.writing(), replay.as_ref(), &me.key, async |tx| {
            let row = queries::insert(tx, (me.id(), me.clinic), &me.key, input).await?;
            Answer::created(&queries::view_with_note(row, keys, tx.now())?, Some(1))
        })
        .await
}

/// List what I asked the clinic for, newest first.
#[utoipa::path(get, path = "/sessions/requests", operation_id = "list_session_requests", tag = "sessions",
    params(PageQuery), responses((status = 200, body = SessionRequestList), Problems))]
async fn list_session_requests(
    State(app): State<AppState>,
    me: Patient,
    ValidQuery(query): ValidQuery<PageQuery>,
) -> ApiResult<Json<SessionRequestList>> {
    let page = query.page(&app.cursor_mac, me.account.0, "list_session_requests")?;
    let clinic = care::clinic_key(&app, me.clinic).await?;
    let (keys, now) = (Keys { patient: &me.key, clinic: &clinic }, app.clock.now());
    let mut rows = queries::list(app.db.reader(), (me.id(), me.clinic), &page).await?;
    let next_cursor =
        page.finish(&mut rows, &app.cursor_mac, |row| Cursor { at: row.created_at, id: row.id.0 });
    let items =
        rows.into_iter().map(|row| queries::view_with_note(row, keys, now)).collect::<ApiResult<_>>()?;
    Ok(Json(SessionRequestList { items, next_cursor }))
}

/// Read one of my requests, with what the clinic offers.
#[utoipa::path(get, path = "/sessions/requests/{id}", operation_id = "get_session_request", tag = "sessions",
    params(("id" = Uuid, Path),
        ("If-None-Match" = Option<String>, Header, description = "The ETag that the app already has.")),
    responses((status = 200, body = SessionRequest), (status = 304, description = "Unchanged"), Problems))]
async fn get_session_request(
    State(app): State<AppState>,
    me: Patient,
    PathId(id): PathId<SessionRequestId>,
) -> ApiResult<Versioned<SessionRequest>> {
    let row = queries::find(app.db.reader(), (me.id(), me.clinic), id).await?;
    let clinic = care::clinic_key(&app, me.clinic).await?;
    let keys = Keys { patient: &me.key, clinic: &clinic };
    let body = queries::view_with_note(row, keys, app.clock.now())?;
    Ok(Versioned { version: body.version, body })
}

/// Take a request back. It needs no version: a session that was only asked for stays as it is.
#[utoipa::path(delete, path = "/sessions/requests/{id}", operation_id = "withdraw_session_request", tag = "sessions",
    params(("id" = Uuid, Path)), responses((status = 204, description = "Withdrawn"), Problems))]
async fn withdraw_session_request(
    State(app): State<AppState>,
    me: Patient,
    PathId(id): PathId<SessionRequestId>,
) -> ApiResult<StatusCode> {
    app.db
        .write(&me.writing(), async |tx| {
            let row = queries::find(tx.conn(), (me.id(), me.clinic), id).await?;
            queries::withdraw(tx, row).await?;
            reminders::withdraw_offers(tx, me.id(), id).await
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Accept what the clinic offers: the session is made, moved or cancelled at once, and its reminders with it.
#[utoipa::path(post, path = "/sessions/requests/{id}/accept", operation_id = "accept_session_offer", tag = "sessions",
    params(("id" = Uuid, Path), ("If-Match" = String, Header, description = "The ETag of the offer that was read.", example = "\"2\"")),
    request_body = SessionOfferAccept, responses((status = 200, body = AcceptedOffer), Problems))]
async fn accept_session_offer(
    State(app): State<AppState>,
    me: Patient,
    PathId(id): PathId<SessionRequestId>,
    IfMatch(version): IfMatch,
    ValidJson(input): ValidJson<SessionOfferAccept>,
) -> ApiResult<Versioned<AcceptedOffer>> {
    let clinic = care::clinic_key(&app, me.clinic).await?;
    let body = app
        .db
        .write(&me.writing(), async |tx| accept::accept(tx, &me, &clinic, (id, version), input).await)
        .await?;
    Ok(Versioned { version: body.request.version, body })
}
