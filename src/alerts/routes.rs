//! Handlers of alerts, for staff.

use axum::{Json, extract::State};
use entity::ids::AlertId;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    dto::{Alert, AlertAcknowledge, AlertList, AlertQuery},
    own, queries,
};
use crate::{
    accounts::Clinician,
    app::AppState,
    care,
    db::Writing,
    error::ApiResult,
    extract::{PathId, ValidJson, ValidQuery},
    openapi::Problems,
    page::Cursor,
};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_alerts)).routes(routes!(acknowledge_alert)).merge(own::router())
}

/// Alerts of patients in my care, of those I stand in for, and those that the clinic's ladder has brought to me.
#[utoipa::path(get, path = "/alerts", operation_id = "list_alerts", tag = "review", params(AlertQuery),
    responses((status = 200, body = AlertList), Problems))]
async fn list_alerts(
    State(app): State<AppState>,
    me: Clinician,
    ValidQuery(query): ValidQuery<AlertQuery>,
) -> ApiResult<Json<AlertList>> {
    let (state, now) = (query.state, app.clock.now());
    let page = query.page().page(&app.cursor_mac, me.account.0, &format!("list_alerts:{state:?}"))?;
    let mut items = queries::list(&app, app.db.reader(), (&*me, now), state, &page).await?;
    let next_cursor =
        page.finish(&mut items, &app.cursor_mac, |one| Cursor { at: one.raised_at, id: one.id.0 });
    let patients = items.iter().map(|one| one.patient_id).collect();
    care::record_reads(&app, &me, "alerts.list", "alerts", patients).await?;
    Ok(Json(AlertList { items, next_cursor }))
}

/// Take an alert upon me, with what I did. It climbs no further, and the patient reads who has seen it.
#[utoipa::path(post, path = "/alerts/{id}/acknowledge", operation_id = "acknowledge_alert", tag = "review",
    params(("id" = Uuid, Path)), request_body = AlertAcknowledge,
    responses((status = 200, body = Alert), Problems))]
async fn acknowledge_alert(
    State(app): State<AppState>,
    me: Clinician,
    PathId(id): PathId<AlertId>,
    ValidJson(input): ValidJson<AlertAcknowledge>,
) -> ApiResult<Json<Alert>> {
    let patient = queries::find(&app, app.db.reader(), (&*me, app.clock.now()), id).await?.patient_id;
    let writing = Writing { patient: Some(patient), ..me.writing() };
    app.db.write(&writing, async |tx| queries::acknowledge(tx, &app, &me, id, &input).await).await?;
    let alert = queries::find(&app, app.db.reader(), (&*me, app.clock.now()), id).await?;
    Ok(Json(alert))
}
