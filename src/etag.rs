//! Answers whose ETag is made of their own bytes: content that has no version of its own.

use aws_lc_rs::digest::{SHA256, digest};
use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Serialize;

use crate::error::{ApiError, ApiResult};

/// The body as JSON in `language`, with a strong ETag.
pub fn tagged<T: Serialize>(body: &T, language: &str) -> ApiResult<Response> {
    let bytes = serde_json::to_vec(body).map_err(ApiError::internal)?;
    let tag = BASE64_URL_SAFE_NO_PAD.encode(&digest(&SHA256, &bytes).as_ref()[..16]);
    let headers = [
        (header::ETAG, HeaderValue::try_from(format!("\"{tag}\"")).map_err(ApiError::internal)?),
        (header::CONTENT_LANGUAGE, HeaderValue::try_from(language).map_err(ApiError::internal)?),
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
    ];
    Ok((headers, bytes).into_response())
}
