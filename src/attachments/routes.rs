//! Handlers of the patient's own attachments.

use axum::{
    Json,
    extract::{FromRequestParts, State},
    http::{StatusCode, request::Parts},
    response::Response,
};
use entity::ids::JournalEntryId;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    download,
    dto::{Attachment, AttachmentCompleted, AttachmentCreate, AttachmentList},
    queries::{self, Which},
    upload::{self, Part},
};
use crate::{
    accounts::Patient,
    app::AppState,
    error::{ApiError, ApiResult},
    extract::{Once, PathId, path_id},
    idempotency::Answer,
    journal,
    openapi::Problems,
};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(create_attachment, list_attachments))
        .routes(routes!(get_attachment, delete_attachment))
        .routes(routes!(put_attachment_part))
        .routes(routes!(complete_attachment))
}

/// The attachment in the path, of the patient who asks.
struct Mine {
    me: Patient,
    which: Which,
}

impl FromRequestParts<AppState> for Mine {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> ApiResult<Self> {
        let me = Patient::from_request_parts(parts, app).await?;
        let entry = path_id(parts, app, "id").await?.into();
        let id = path_id(parts, app, "attachment_id").await?.into();
        Ok(Self { which: Which { patient: me.id(), entry, id }, me })
    }
}

/// The number of the part in the path.
struct PathNumber(i32);

impl<S: Send + Sync> FromRequestParts<S> for PathNumber {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> ApiResult<Self> {
        let text = parts.uri.path().rsplit('/').next().unwrap_or("");
        let number = text.parse().ok().filter(|number: &i32| *number >= 0 && number.to_string() == text);
        number.map(Self).ok_or_else(|| {
            ApiError::invalid_field("path/number", "invalid_number", "must be a number from 0 on, such as 0")
        })
    }
}

/// Announce a recording or picture for a field of this entry of mine. Its parts come next.
#[utoipa::path(post, path = "/journal/entries/{id}/attachments", operation_id = "create_attachment", tag = "journal",
    params(("id" = Uuid, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeated request have one effect.")),
    request_body = AttachmentCreate, responses((status = 201, body = Attachment), Problems))]
async fn create_attachment(
    State(app): State<AppState>,
    me: Patient,
    PathId(id): PathId<JournalEntryId>,
    Once { input, replay }: Once<AttachmentCreate>,
) -> ApiResult<Answer> {
    app.db
        .write_once(&me.writing(), replay.as_ref(), &me.key, async |tx| {
            let row = upload::begin(tx, &app, (me.id(), &me.key), id, input).await?;
            Answer::created(&queries::view(row), None)
        })
        .await
}

/// List the attachments of this entry of mine, unfinished uploads included.
#[utoipa::path(get, path = "/journal/entries/{id}/attachments", operation_id = "list_attachments", tag = "journal",
    params(("id" = Uuid, Path)), responses((status = 200, body = AttachmentList), Problems))]
async fn list_attachments(
    State(app): State<AppState>,
    me: Patient,
    PathId(id): PathId<JournalEntryId>,
) -> ApiResult<Json<AttachmentList>> {
    journal::standing(app.db.reader(), me.id(), id).await?;
    let rows = queries::list(app.db.reader(), me.id(), id).await?;
    Ok(Json(AttachmentList { items: rows.into_iter().map(queries::view).collect() }))
}

/// Send one part. Parts go in their order, from 0 on; `next_part` says where to go on after an interruption. A part may
/// be sent again.
#[utoipa::path(put, path = "/journal/entries/{id}/attachments/{attachment_id}/parts/{number}",
    operation_id = "put_attachment_part", tag = "journal",
    params(("id" = Uuid, Path), ("attachment_id" = Uuid, Path),
        ("number" = i32, Path, minimum = 0, example = 0)),
    request_body(content = inline(super::dto::PartBytes), content_type = "application/octet-stream"),
    responses((status = 200, body = Attachment), Problems))]
async fn put_attachment_part(
    State(app): State<AppState>,
    Mine { me, which }: Mine,
    PathNumber(number): PathNumber,
    part: Part,
) -> ApiResult<Json<Attachment>> {
    let row = upload::take(&app, &me, which, number, part).await?;
    Ok(Json(queries::view(row)))
}

/// Complete an upload: it is checked, what it says beside its content is blanked, and the entry gets a new revision
/// that shows it. Doing so again changes nothing. What is refused for its content is not kept.
#[utoipa::path(post, path = "/journal/entries/{id}/attachments/{attachment_id}/complete",
    operation_id = "complete_attachment", tag = "journal",
    params(("id" = Uuid, Path), ("attachment_id" = Uuid, Path)),
    responses((status = 200, body = AttachmentCompleted), Problems))]
async fn complete_attachment(
    State(app): State<AppState>,
    Mine { me, which }: Mine,
) -> ApiResult<Json<AttachmentCompleted>> {
    Ok(Json(upload::complete(&app, &me, which).await?))
}

/// Fetch the bytes of one of my attachments, under its own media type.
#[utoipa::path(get, path = "/journal/entries/{id}/attachments/{attachment_id}", operation_id = "get_attachment",
    tag = "journal", params(("id" = Uuid, Path), ("attachment_id" = Uuid, Path)),
    responses((status = 200, body = inline(super::dto::PartBytes), content_type = "application/octet-stream"),
        Problems))]
async fn get_attachment(State(app): State<AppState>, Mine { me, which }: Mine) -> ApiResult<Response> {
    let row = queries::find(app.db.reader(), which).await?;
    let key = me.key.clone();
    download::answer(app, key, row).await
}

/// Delete one of my attachments everywhere: its bytes, and the field of the entry that shows it.
#[utoipa::path(delete, path = "/journal/entries/{id}/attachments/{attachment_id}", operation_id = "delete_attachment",
    tag = "journal", params(("id" = Uuid, Path), ("attachment_id" = Uuid, Path)),
    responses((status = 204, description = "Deleted"), Problems))]
async fn delete_attachment(State(app): State<AppState>, Mine { me, which }: Mine) -> ApiResult<StatusCode> {
    app.db
        .write(&me.writing(), async |tx| {
            queries::find(tx.conn(), which).await?;
            journal::clear_attachment(tx, (which.patient, &me.key), which.entry, which.id).await?;
            queries::erase(tx.conn(), which.patient, which.id).await
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
