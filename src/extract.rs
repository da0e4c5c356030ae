//! What a handler may take from a request, read strictly: every refusal names the field and says what to send.

mod body;

use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
};

use axum::{
    extract::{ConnectInfo, FromRequestParts, Path},
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use serde::de::DeserializeOwned;
use uuid::Uuid;

pub use self::body::{Once, ValidJson, cut_short, parse};
use crate::{
    app::AppState,
    error::{ApiError, ApiResult, FieldError},
    etag,
    http::network::client_network,
    telemetry::RequestId,
    validate::{Checks, Validate},
};

fn single_header<'a>(headers: &'a HeaderMap, name: &str, pointer: &str) -> ApiResult<Option<&'a str>> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().ok().filter(|_| values.next().is_none());
    text.map(Some)
        .ok_or_else(|| ApiError::invalid_field(pointer, "invalid_header", "must be sent once, in ASCII"))
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
