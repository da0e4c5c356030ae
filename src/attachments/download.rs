//! The bytes as an answer, opened chunk by chunk as the client takes them.

use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use entity::attachments;
use futures_util::stream;

use super::{
    chunks::{self, Stored},
    queries::COMPLETE,
    rules::{self, MediaType},
};
use crate::{
    app::AppState,
    error::{ApiError, ApiResult},
    vault::DataKey,
};

/// The whole content. The first chunk is opened before the answer begins, so that what cannot be opened is an error;
/// later ones cut the answer off, which its length tells the client.
pub async fn answer(app: AppState, key: DataKey, row: attachments::Model) -> ApiResult<Response> {
    if row.state != COMPLETE {
        return Err(ApiError::conflict(
            "upload_incomplete",
            "Its upload is not complete. Complete it first.",
        ));
    }
    let stored = Stored::from(&row);
    let first = chunks::load(app.db.reader(), &key, stored, 0).await?;
    let (last, next) = (rules::parts(row.bytes), Some((0, Some(first))));
    let content = stream::try_unfold(next, move |state| {
        let (app, key) = (app.clone(), key.clone());
        async move {
            let Some((number, held)) = state else { return Ok(None) };
            let chunk = match held {
                Some(chunk) => chunk,
                None => chunks::load(app.db.reader(), &key, stored, number).await.map_err(broken_off)?,
            };
            let next = (number + 1 < last).then_some((number + 1, None));
            Ok::<_, std::io::Error>(Some((Bytes::from(chunk), next)))
        }
    });
    let extension = MediaType::parse(&row.media_type).map_or("bin", MediaType::extension);
    let file = format!("attachment; filename=\"{}.{extension}\"", row.kind);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_str(&row.media_type)),
        (header::CONTENT_LENGTH, HeaderValue::from_str(&row.bytes.to_string())),
        (header::CONTENT_DISPOSITION, HeaderValue::from_str(&file)),
        // Opened in a browser it stays what it is, and loads nothing.
        (header::CONTENT_SECURITY_POLICY, Ok(HeaderValue::from_static("default-src 'none'; sandbox"))),
    ];
    let mut response = Body::from_stream(content).into_response();
    for (name, value) in headers {
        response.headers_mut().insert(name, value.map_err(ApiError::internal)?);
    }
    Ok(response)
}

fn broken_off(error: ApiError) -> std::io::Error {
    // Logs what is ours to know of it.
    drop(error.into_response());
    std::io::Error::other("an attachment could not be read to its end")
}
