//! Standing reminders that therapists set for patients in their care. They see and change those that the care team set;
//! what a patient sets stays the patient's own.

use axum::{Json, extract::State, http::StatusCode};
use entity::ids::ReminderId;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    dto::{Reminder, ReminderCreate, ReminderList, ReminderPatch},
    queries, replan_patient,
};
use crate::{
    app::AppState,
    care::{Scope, SharedPatient},
    db::WriteTx,
    error::{ApiError, ApiResult},
    extract::{IfMatch, Once, PathId, ValidJson, Versioned},
    idempotency::Answer,
    openapi::Problems,
};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(create_patient_reminder, list_patient_reminders))
        .routes(routes!(update_patient_reminder, delete_patient_reminder))
}

fn reader<'a>(scope: &'a Scope, locale: &'a str) -> queries::Reader<'a> {
    queries::Reader { key: &scope.key, zone: &scope.zone, locale }
}

/// Set a standing reminder for a patient in my care. It comes on their own wall clock, and they can change it.
#[utoipa::path(post, path = "/patients/{patient_id}/reminders", operation_id = "create_patient_reminder",
    tag = "reminders", params(("patient_id" = Uuid, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeated request have one effect.")),
    request_body = ReminderCreate, responses((status = 201, body = Reminder), Problems))]
async fn create_patient_reminder(
    State(app): State<AppState>,
    shared: SharedPatient,
    Once { input, replay }: Once<ReminderCreate>,
) -> ApiResult<Answer> {
    let id = ReminderId(app.random.uuid_v7(app.clock.now()));
    let (me, resource) = (shared.therapist(), format!("reminders/{id}"));
    shared
        .write_once(&app, "reminders.set", resource, replay.as_ref(), async |tx, scope| {
            let row = queries::insert(tx, scope.patient, &scope.key, (id, me.account), input).await?;
            replan_patient(tx, scope.patient).await?;
            Answer::created(&queries::view(row, reader(scope, &me.locale), tx.now())?, Some(1))
        })
        .await
}

/// List the standing reminders that the care team set for a patient, oldest first.
#[utoipa::path(get, path = "/patients/{patient_id}/reminders", operation_id = "list_patient_reminders",
    tag = "reminders", params(("patient_id" = Uuid, Path)),
    responses((status = 200, body = ReminderList), Problems))]
async fn list_patient_reminders(
    State(app): State<AppState>,
    shared: SharedPatient,
) -> ApiResult<Json<ReminderList>> {
    let (now, locale) = (app.clock.now(), shared.therapist().locale.clone());
    let list = shared
        .read(&app, "reminders.list", "reminders".into(), async |conn, scope| {
            let rows = queries::list(conn, scope.patient).await?;
            let theirs = rows.into_iter().filter(queries::set_by_care_team);
            let view = |row| queries::view(row, reader(scope, &locale), now);
            Ok(ReminderList { items: theirs.map(view).collect::<ApiResult<_>>()? })
        })
        .await?;
    Ok(Json(list))
}

async fn find(tx: &WriteTx, scope: &Scope, id: ReminderId) -> ApiResult<()> {
    let row = queries::find(tx.conn(), scope.patient, id).await?;
    if queries::set_by_care_team(&row) { Ok(()) } else { Err(ApiError::NotFound) }
}

/// Change a standing reminder that the care team set.
#[utoipa::path(patch, path = "/patients/{patient_id}/reminders/{id}", operation_id = "update_patient_reminder",
    tag = "reminders", params(("patient_id" = Uuid, Path), ("id" = Uuid, Path),
        ("If-Match" = String, Header, description = "The ETag that was read.", example = "\"1\"")),
    request_body = ReminderPatch, responses((status = 200, body = Reminder), Problems))]
async fn update_patient_reminder(
    State(app): State<AppState>,
    shared: SharedPatient,
    PathId(id): PathId<ReminderId>,
    IfMatch(version): IfMatch,
    ValidJson(patch): ValidJson<ReminderPatch>,
) -> ApiResult<Versioned<Reminder>> {
    let me = shared.therapist();
    shared
        .write(&app, "reminders.change", format!("reminders/{id}"), async |tx, scope| {
            find(tx, scope, id).await?;
            let change = (id, version, me.account);
            let row = queries::update(tx, scope.patient, &scope.key, change, patch).await?;
            replan_patient(tx, scope.patient).await?;
            let version = row.version;
            Ok(Versioned { version, body: queries::view(row, reader(scope, &me.locale), tx.now())? })
        })
        .await
}

/// Delete a standing reminder that the care team set.
#[utoipa::path(delete, path = "/patients/{patient_id}/reminders/{id}", operation_id = "delete_patient_reminder",
    tag = "reminders", params(("patient_id" = Uuid, Path), ("id" = Uuid, Path),
        ("If-Match" = String, Header, description = "The ETag that was read.", example = "\"1\"")),
    responses((status = 204, description = "Deleted"), Problems))]
async fn delete_patient_reminder(
    State(app): State<AppState>,
    shared: SharedPatient,
    PathId(id): PathId<ReminderId>,
    IfMatch(version): IfMatch,
) -> ApiResult<StatusCode> {
    shared
        .write(&app, "reminders.delete", format!("reminders/{id}"), async |tx, scope| {
            find(tx, scope, id).await?;
            queries::delete(tx, scope.patient, id, version).await?;
            replan_patient(tx, scope.patient).await
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
