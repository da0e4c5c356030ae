//! Bodies of JSON, read strictly: 400 when it is no JSON, 422 with a pointer when it is not what the operation takes.

use std::error::Error;

use axum::{
    body::Bytes,
    extract::{FromRequest, MatchedPath, Request},
    http::{StatusCode, header, request::Parts},
};
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use tower_http::timeout::TimeoutError;

use super::single_header;
use crate::{
    app::{AppState, JOURNAL_BODY_LIMIT},
    error::{ApiError, ApiResult},
    idempotency::Replay,
    validate::{Checks, Validate},
};

/// A JSON body that was read and found valid.
pub struct ValidJson<T>(pub T);

impl<T: DeserializeOwned + Validate> FromRequest<AppState> for ValidJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> ApiResult<Self> {
        let (_, bytes) = body(request, state).await?;
        Ok(Self(parse(&bytes)?))
    }
}

/// The body of a creating request, with the client's `Idempotency-Key` if there is one.
pub struct Once<T> {
    pub input: T,
    pub replay: Option<Replay>,
}

impl<T: DeserializeOwned + Validate> FromRequest<AppState> for Once<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> ApiResult<Self> {
        let (parts, bytes) = body(request, state).await?;
        let replay = replay(&parts, &bytes, state)?;
        Ok(Self { input: parse(&bytes)?, replay })
    }
}

async fn body(request: Request, state: &AppState) -> ApiResult<(Parts, Bytes)> {
    let (parts, body) = request.into_parts();
    let json =
        parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|value| {
            value.split(';').next().unwrap_or("").trim().eq_ignore_ascii_case("application/json")
        });
    if !json {
        return Err(ApiError::refused(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "Send the body as application/json.",
        ));
    }
    // Nobody waits for what no operation takes.
    let announced =
        parts.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: usize| length > JOURNAL_BODY_LIMIT) {
        return Err(ApiError::of_status(StatusCode::PAYLOAD_TOO_LARGE));
    }
    let request = Request::from_parts(parts.clone(), body);
    let bytes = Bytes::from_request(request, state).await.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::of_status(StatusCode::PAYLOAD_TOO_LARGE),
        _ => cut_short(&rejection),
    })?;
    Ok((parts, bytes))
}

/// What is said of a body that did not come whole: 408 when it stood still, else 400.
pub fn cut_short(error: &(dyn Error + 'static)) -> ApiError {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<TimeoutError>() {
            return ApiError::of_status(StatusCode::REQUEST_TIMEOUT);
        }
        cause = error.source();
    }
    ApiError::bad_request("unreadable_body", "The body ended before it was complete. Send it again.")
}

fn replay(parts: &Parts, body: &[u8], state: &AppState) -> ApiResult<Option<Replay>> {
    let Some(key) = single_header(&parts.headers, "idempotency-key", "header/Idempotency-Key")? else {
        return Ok(None);
    };
    if key.is_empty() || key.len() > 64 || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(ApiError::invalid_field(
            "header/Idempotency-Key",
            "invalid_idempotency_key",
            "must be 1 to 64 visible ASCII characters, such as a UUID",
        ));
    }
    let route = parts.extensions.get::<MatchedPath>().map_or(parts.uri.path(), MatchedPath::as_str);
    let mac = state.idempotency_mac.sign(&[parts.uri.path().as_bytes(), body]);
    Ok(Some(Replay { key: key.to_owned(), operation: format!("{} {route}", parts.method), mac }))
}

/// Every operation takes an object; without this a list of the right length would be read as one.
fn refuse_list(bytes: &[u8]) -> ApiResult<()> {
    if bytes.trim_ascii_start().first() == Some(&b'[')
        && serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok()
    {
        return Err(ApiError::invalid_field("", "wrong_type", "must be an object, not a list"));
    }
    Ok(())
}

/// Reads JSON strictly: 400 when it is no JSON, 422 with a pointer when it is not what the operation takes.
pub fn parse<T: DeserializeOwned + Validate>(bytes: &[u8]) -> ApiResult<T> {
    refuse_nul(bytes)?;
    refuse_list(bytes)?;
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let input: T = serde_path_to_error::deserialize(&mut reader).map_err(json_error)?;
    reader.end().map_err(|_| {
        ApiError::bad_request(
            "malformed_json",
            "There is more text after the JSON value. Send one JSON object.",
        )
    })?;
    let mut checks = Checks::default();
    input.validate(&mut checks);
    checks.finish()?;
    Ok(input)
}

fn json_error(error: serde_path_to_error::Error<serde_json::Error>) -> ApiError {
    let pointer = pointer(error.path());
    let inner = error.into_inner();
    match inner.classify() {
        Category::Data => {
            let (pointer, code, detail) = data_error(pointer, &inner);
            ApiError::invalid_field(&pointer, code, detail)
        }
        _ => ApiError::bad_request(
            "malformed_json",
            format!("The body is not valid JSON (line {}, column {}).", inner.line(), inner.column()),
        ),
    }
}

/// Serde's words are turned into ours: they may quote what the client sent, and that is health text.
fn data_error(pointer: String, error: &serde_json::Error) -> (String, &'static str, String) {
    let text = error.to_string();
    let named = |prefix: &str| -> Option<String> {
        text.strip_prefix(prefix).and_then(|rest| rest.split('`').next()).map(str::to_owned)
    };
    if text.starts_with("unknown field") {
        return (pointer, "unknown_field", "is not a field of this operation; leave it out".into());
    }
    if let Some(field) = named("missing field `") {
        return (format!("{pointer}/{field}"), "required", "is required".into());
    }
    if let Some(field) = named("duplicate field `") {
        return (format!("{pointer}/{field}"), "duplicate_field", "was sent more than once".into());
    }
    if text.starts_with("unknown variant") {
        let allowed: Vec<&str> = text.split("expected ").nth(1).map_or(Vec::new(), |rest| {
            rest.split('`').enumerate().filter(|(index, _)| index % 2 == 1).map(|(_, name)| name).collect()
        });
        return (pointer, "unknown_value", format!("must be one of: {}", allowed.join(", ")));
    }
    (pointer, "wrong_type", "has the wrong type or form; see the schema of this field".into())
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter().fold(String::new(), |pointer, segment| match segment {
        Segment::Seq { index } => format!("{pointer}/{index}"),
        Segment::Map { key } => format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1")),
        Segment::Enum { variant } => format!("{pointer}/{variant}"),
        Segment::Unknown => pointer,
    })
}

/// PostgreSQL cannot keep NUL in text; it is refused on both engines alike, with the place where it stands.
fn refuse_nul(bytes: &[u8]) -> ApiResult<()> {
    if !bytes.windows(6).any(|window| window == b"\\u0000") {
        return Ok(());
    }
    match serde_json::from_slice(bytes).ok().and_then(|value| find_nul(&value, String::new())) {
        Some(pointer) => {
            Err(ApiError::invalid_field(&pointer, "nul_character", "contains a NUL character; remove it"))
        }
        None => Ok(()),
    }
}

fn find_nul(value: &serde_json::Value, pointer: String) -> Option<String> {
    match value {
        serde_json::Value::String(text) => text.contains('\0').then_some(pointer),
        serde_json::Value::Array(items) => {
            items.iter().enumerate().find_map(|(index, item)| find_nul(item, format!("{pointer}/{index}")))
        }
        serde_json::Value::Object(fields) => fields.iter().find_map(|(name, item)| {
            if name.contains('\0') {
                Some(pointer.clone())
            } else {
                find_nul(item, format!("{pointer}/{name}"))
            }
        }),
        _ => None,
    }
}
