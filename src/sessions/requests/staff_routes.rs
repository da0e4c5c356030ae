//! Handlers of requests for coordinators and therapists.

use axum::{Json, extract::State};
use entity::ids::SessionRequestId;
use futures_util::future::try_join_all;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    dto::{PatientSessionRequest, PatientSessionRequestList, SessionOfferCreate, SessionRequestDecline},
    queries, staff,
};
use crate::{
    accounts::{Caller, Capability, Planner},
    app::AppState,
    audit::Event,
    care,
    error::ApiResult,
    extract::{IfMatch, PathId, ValidJson, ValidQuery, Versioned},
    openapi::Problems,
    page::{Cursor, PageQuery},
};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_patient_session_requests))
        .routes(routes!(get_patient_session_request))
        .routes(routes!(offer_session))
        .routes(routes!(decline_session_request))
}

/// What patients ask for and still wait for, newest first: those of the clinic for a coordinator, those in my care for
/// a therapist.
#[utoipa::path(get, path = "/clinic/session-requests", operation_id = "list_patient_session_requests",
    tag = "sessions", params(PageQuery), responses((status = 200, body = PatientSessionRequestList), Problems))]
async fn list_patient_session_requests(
    State(app): State<AppState>,
    me: Planner,
    ValidQuery(query): ValidQuery<PageQuery>,
) -> ApiResult<Json<PatientSessionRequestList>> {
    let page = query.page(&app.cursor_mac, me.account.0, "list_patient_session_requests")?;
    let clinic = care::clinic_key(&app, me.clinic).await?;
    let mut rows = staff::list(&app, app.db.reader(), &me, &page).await?;
    let next_cursor = page
        .finish(&mut rows, &app.cursor_mac, |found| Cursor { at: found.row.created_at, id: found.row.id.0 });
    let now = app.clock.now();
    let read = rows.iter().map(|found| record(&app, &me, "requests.list", found));
    try_join_all(read).await?;
    let items = rows.into_iter().map(|found| found.view(&clinic, now)).collect::<ApiResult<_>>()?;
    Ok(Json(PatientSessionRequestList { items, next_cursor }))
}

/// The read is in the audit chain before the answer leaves.
async fn record(app: &AppState, me: &Caller, action: &'static str, found: &staff::Found) -> ApiResult<()> {
    let event = Event::new(action, found.row.patient_id, format!("session_requests/{}", found.row.id));
    app.reads.record(me.clinic.0, event.stamp(app.clock.now(), Some(me.account), &me.request_id)).await
}

/// Read one request. A therapist of the patient's care team also reads the patient's note.
#[utoipa::path(get, path = "/clinic/session-requests/{id}", operation_id = "get_patient_session_request",
    tag = "sessions", params(("id" = Uuid, Path),
        ("If-None-Match" = Option<String>, Header, description = "The ETag that the app already has.")),
    responses((status = 200, body = PatientSessionRequest), (status = 304, description = "Unchanged"), Problems))]
async fn get_patient_session_request(
    State(app): State<AppState>,
    me: Planner,
    PathId(id): PathId<SessionRequestId>,
) -> ApiResult<Versioned<PatientSessionRequest>> {
    let conn = app.db.reader();
    let found = staff::find(&app, conn, &me, id).await?;
    record(&app, &me, "requests.read", &found).await?;
    let treats = me.capabilities().has(Capability::Therapist)
        && queries::in_care(conn, found.row.patient_id, me.account).await?;
    let note = if treats { queries::note(&found.row, &found.key)? } else { None };
    let clinic = care::clinic_key(&app, me.clinic).await?;
    let mut body = found.view(&clinic, app.clock.now())?;
    body.request.note = note;
    Ok(Versioned { version: body.request.version, body })
}

/// Offer times, or to cancel the session. Another offer takes the place of the one before.
#[utoipa::path(post, path = "/sessions/requests/{id}/offer", operation_id = "offer_session", tag = "sessions",
    params(("id" = Uuid, Path), ("If-Match" = String, Header, description = "The ETag that was read.", example = "\"1\"")),
    request_body = SessionOfferCreate, responses((status = 200, body = PatientSessionRequest), Problems))]
async fn offer_session(
    State(app): State<AppState>,
    me: Planner,
    PathId(id): PathId<SessionRequestId>,
    IfMatch(version): IfMatch,
    ValidJson(input): ValidJson<SessionOfferCreate>,
) -> ApiResult<Versioned<PatientSessionRequest>> {
    let writing = staff::find(&app, app.db.reader(), &me, id).await?.writing(&me);
    let clinic = care::clinic_key(&app, me.clinic).await?;
    let body = app
        .db
        .write(&writing, async |tx| staff::offer(&app, tx, (&me, &clinic), (id, version), input).await)
        .await?;
    Ok(Versioned { version: body.request.version, body })
}

/// Say in words that it cannot be, and what to do instead.
#[utoipa::path(post, path = "/sessions/requests/{id}/decline", operation_id = "decline_session_request",
    tag = "sessions", params(("id" = Uuid, Path),
        ("If-Match" = String, Header, description = "The ETag that was read.", example = "\"1\"")),
    request_body = SessionRequestDecline, responses((status = 200, body = PatientSessionRequest), Problems))]
async fn decline_session_request(
    State(app): State<AppState>,
    me: Planner,
    PathId(id): PathId<SessionRequestId>,
    IfMatch(version): IfMatch,
    ValidJson(input): ValidJson<SessionRequestDecline>,
) -> ApiResult<Versioned<PatientSessionRequest>> {
    let writing = staff::find(&app, app.db.reader(), &me, id).await?.writing(&me);
    let clinic = care::clinic_key(&app, me.clinic).await?;
    let body = app
        .db
        .write(&writing, async |tx| {
            staff::decline(&app, tx, (&me, &clinic), (id, version), input.message).await
        })
        .await?;
    Ok(Versioned { version: body.request.version, body })
}
