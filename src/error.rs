//! The one error of the HTTP surface, rendered as `application/problem+json` (RFC 9457). A handler says what went
//! wrong; `render_problems` adds the request id and also dresses what the framework itself refused.

mod shown;

use std::error::Error;

use axum::{
    Json,
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use sea_orm::DbErr;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    language::{self, Reader},
    messages,
    telemetry::RequestId,
};

pub type ApiResult<T> = Result<T, ApiError>;

/// One field that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// JSON Pointer (RFC 6901) into the body, or `query/…`, `path/…`, `header/…`.
    #[schema(example = "/mood")]
    pub pointer: String,
    /// Stable, for programs.
    #[schema(example = "out_of_range")]
    pub code: String,
    /// For people: what to send instead.
    #[schema(example = "must be from 0 to 10")]
    pub detail: String,
}

impl FieldError {
    pub fn new(pointer: impl Into<String>, code: &str, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), code: code.to_owned(), detail: detail.into() }
    }
}

/// What the client gets to read of any error (RFC 9457).
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// A name for this kind of problem; not a page to open.
    #[serde(rename = "type")]
    #[schema(example = "urn:afterglow:problem:invalid_fields")]
    pub kind: String,
    #[schema(example = "Unprocessable Entity")]
    pub title: String,
    #[schema(example = 422)]
    pub status: u16,
    /// Stable, for programs; listed in docs/API-DESIGN.md.
    #[schema(example = "invalid_fields")]
    pub code: String,
    /// What happened and what to do about it.
    #[schema(example = "Some fields were not accepted; see errors.")]
    pub detail: String,
    #[schema(example = "4f1c2a9e6b7d40f2a1c3e5d7f9b0a2c4")]
    pub request_id: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

/// Everything that can stop a request. It prints what may stand in a log, also as `{:?}`: what a database says beside
/// its message quotes rows.
pub enum ApiError {
    /// The client has to change something: status, stable code, what to do, which fields.
    Refused { status: StatusCode, code: &'static str, detail: String, errors: Vec<FieldError> },
    /// No valid access token came with the request.
    Unauthenticated,
    /// Not there, or not yours: the same answer.
    NotFound,
    /// Too many attempts; come back after so many seconds.
    TooMany { retry_after: u64 },
    /// Something we need is away; nothing was changed. Come back after so many seconds.
    Unavailable { detail: &'static str, retry_after: u64 },
    /// Our fault. Logged once with its causes; the client learns only the request id.
    Internal(Box<dyn Error + Send + Sync>),
}

impl ApiError {
    pub fn refused(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self::Refused { status, code, detail: detail.into(), errors: Vec::new() }
    }

    /// A refusal in the words that the framework's own refusals with this status get.
    pub fn of_status(status: StatusCode) -> Self {
        let (code, detail) = words_of(status);
        Self::refused(status, code, detail)
    }

    /// 400: the request could not be read at all.
    pub fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self::refused(StatusCode::BAD_REQUEST, code, detail)
    }

    /// 403: the caller may not do this, whatever the request says.
    pub fn forbidden(code: &'static str, detail: impl Into<String>) -> Self {
        Self::refused(StatusCode::FORBIDDEN, code, detail)
    }

    /// 409: the request does not fit the present state.
    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::refused(StatusCode::CONFLICT, code, detail)
    }

    /// 422: fields were understood but not accepted.
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        Self::Refused {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            code: "invalid_fields",
            detail: "Some fields were not accepted; see errors.".into(),
            errors,
        }
    }

    /// 422 for a single field.
    pub fn invalid_field(pointer: &str, code: &str, detail: impl Into<String>) -> Self {
        Self::invalid(vec![FieldError::new(pointer, code, detail)])
    }

    /// 412: somebody else changed it first.
    pub fn stale() -> Self {
        Self::refused(
            StatusCode::PRECONDITION_FAILED,
            "stale_version",
            "It was changed since you read it. Read it again, then repeat your change with the new ETag in If-Match.",
        )
    }

    pub fn internal(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Internal(error.into())
    }

    fn parts(self) -> (StatusCode, &'static str, String, Vec<FieldError>) {
        match self {
            Self::Refused { status, code, detail, errors } => (status, code, detail, errors),
            Self::Unauthenticated => (
                StatusCode::UNAUTHORIZED,
                "unauthenticated",
                "A valid access token is needed. Refresh it or log in again.".into(),
                Vec::new(),
            ),
            Self::NotFound => {
                (StatusCode::NOT_FOUND, "not_found", "There is nothing here for you.".into(), Vec::new())
            }
            Self::TooMany { retry_after } => (
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_attempts",
                format!("Too many attempts. Try again in {retry_after} seconds."),
                Vec::new(),
            ),
            Self::Unavailable { detail, .. } => {
                (StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail.into(), Vec::new())
            }
            Self::Internal(_) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "Something went wrong on our side. Tell support the request_id.".into(),
                Vec::new(),
            ),
        }
    }
}

