//! A small HTTP client with one identity, which says what it expected when something else comes back.

use std::net::SocketAddr;

use reqwest::{Method, StatusCode};
use serde_json::Value;

/// What went otherwise than told.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Broken(pub String);

impl From<reqwest::Error> for Broken {
    fn from(error: reqwest::Error) -> Self {
        Self(format!("the server could not be reached: {error}"))
    }
}

/// Somebody with an app.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

impl Client {
    pub fn anonymous(address: SocketAddr) -> Result<Self, Broken> {
        let http = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self { http, base: format!("http://{address}"), token: None })
    }

    /// The same app with somebody logged in.
    pub fn with_token(&self, pair: &Value) -> Result<Self, Broken> {
        Ok(Self { token: Some(text(pair, "access_token")?.to_owned()), ..self.clone() })
    }

    fn request(&self, method: &Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method.clone(), format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends a request; breaks unless the status is the expected one.
    pub async fn expect(
        &self,
        status: StatusCode,
        method: Method,
        path: &str,
        body: Option<Value>,
        version: Option<i64>,
    ) -> Result<Value, Broken> {
        let mut request = self.request(&method, path);
        if let Some(version) = version {
            request = request.header("If-Match", format!("\"{version}\""));
        }
        if let Some(body) = &body {
            request = request.header("Content-Type", "application/json").body(body.to_string());
        }
        let response = request.send().await?;
        let (got, text) = (response.status(), response.text().await?);
        if got != status {
            return Err(Broken(format!("{method} {path} answered {got} instead of {status}: {text}")));
        }
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text)
            .map_err(|error| Broken(format!("{method} {path} answered no JSON: {error}")))
    }

    pub async fn get(&self, path: &str) -> Result<Value, Broken> {
        self.expect(StatusCode::OK, Method::GET, path, None, None).await
    }

    /// Sends a piece of a file.
    pub async fn put_bytes(&self, path: &str, bytes: Vec<u8>) -> Result<(), Broken> {
        let request = self.request(&Method::PUT, path).header("Content-Type", "application/octet-stream");
        let status = request.body(bytes).send().await?.status();
        check(status == StatusCode::OK, || format!("PUT {path} answered {status}"))
    }

    /// A whole file.
    pub async fn bytes(&self, path: &str) -> Result<Vec<u8>, Broken> {
        let response = self.request(&Method::GET, path).send().await?;
        let status = response.status();
        check(status == StatusCode::OK, || format!("GET {path} answered {status}"))?;
        Ok(response.bytes().await?.to_vec())
    }

    /// A page to read.
    pub async fn page(&self, path: &str) -> Result<String, Broken> {
        let response = self.request(&Method::GET, path).header("Accept", "text/html").send().await?;
        let status = response.status();
        check(status == StatusCode::OK, || format!("GET {path} answered {status}"))?;
        Ok(response.text().await?)
    }

    /// Breaks unless the answer is 404: not there, or not yours.
    pub async fn is_closed(&self, path: &str) -> Result<(), Broken> {
        self.expect(StatusCode::NOT_FOUND, Method::GET, path, None, None).await.map(drop)
    }

    pub async fn create(&self, path: &str, body: Value) -> Result<Value, Broken> {
        self.expect(StatusCode::CREATED, Method::POST, path, Some(body), None).await
    }
}

/// A text field of an answer.
pub fn text<'a>(value: &'a Value, field: &str) -> Result<&'a str, Broken> {
    value[field].as_str().ok_or_else(|| Broken(format!("the answer has no `{field}`: {value}")))
}

/// A list field of an answer.
pub fn items<'a>(value: &'a Value, field: &str) -> Result<&'a [Value], Broken> {
    value[field]
        .as_array()
        .map(Vec::as_slice)
        .ok_or_else(|| Broken(format!("the answer has no `{field}`: {value}")))
}

/// Breaks with `what` unless it holds.
pub fn check(holds: bool, what: impl FnOnce() -> String) -> Result<(), Broken> {
    if holds { Ok(()) } else { Err(Broken(what())) }
}
