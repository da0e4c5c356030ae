//! ETags: of rows, which have a version, and of content that has none, made of its own bytes.

use aws_lc_rs::digest::{SHA256, digest};
use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Serialize;

use crate::error::{ApiError, ApiResult};

/// The strong ETag of a row's version.
pub fn of_version(version: i32) -> String {
    format!("\"{version}\"")
}

/// The version that an ETag of ours names; none where it is written otherwise than we write it.
pub fn version(tag: &str) -> Option<i32> {
    let version = tag.strip_prefix('"')?.strip_suffix('"')?.parse().ok()?;
    (of_version(version) == tag).then_some(version)
}

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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_version_comes_back_from_its_tag(number: i32) {
            prop_assert_eq!(version(&of_version(number)), Some(number));
        }

        #[test]
        fn nothing_that_is_written_otherwise_is_a_version(text in "\\PC{0,16}|(W/)?\"?[ +-]?0{0,2}[0-9]{0,12}\"?") {
            if let Some(number) = version(&text) {
                prop_assert_eq!(of_version(number), text);
            }
        }
    }
}
