//! What a therapist reads of filled-in questionnaires: those the care team asked for, and those the patient shared.

use axum::{Json, extract::State};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    dto::{MeasureFlag, MeasureResponseQuery, PatientMeasureResponse, PatientMeasureResponseList},
    queries::{self, Reader, Row},
};
use crate::{
    app::AppState,
    care::SharedPatient,
    error::ApiResult,
    extract::ValidQuery,
    measures::{Catalogue, scoring::patterns},
    openapi::Problems,
    page::Cursor,
    vault::DataKey,
};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_patient_measure_responses))
}

fn view(
    row: &Row,
    key: &DataKey,
    (catalogue, locale): (&Catalogue, &str),
) -> ApiResult<PatientMeasureResponse> {
    let (result, answers) = queries::result(row, key, catalogue)?;
    let measure = catalogue.find(&row.measure_id);
    let flags = row.flags.split_whitespace().filter_map(|rule| measure?.rule(rule)).map(|rule| MeasureFlag {
        rule: rule.id.clone(),
        level: rule.level.as_str(),
        message: rule.says(locale).to_owned(),
        blocks_session: rule.blocks_session,
    });
    let patterns = measure.map(|measure| patterns(measure, &answers)).unwrap_or_default();
    Ok(PatientMeasureResponse {
        id: row.id,
        result,
        flags: flags.collect(),
        patterns: patterns.into_iter().map(str::to_owned).collect(),
    })
}

/// List what a patient in my care answered: what the care team asked for, and what the patient shared. Latest first.
#[utoipa::path(get, path = "/patients/{patient_id}/measure-responses", operation_id = "list_patient_measure_responses",
    tag = "measures", params(("patient_id" = Uuid, Path), MeasureResponseQuery),
    responses((status = 200, body = PatientMeasureResponseList), Problems))]
async fn list_patient_measure_responses(
    State(app): State<AppState>,
    shared: SharedPatient,
    ValidQuery(query): ValidQuery<MeasureResponseQuery>,
) -> ApiResult<Json<PatientMeasureResponseList>> {
    let (query, list, measure) = query.split("list_patient_measure_responses");
    let locale = shared.therapist().locale.clone();
    let page = query.page(&app.cursor_mac, shared.therapist().account.0, &shared.list(&list))?;
    let list = shared
        .read(&app, "measures.list", "measure_responses".into(), async |conn, scope| {
            let mut rows =
                queries::list(conn, Reader::CareTeam, scope.patient, measure.as_deref(), &page).await?;
            let next_cursor =
                page.finish(&mut rows, &app.cursor_mac, |row| Cursor { at: row.taken_at, id: row.id.0 });
            let items = rows
                .iter()
                .map(|row| view(row, &scope.key, (&app.measures, &locale)))
                .collect::<ApiResult<_>>()?;
            Ok(PatientMeasureResponseList { items, next_cursor })
        })
        .await?;
    Ok(Json(list))
}
