//! Handlers of the administration record.

use axum::{Json, extract::State};
use entity::ids::SessionId;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    super::queries as session_rows,
    dto::{Administration, AdministrationRecord, AdministrationVersions},
    queries,
};
use crate::{
    accounts::{self, Medical, Patient},
    app::AppState,
    care::MedicalPatient,
    error::ApiResult,
    extract::{IfMatch, PathId, ValidJson, Versioned},
    openapi::Problems,
};

/// More versions than there can be.
const ALL: u64 = 100;

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(put_session_administration, get_session_administration))
        .routes(routes!(list_session_administration_versions))
        .routes(routes!(get_patient_administration))
        .routes(routes!(list_patient_administration_versions))
}

/// Record what was given to a patient in my care, or correct it. Every version is kept; nothing is judged or advised.
#[utoipa::path(put, path = "/sessions/{id}/administration", operation_id = "put_session_administration",
    tag = "sessions", params(("id" = Uuid, Path),
        ("If-Match" = String, Header, description = "The ETag that was read, `\"0\"` for the first.", example = "\"0\"")),
    request_body = AdministrationRecord, responses((status = 200, body = Administration), Problems))]
async fn put_session_administration(
    State(app): State<AppState>,
    me: Medical,
    PathId(id): PathId<SessionId>,
    IfMatch(version): IfMatch,
    ValidJson(record): ValidJson<AdministrationRecord>,
) -> ApiResult<Versioned<Administration>> {
    let patient = session_rows::patient_of(app.db.reader(), me.account, id).await?;
    let name = accounts::own_name(app.db.reader(), &me).await?;
    let (by, shared) = ((me.account, name), MedicalPatient::find(&app, me, patient).await?);
    let key = queries::record_key(&app, app.db.reader(), patient).await?;
    let body = shared
        .write(&app, "administration.record", format!("sessions/{id}/administration"), async |tx, scope| {
            queries::add(tx, (scope.patient, id), &key, by, (version, record)).await
        })
        .await?;
    Ok(Versioned { version: body.version, body })
}

/// What was given to me, as the clinic recorded it.
#[utoipa::path(get, path = "/sessions/{id}/administration", operation_id = "get_session_administration",
    tag = "sessions", params(("id" = Uuid, Path),
        ("If-None-Match" = Option<String>, Header, description = "The ETag that the app already has.")),
    responses((status = 200, body = Administration), (status = 304, description = "Unchanged"), Problems))]
async fn get_session_administration(
    State(app): State<AppState>,
    me: Patient,
    PathId(id): PathId<SessionId>,
) -> ApiResult<Versioned<Administration>> {
    let conn = app.db.reader();
    let key = queries::record_key(&app, conn, me.id()).await?;
    let body = queries::latest(conn, (me.id(), id), &key).await?;
    Ok(Versioned { version: body.version, body })
}

/// Every version of what the clinic recorded about me, the latest first.
#[utoipa::path(get, path = "/sessions/{id}/administration/versions",
    operation_id = "list_session_administration_versions", tag = "sessions", params(("id" = Uuid, Path)),
    responses((status = 200, body = AdministrationVersions), Problems))]
async fn list_session_administration_versions(
    State(app): State<AppState>,
    me: Patient,
    PathId(id): PathId<SessionId>,
) -> ApiResult<Json<AdministrationVersions>> {
    let conn = app.db.reader();
    let key = queries::record_key(&app, conn, me.id()).await?;
    Ok(Json(AdministrationVersions { items: queries::versions(conn, (me.id(), id), &key, ALL).await? }))
}

/// What was given to a patient in my care.
#[utoipa::path(get, path = "/patients/{patient_id}/sessions/{id}/administration",
    operation_id = "get_patient_administration", tag = "sessions",
    params(("patient_id" = Uuid, Path), ("id" = Uuid, Path),
        ("If-None-Match" = Option<String>, Header, description = "The ETag that the app already has.")),
    responses((status = 200, body = Administration), (status = 304, description = "Unchanged"), Problems))]
async fn get_patient_administration(
    State(app): State<AppState>,
    shared: MedicalPatient,
    PathId(id): PathId<SessionId>,
) -> ApiResult<Versioned<Administration>> {
    let body = shared
        .read(&app, "administration.read", format!("sessions/{id}/administration"), async |conn, scope| {
            let key = queries::record_key(&app, conn, scope.patient).await?;
            queries::latest(conn, (scope.patient, id), &key).await
        })
        .await?;
    Ok(Versioned { version: body.version, body })
}

/// Every version of what was recorded, the latest first.
#[utoipa::path(get, path = "/patients/{patient_id}/sessions/{id}/administration/versions",
    operation_id = "list_patient_administration_versions", tag = "sessions",
    params(("patient_id" = Uuid, Path), ("id" = Uuid, Path)),
    responses((status = 200, body = AdministrationVersions), Problems))]
async fn list_patient_administration_versions(
    State(app): State<AppState>,
    shared: MedicalPatient,
    PathId(id): PathId<SessionId>,
) -> ApiResult<Json<AdministrationVersions>> {
    let items = shared
        .read(&app, "administration.read", format!("sessions/{id}/administration"), async |conn, scope| {
            let key = queries::record_key(&app, conn, scope.patient).await?;
            queries::versions(conn, (scope.patient, id), &key, ALL).await
        })
        .await?;
    Ok(Json(AdministrationVersions { items }))
}
