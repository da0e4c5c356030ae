//! Handlers of the patient's own filled-in questionnaires.

use axum::{Json, extract::State, http::StatusCode};
use entity::ids::MeasureResponseId;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    dto::{MeasureResponse, MeasureResponseCreate, MeasureResponseList, MeasureResponseQuery},
    queries::{self, Reader},
    rules,
};
use crate::{
    accounts::Patient,
    app::AppState,
    audit::Event,
    error::ApiResult,
    extract::{Once, PathId, ValidQuery, Versioned},
    idempotency::Answer,
    measures::clinic_facts,
    openapi::Problems,
    page::Cursor,
};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(create_measure_response, list_measure_responses))
        .routes(routes!(get_measure_response))
        .routes(routes!(put_measure_share, delete_measure_share))
}

/// Hand in a filled-in questionnaire. It is scored here; the answer says at once if somebody should be called.
#[utoipa::path(post, path = "/measure-responses", operation_id = "create_measure_response", tag = "measures",
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repeated request have one effect.")),
    request_body = MeasureResponseCreate, responses((status = 201, body = MeasureResponse), Problems))]
async fn create_measure_response(
    State(app): State<AppState>,
    me: Patient,
    Once { input, replay }: Once<MeasureResponseCreate>,
) -> ApiResult<Answer> {
    let draft = rules::draft(&app.measures, input, app.clock.now())?;
    app.db
        .write_once(&me.writing(), replay.as_ref(), &me.key, async |tx| {
            let id = MeasureResponseId(tx.new_id());
            let signed = clinic_facts(tx.conn(), me.clinic).await?.form_thresholds_signed;
            let fired = queries::insert(tx, me.id(), &me.key, id, (&draft, signed)).await?;
            let row = queries::find(tx.conn(), me.id(), id).await?;
            let response = queries::view(&row, &me.key, &app.measures)?.answering(&fired, &me.locale);
            Answer::created(&response, Some(response.version))
        })
        .await
}

/// List my filled-in questionnaires, latest first.
#[utoipa::path(get, path = "/measure-responses", operation_id = "list_measure_responses", tag = "measures",
    params(MeasureResponseQuery), responses((status = 200, body = MeasureResponseList), Problems))]
async fn list_measure_responses(
    State(app): State<AppState>,
    me: Patient,
    ValidQuery(query): ValidQuery<MeasureResponseQuery>,
) -> ApiResult<Json<MeasureResponseList>> {
    let (query, list, measure) = query.split("list_measure_responses");
    let page = query.page(&app.cursor_mac, me.account.0, &list)?;
    let mut rows = queries::list(app.db.reader(), Reader::Author, me.id(), measure.as_deref(), &page).await?;
    let next_cursor =
        page.finish(&mut rows, &app.cursor_mac, |row| Cursor { at: row.taken_at, id: row.id.0 });
    let items =
        rows.iter().map(|row| queries::view(row, &me.key, &app.measures)).collect::<ApiResult<_>>()?;
    Ok(Json(MeasureResponseList { items, next_cursor }))
}

/// Read one of my filled-in questionnaires.
#[utoipa::path(get, path = "/measure-responses/{id}", operation_id = "get_measure_response", tag = "measures",
    params(("id" = Uuid, Path),
        ("If-None-Match" = Option<String>, Header, description = "The ETag that the app already has.")),
    responses((status = 200, body = MeasureResponse), (status = 304, description = "Unchanged"), Problems))]
async fn get_measure_response(
    State(app): State<AppState>,
    me: Patient,
    PathId(id): PathId<MeasureResponseId>,
) -> ApiResult<Versioned<MeasureResponse>> {
    let row = queries::find(app.db.reader(), me.id(), id).await?;
    Ok(Versioned { version: row.version, body: queries::view(&row, &me.key, &app.measures)? })
}

/// Show my care team this form, though nobody asked for it.
#[utoipa::path(put, path = "/measure-responses/{id}/share", operation_id = "put_measure_share", tag = "measures",
    params(("id" = Uuid, Path)), responses((status = 200, body = MeasureResponse), Problems))]
async fn put_measure_share(
    State(app): State<AppState>,
    me: Patient,
    PathId(id): PathId<MeasureResponseId>,
) -> ApiResult<Versioned<MeasureResponse>> {
    let row = app
        .db
        .write(&me.writing(), async |tx| {
            tx.audit(Event::new("measures.share", me.id(), format!("measure_responses/{id}")));
            queries::set_shared(tx, me.id(), id, true).await
        })
        .await?;
    Ok(Versioned { version: row.version, body: queries::view(&row, &me.key, &app.measures)? })
}

/// Close this form to my care team again, at once. What they asked for stays with them.
#[utoipa::path(delete, path = "/measure-responses/{id}/share", operation_id = "delete_measure_share",
    tag = "measures", params(("id" = Uuid, Path)), responses((status = 204, description = "Closed"), Problems))]
async fn delete_measure_share(
    State(app): State<AppState>,
    me: Patient,
    PathId(id): PathId<MeasureResponseId>,
) -> ApiResult<StatusCode> {
    app.db
        .write(&me.writing(), async |tx| {
            tx.audit(Event::new("measures.unshare", me.id(), format!("measure_responses/{id}")));
            queries::set_shared(tx, me.id(), id, false).await
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