impl From<DbErr> for ApiError {
    fn from(error: DbErr) -> Self {
        if crate::db::is_outage(&error) {
            Self::Unavailable {
                detail: "The database cannot be reached; nothing was changed. Try again shortly.",
                retry_after: 5,
            }
        } else {
            Self::internal(error)
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if matches!(self, Self::Internal(_)) {
            // Once, here; the client learns only the request id.
            tracing::error!(error = %self, "request failed");
        }
        let retry_after = match &self {
            Self::TooMany { retry_after } | Self::Unavailable { retry_after, .. } => Some(*retry_after),
            _ => None,
        };
        let unauthenticated = matches!(self, Self::Unauthenticated);
        let (status, code, detail, errors) = self.parts();
        let mut response = status.into_response();
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if unauthenticated {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(problem(status, code, detail, errors));
        response
    }
}

fn problem(status: StatusCode, code: &str, detail: String, errors: Vec<FieldError>) -> Problem {
    Problem {
        kind: format!("urn:afterglow:problem:{code}"),
        title: status.canonical_reason().unwrap_or("Error").to_owned(),
        status: status.as_u16(),
        code: code.to_owned(),
        detail,
        request_id: String::new(),
        errors,
    }
}

/// Middleware: gives every error its body, in the reader's language, and the request id, also those of the router, the limits and the panic
/// catcher, which know nothing of problems.
pub async fn render_problems(mut request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().map(|id| id.0.to_string()).unwrap_or_default();
    let preferred = language::preferred(request.headers());
    let reader = Reader::default();
    request.extensions_mut().insert(reader.clone());
    let mut response = next.run(request).await;
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) {
        reader.label(preferred, false, response.headers_mut());
        return response;
    }
    let mut body = response.extensions_mut().remove::<Problem>().unwrap_or_else(|| foreign_problem(status));
    body.request_id = id;
    let language = reader.language(preferred);
    body.detail = messages::in_language(language, body.detail);
    for error in &mut body.errors {
        error.detail = messages::in_language(language, std::mem::take(&mut error.detail));
    }
    let mut rendered = (status, Json(body)).into_response();
    rendered.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    reader.label(preferred, true, rendered.headers_mut());
    for name in [header::RETRY_AFTER, header::WWW_AUTHENTICATE, header::ALLOW] {
        if let Some(value) = response.headers().get(&name) {
            rendered.headers_mut().insert(name, value.clone());
        }
    }
    rendered
}

fn foreign_problem(status: StatusCode) -> Problem {
    let (code, detail) = words_of(status);
    problem(status, code, detail.to_owned(), Vec::new())
}

/// What is said of a status where nothing more is known.
fn words_of(status: StatusCode) -> (&'static str, &'static str) {
    match status {
        StatusCode::NOT_FOUND => ("not_found", "There is nothing here for you."),
        StatusCode::METHOD_NOT_ALLOWED => {
            ("method_not_allowed", "This address does not answer that method; see Allow.")
        }
        StatusCode::PAYLOAD_TOO_LARGE => {
            ("body_too_large", "The body is larger than this operation accepts.")
        }
        StatusCode::REQUEST_TIMEOUT => {
            ("timeout", "The request took too long to arrive or to be answered. Try again.")
        }
        status if status.is_server_error() => {
            ("internal", "Something went wrong on our side. Tell support the request_id.")
        }
        _ => ("bad_request", "The request could not be understood."),
    }
}
