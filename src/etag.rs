//! Answers whose ETag is made of their own bytes: content that has no version of its own.

use aws_lc_rs::digest::{SHA256, digest};
use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Serialize;

use crate::error::{ApiError, ApiResult};

/// Whether the client already has what this ETag names (RFC 9110, section 13.1.2).
pub fn is_known(tag: &HeaderValue, if_none_match: &HeaderValue) -> bool {
    if_none_match.as_bytes().split(|byte| *byte == b',').any(|one| one.trim_ascii() == tag.as_bytes())
}

/// A strong ETag of some bytes.
pub fn tag_of(bytes: &[u8]) -> ApiResult<HeaderValue> {
    let tag = BASE64_URL_SAFE_NO_PAD.encode(&digest(&SHA256, bytes).as_ref()[..16]);
    HeaderValue::try_from(format!("\"{tag}\"")).map_err(ApiError::internal)
}

/// The body as JSON in `language`, with a strong ETag.
pub fn tagged<T: Serialize>(body: &T, language: &str) -> ApiResult<Response> {
    let bytes = serde_json::to_vec(body).map_err(ApiError::internal)?;
    let headers = [
        (header::ETAG, tag_of(&bytes)?),
        (header::CONTENT_LANGUAGE, HeaderValue::try_from(language).map_err(ApiError::internal)?),
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
    ];
    Ok((headers, bytes).into_response())
}
