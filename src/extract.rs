//! What a handler may take from a request, read strictly: every refusal names the field and says what to send.

use std::{
    convert::Infallible,
    error::Error,
    net::{Ipv4Addr, SocketAddr},
};

use axum::{
    body::Bytes,
    extract::{ConnectInfo, FromRequest, FromRequestParts, MatchedPath, Path, Request},
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use tower_http::timeout::TimeoutError;
use uuid::Uuid;

use crate::{
    app::{AppState, JOURNAL_BODY_LIMIT},
    error::{ApiError, ApiResult, FieldError},
    etag,
    http::network::client_network,
    idempotency::Replay,
    telemetry::RequestId,
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
        return Err(too_large());
    }
    let request = Request::from_parts(parts.clone(), body);
    let bytes = Bytes::from_request(request, state).await.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(),
        _ => cut_short(&rejection),
    })?;
    Ok((parts, bytes))
}

fn too_large() -> ApiError {
    ApiError::refused(
        StatusCode::PAYLOAD_TOO_LARGE,
        "body_too_large",
        "The body is larger than this operation accepts.",
    )
}

/// What is said of a body that did not come whole: 408 when it stood still, else 400.
pub fn cut_short(error: &(dyn Error + 'static)) -> ApiError {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<TimeoutError>() {
            return ApiError::refused(
                StatusCode::REQUEST_TIMEOUT,
                "timeout",
                "The request took too long to arrive or to be answered. Try again.",
            );
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

fn single_header<'a>(headers: &'a HeaderMap, name: &str, pointer: &str) -> ApiResult<Option<&'a str>> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().ok().filter(|_| values.next().is_none());
    text.map(Some)
        .ok_or_else(|| ApiError::invalid_field(pointer, "invalid_header", "must be sent once, in ASCII"))
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

/// Query parameters that were read and found valid.
pub struct ValidQuery<T>(pub T);

impl<T: DeserializeOwned + Validate, S: Send + Sync> FromRequestParts<S> for ValidQuery<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> ApiResult<Self> {
        let query = parts.uri.query().unwrap_or("");
        let reader = serde_urlencoded::Deserializer::new(url::form_urlencoded::parse(query.as_bytes()));
        let input: T = serde_path_to_error::deserialize(reader).map_err(|error| {
            let field = error.path().to_string();
            let text = error.into_inner().to_string();
            let (code, detail) = if text.starts_with("unknown field") {
                ("unknown_field", "is not a parameter of this operation; leave it out")
            } else if text.starts_with("duplicate field") {
                ("duplicate_field", "was sent more than once")
            } else {
                ("wrong_type", "is missing or has the wrong form; see the description of this parameter")
            };
            let field = if field == "." { quoted(&text) } else { field };
            ApiError::invalid(vec![FieldError::new(format!("query/{field}"), code, detail)])
        })?;
        let mut checks = Checks::default();
        input.validate(&mut checks);
        checks.finish()?;
        Ok(Self(input))
    }
}

fn quoted(text: &str) -> String {
    text.split('`').nth(1).unwrap_or("").to_owned()
}

/// The id in the path.
pub struct PathId<T>(pub T);

impl<T: From<Uuid> + Send, S: Send + Sync> FromRequestParts<S> for PathId<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> ApiResult<Self> {
        path_id(parts, state, "id").await.map(|id| Self(id.into()))
    }
}

/// The id that stands under `name` in the route, else 422.
pub async fn path_id<S: Send + Sync>(parts: &mut Parts, state: &S, name: &str) -> ApiResult<Uuid> {
    let pointer = format!("path/{name}");
    let invalid = || ApiError::invalid_field(&pointer, "invalid_id", "is not an id: ids are UUIDs");
    let Path(values) = Path::<std::collections::HashMap<String, String>>::from_request_parts(parts, state)
        .await
        .map_err(|_| invalid())?;
    values.get(name).filter(|text| text.len() == 36).and_then(|text| text.parse().ok()).ok_or_else(invalid)
}

/// The member in the path of a share: `/shares/{member_id}`.
pub struct PathMember(pub Uuid);

impl<S: Send + Sync> FromRequestParts<S> for PathMember {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> ApiResult<Self> {
        path_id(parts, state, "member_id").await.map(Self)
    }
}

/// The plan in the path: `/plans/{plan_id}`.
pub struct PathPlan(pub Uuid);

impl<S: Send + Sync> FromRequestParts<S> for PathPlan {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> ApiResult<Self> {
        path_id(parts, state, "plan_id").await.map(Self)
    }
}

/// The version that the client last read, from `If-Match`. Required where it is taken: 428 without.
pub struct IfMatch(pub i32);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> ApiResult<Self> {
        let Some(text) = single_header(&parts.headers, "if-match", "header/If-Match")? else {
            return Err(ApiError::refused(
                StatusCode::PRECONDITION_REQUIRED,
                "if_match_required",
                "Send the ETag of the version you read in If-Match, so that nobody's change is lost.",
            ));
        };
        etag::version(text).map(Self).ok_or_else(|| {
            ApiError::invalid_field(
                "header/If-Match",
                "invalid_etag",
                "must be one strong ETag as this server sent it, such as \"3\"",
            )
        })
    }
}

/// A body with its version as strong ETag.
pub struct Versioned<T> {
    pub version: i32,
    pub body: T,
}

impl<T: serde::Serialize> axum::response::IntoResponse for Versioned<T> {
    fn into_response(self) -> axum::response::Response {
        ([(header::ETAG, etag::of_version(self.version))], axum::Json(self.body)).into_response()
    }
}

/// A field of a JSON Merge Patch (RFC 7396): absent, null, or a value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Patch<T> {
    #[default]
    Keep,
    Clear,
    Set(T),
}

impl<T> Patch<T> {
    /// The value after the patch.
    pub fn apply(self, before: Option<T>) -> Option<T> {
        match self {
            Self::Keep => before,
            Self::Clear => None,
            Self::Set(value) => Some(value),
        }
    }

    /// The new value, if one is set.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Set(value) => Some(value),
            _ => None,
        }
    }
}

impl<'de, T: serde::Deserialize<'de>> serde::Deserialize<'de> for Patch<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Clear, Self::Set))
    }
}

/// Where a request comes from, coarse enough to limit and not to follow: an address, or an IPv6 /64.
pub struct Network(String);

impl Network {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromRequestParts<AppState> for Network {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> ApiResult<Self> {
        let unknown = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map_or(unknown, |info| info.0);
        let network = client_network(peer, &parts.headers, &app.config.server.trusted_proxies);
        Ok(Self(format!("{}/{}", network.address(), network.prefix())))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for RequestId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_else(|| Self(String::new().into())))
    }
}
