//! What a therapist gets: attachments that the revision shows which was shared with them.

use axum::{
    extract::{FromRequestParts, State},
    http::request::Parts,
    response::Response,
};
use entity::ids::{AttachmentId, JournalEntryId};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    download,
    queries::{self, Which},
};
use crate::{
    app::AppState,
    care::TreatedPatient,
    error::{ApiError, ApiResult},
    extract::path_id,
    journal,
    openapi::Problems,
};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(get_shared_attachment))
}

/// The attachment in the path.
struct Theirs {
    entry: JournalEntryId,
    id: AttachmentId,
}

impl FromRequestParts<AppState> for Theirs {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> ApiResult<Self> {
        let entry = path_id(parts, app, "id").await?.into();
        Ok(Self { entry, id: path_id(parts, app, "attachment_id").await?.into() })
    }
}

/// Fetch the bytes of an attachment of an entry that this patient shared with me, as it was shared.
#[utoipa::path(get, path = "/patients/{patient_id}/journal/entries/{id}/attachments/{attachment_id}",
    operation_id = "get_shared_attachment", tag = "journal",
    params(("patient_id" = Uuid, Path), ("id" = Uuid, Path), ("attachment_id" = Uuid, Path)),
    responses((status = 200, body = inline(super::dto::PartBytes), content_type = "application/octet-stream"),
        Problems))]
async fn get_shared_attachment(
    State(app): State<AppState>,
    shared: TreatedPatient,
    Theirs { entry, id }: Theirs,
) -> ApiResult<Response> {
    let member = shared.therapist().account;
    let (row, key) = shared
        .read(&app, "journal.read_shared_attachment", format!("attachments/{id}"), async |conn, scope| {
            journal::shows_attachment(conn, scope, (member, app.clock.now()), (entry, id)).await?;
            let row = queries::find(conn, Which { patient: scope.patient, entry, id }).await?;
            Ok((row, scope.key.clone()))
        })
        .await?;
    download::answer(app, key, row).await
}
