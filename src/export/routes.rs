//! Handlers of archives.

use axum::{
    Json,
    body::{Body, Bytes},
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use entity::{exports, ids::ExportId};
use futures_util::stream;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    dto::Export,
    queries::{self, READY},
};
use crate::{
    accounts::Patient,
    app::AppState,
    audit::Event,
    error::{ApiError, ApiResult},
    extract::PathId,
    openapi::Problems,
    vault::DataKey,
};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(create_export))
        .routes(routes!(get_export))
        .routes(routes!(download_export))
}

/// Make an archive of everything that is mine. One that is being made already is answered again; an older one goes.
/// Needs my password or code from within the last five minutes.
#[utoipa::path(post, path = "/me/export", operation_id = "create_export", tag = "me",
    responses((status = 202, description = "It is being made", body = Export), Problems))]
async fn create_export(State(app): State<AppState>, me: Patient) -> ApiResult<(StatusCode, Json<Export>)> {
    me.require_fresh_factor(app.clock.now())?;
    let row = app.db.write(&me.writing(), async |tx| queries::request(tx, me.id(), &me.locale).await).await?;
    Ok((StatusCode::ACCEPTED, Json(row.into())))
}

/// How far an archive is.
#[utoipa::path(get, path = "/me/exports/{id}", operation_id = "get_export", tag = "me",
    params(("id" = uuid::Uuid, Path, description = "Id of the archive")),
    responses((status = 200, body = Export), Problems))]
async fn get_export(
    State(app): State<AppState>,
    me: Patient,
    PathId(id): PathId<ExportId>,
) -> ApiResult<Json<Export>> {
    Ok(Json(queries::find(app.db.reader(), me.id(), id, app.clock.now()).await?.into()))
}

/// The archive itself: a ZIP file with `records.json`, the same for other systems as a FHIR bundle in `fhir.json`, a page
/// to read, and the files of my journal. Needs my password or code from within the last five minutes.
#[utoipa::path(get, path = "/me/exports/{id}/file", operation_id = "download_export", tag = "me",
    params(("id" = uuid::Uuid, Path, description = "Id of the archive")),
    responses((status = 200, body = inline(super::dto::ArchiveBytes), content_type = "application/zip"), Problems))]
async fn download_export(
    State(app): State<AppState>,
    me: Patient,
    PathId(id): PathId<ExportId>,
) -> ApiResult<Response> {
    let now = app.clock.now();
    let row = queries::find(app.db.reader(), me.id(), id, now).await?;
    me.require_fresh_factor(now)?;
    if row.state != READY {
        return Err(ApiError::conflict(
            "export_not_ready",
            "The archive is not ready. Ask for its state first.",
        ));
    }
    let noted = Event::new("export.download", me.id(), format!("exports/{id}"));
    app.db
        .write(&me.writing(), async |tx| {
            tx.audit(noted);
            Ok(())
        })
        .await?;
    let key = me.key.clone();
    content(app, key, row).await
}

/// The first piece is opened before the answer begins; later ones cut it off, which its length tells the client.
async fn content(app: AppState, key: DataKey, row: exports::Model) -> ApiResult<Response> {
    let (whose, last) = ((row.patient_id, row.id), row.chunks);
    let first = queries::load_chunk(app.db.reader(), &key, whose, 0).await?;
    let pieces = stream::try_unfold(Some((0, Some(first))), move |state| {
        let (app, key) = (app.clone(), key.clone());
        async move {
            let Some((number, held)) = state else { return Ok(None) };
            let piece = match held {
                Some(piece) => piece,
                None => {
                    queries::load_chunk(app.db.reader(), &key, whose, number).await.map_err(broken_off)?
                }
            };
            let next = (number + 1 < last).then_some((number + 1, None));
            Ok::<_, std::io::Error>(Some((Bytes::from(piece), next)))
        }
    });
    let headers = [
        (header::CONTENT_TYPE, "application/zip".to_owned()),
        (header::CONTENT_LENGTH, row.bytes.to_string()),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"my-records.zip\"".to_owned()),
    ];
    Ok((headers, Body::from_stream(pieces)).into_response())
}

fn broken_off(error: ApiError) -> std::io::Error {
    // Logs what is ours to know of it.
    drop(error.into_response());
    std::io::Error::other("an archive could not be read to its end")
}
