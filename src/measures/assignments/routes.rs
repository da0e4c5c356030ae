//! What a patient was asked for.

use axum::{Json, extract::State};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    dto::{MeasureAssignmentList, MeasureAssignmentQuery},
    queries,
};
use crate::{
    accounts::Patient, app::AppState, error::ApiResult, extract::ValidQuery, openapi::Problems, page::Cursor,
};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_measure_assignments))
}

/// The questionnaires my care team asked me for, latest due first. They see what I answer under an assignment.
#[utoipa::path(get, path = "/measure-assignments", operation_id = "list_measure_assignments", tag = "measures",
    params(MeasureAssignmentQuery), responses((status = 200, body = MeasureAssignmentList), Problems))]
async fn list_measure_assignments(
    State(app): State<AppState>,
    me: Patient,
    ValidQuery(query): ValidQuery<MeasureAssignmentQuery>,
) -> ApiResult<Json<MeasureAssignmentList>> {
    let (query, list, state) = query.split("list_measure_assignments");
    let page = query.page(&app.cursor_mac, me.account.0, &list)?;
    let mut rows = queries::list(app.db.reader(), me.id(), state, &page).await?;
    let next_cursor = page.finish(&mut rows, &app.cursor_mac, |row| Cursor { at: row.due_at, id: row.id.0 });
    Ok(Json(MeasureAssignmentList { items: rows.into_iter().map(queries::view).collect(), next_cursor }))
}
