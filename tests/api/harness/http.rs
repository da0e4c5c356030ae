//! Requests as a client makes them, through the real router, and answers that check what every answer must hold.

use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

use super::TestApp;

/// A request being put together.
#[must_use]
pub struct Request {
    app: TestApp,
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
    router: Router,
}

impl Request {
    pub fn new(app: &TestApp, method: Method, path: &str) -> Self {
        Self {
            app: app.clone(),
            method,
            path: path.to_owned(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            router: app.router.clone(),
        }
    }

    /// Asks another process.
    pub fn to(self, router: Router) -> Self {
        Self { router, ..self }
    }

    pub fn json(self, body: &Value) -> Self {
        self.text(body.to_string())
    }

    /// A body that claims to be JSON.
    pub fn text(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self.header("content-type", "application/json")
    }

    /// A body as it is.
    pub fn bytes(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().unwrap();
        self.headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        self
    }

    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub fn if_match(self, version: i64) -> Self {
        self.header("if-match", &format!("\"{version}\""))
    }

    pub fn key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    pub async fn send(self) -> Reply {
        let mut request = axum::http::Request::new(Body::from(self.body));
        let what = format!("{} {}", self.method, self.path);
        *request.method_mut() = self.method;
        *request.uri_mut() = self.path.parse().unwrap_or_else(|error| panic!("{what}: {error}"));
        *request.headers_mut() = self.headers;
        let response = self.router.oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let reply = Reply { what, status: parts.status, headers: parts.headers, body };
        if reply.status.is_client_error() || reply.status.is_server_error() {
            reply.is_problem();
            self.app.problems.lock().unwrap().extend_from_slice(&reply.body);
        }
        reply
    }
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    what: String,
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Reply {
    /// The body of an answer with this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}: {}", self.what, String::from_utf8_lossy(&self.body));
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// The body of an error with this status and code.
    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Value {
        let problem = self.expect(status);
        assert_eq!(problem["code"], code, "{problem}");
        problem
    }

    /// 422 that names exactly this place.
    #[track_caller]
    pub fn invalid(self, pointer: &str) -> Value {
        let what = self.what.clone();
        let problem = self.refused(422, "invalid_fields");
        let errors = problem["errors"].as_array().unwrap();
        assert!(errors.iter().any(|error| error["pointer"] == pointer), "{what}: no {pointer} in {problem}");
        problem
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{}: {error}: {}", self.what, String::from_utf8_lossy(&self.body)))
    }

    /// What an outsider can learn of an answer: all of it but the request id and the date.
    pub fn shape(&self) -> (u16, Vec<(String, String)>, Value) {
        let mut headers: Vec<(String, String)> = self
            .headers
            .iter()
            .filter(|(name, _)| *name != "x-request-id" && *name != header::DATE)
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        headers.sort();
        let mut body = if self.body.is_empty() { Value::Null } else { self.json() };
        if let Some(fields) = body.as_object_mut() {
            fields.remove("request_id");
        }
        (self.status.as_u16(), headers, body)
    }

    /// Every error, whoever made it, has the one form.
    #[track_caller]
    fn is_problem(&self) {
        let what = &self.what;
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/problem+json", "{what}");
        assert_eq!(self.headers[header::CACHE_CONTROL], "no-store", "{what}");
        let body = self.json();
        assert_eq!(body["status"], self.status.as_u16(), "{what}: {body}");
        assert_eq!(body["request_id"], self.headers["x-request-id"].to_str().unwrap(), "{what}: {body}");
        assert_eq!(body["request_id"].as_str().unwrap().len(), 32, "{what}: {body}");
        let code = body["code"].as_str().unwrap();
        assert_eq!(body["type"], format!("urn:afterglow:problem:{code}"), "{what}: {body}");
        // Said in English, it has to be known in Spanish too; `src/messages.rs` says how.
        if self.headers[header::CONTENT_LANGUAGE] == "en" {
            let errors = body["errors"].as_array().into_iter().flatten();
            for detail in std::iter::once(&body).chain(errors).map(|one| one["detail"].as_str().unwrap()) {
                let known = afterglow::messages::spanish(detail).is_some();
                assert!(known, "{what}: add to content/messages.es.json: {detail:?}: \"\"");
            }
        }
        for field in ["title", "detail"] {
            assert!(!body[field].as_str().unwrap().is_empty(), "{what}: {body}");
        }
        if self.status == StatusCode::UNAUTHORIZED && code == "unauthenticated" {
            assert_eq!(self.headers[header::WWW_AUTHENTICATE], "Bearer", "{what}");
        }
    }
}
