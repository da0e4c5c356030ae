//! A therapist asks for questionnaires.

use axum::{Json, extract::State, http::StatusCode};
use entity::ids::MeasureAssignmentId;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    dto::{MeasureAssignment, MeasureAssignmentCreate, MeasureAssignmentList, MeasureAssignmentQuery},
    queries::{self, NewAssignment},
};
use crate::{
    app::AppState,
    care::SharedPatient,
    error::ApiResult,
    extract::{Once, PathId, ValidQuery},
    idempotency::Answer,
    measures::responses::known,
    openapi::Problems,
    page::Cursor,
};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(create_measure_assignment, list_patient_measure_assignments))
        .routes(routes!(cancel_measure_assignment))
}

/// Ask a patient in my care for a questionnaire.
#[utoipa::path(post, path = "/patients/{patient_id}/measure-assignments", operation_id = "create_measure_assignment",
    tag = "measures", params(("patient_id" = Uuid, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeated request have one effect.")),
    request_body = MeasureAssignmentCreate, responses((status = 201, body = MeasureAssignment), Problems))]
async fn create_measure_assignment(
    State(app): State<AppState>,
    shared: SharedPatient,
    Once { input, replay }: Once<MeasureAssignmentCreate>,
) -> ApiResult<Answer> {
    let measure = known(&app.measures, &input.measure_id)?;
    let me = shared.therapist();
    let new = NewAssignment {
        measure,
        clinic: me.clinic,
        member: me.account,
        opens_at: input.opens_at,
        due_at: input.due_at,
        plan: None,
    };
    let resource = format!("measure_assignments of {}", measure.id);
    shared
        .write_once(&app, "measures.assign", resource, replay.as_ref(), async |tx, scope| {
            let row = queries::assign(tx, scope.patient, new).await?;
            let version = row.version;
            Answer::created(&queries::view(row), Some(version))
        })
        .await
}

/// List what a patient in my care was asked for, latest due first.
#[utoipa::path(get, path = "/patients/{patient_id}/measure-assignments",
    operation_id = "list_patient_measure_assignments", tag = "measures",
    params(("patient_id" = Uuid, Path), MeasureAssignmentQuery),
    responses((status = 200, body = MeasureAssignmentList), Problems))]
async fn list_patient_measure_assignments(
    State(app): State<AppState>,
    shared: SharedPatient,
    ValidQuery(query): ValidQuery<MeasureAssignmentQuery>,
) -> ApiResult<Json<MeasureAssignmentList>> {
    let (query, list, state) = query.split("list_patient_measure_assignments");
    let page = query.page(&app.cursor_mac, shared.therapist().account.0, &shared.list(&list))?;
    let list = shared
        .read(&app, "measures.list_assignments", "measure_assignments".into(), async |conn, scope| {
            let mut rows = queries::list(conn, scope.patient, state, &page).await?;
            let next_cursor =
                page.finish(&mut rows, &app.cursor_mac, |row| Cursor { at: row.due_at, id: row.id.0 });
            Ok(MeasureAssignmentList { items: rows.into_iter().map(queries::view).collect(), next_cursor })
        })
        .await?;
    Ok(Json(list))
}

/// Take back what was asked for. What was answered already stays.
#[utoipa::path(delete, path = "/patients/{patient_id}/measure-assignments/{id}",
    operation_id = "cancel_measure_assignment", tag = "measures",
    params(("patient_id" = Uuid, Path), ("id" = Uuid, Path)),
    responses((status = 204, description = "Cancelled"), Problems))]
async fn cancel_measure_assignment(
    State(app): State<AppState>,
    shared: SharedPatient,
    PathId(id): PathId<MeasureAssignmentId>,
) -> ApiResult<StatusCode> {
    let resource = format!("measure_assignments/{id}");
    shared
        .write(&app, "measures.cancel", resource, async |tx, scope| {
            queries::cancel(tx, scope.patient, id).await
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
