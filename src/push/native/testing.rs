//! A vendor's service on this machine, which remembers what it was asked.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri, Version},
};
use base64::{Engine, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};

use super::Note;
use crate::push::protocol::{TransportOptions, Urgency};

/// One request.
#[derive(Debug, Clone)]
pub struct Seen {
    pub path: String,
    pub version: Version,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Seen {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The token after `scheme`.
    pub fn authorization(&self) -> &str {
        let (scheme, token) = self.header("authorization").split_once(' ').unwrap();
        assert!(scheme.eq_ignore_ascii_case("bearer"));
        token
    }
}

type Answering = Box<dyn Fn(&Seen) -> (u16, Value) + Send + Sync>;

struct Inner {
    seen: Mutex<Vec<Seen>>,
    answer: Answering,
}

/// A running service.
pub struct Vendor {
    pub url: String,
    inner: Arc<Inner>,
    server: JoinHandle<()>,
}

impl Drop for Vendor {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Vendor {
    pub async fn start(answer: impl Fn(&Seen) -> (u16, Value) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let inner = Arc::new(Inner { seen: Mutex::default(), answer: Box::new(answer) });
        let router = Router::new().fallback(receive).with_state(inner.clone());
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, inner, server }
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.inner.seen.lock().unwrap().clone()
    }
}

async fn receive(
    State(inner): State<Arc<Inner>>,
    version: Version,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    let seen = Seen { path: uri.path().to_owned(), version, headers, body: body.to_vec() };
    let (status, json) = (inner.answer)(&seen);
    inner.seen.lock().unwrap().push(seen);
    let body = if json.is_null() { String::new() } else { json.to_string() };
    (StatusCode::from_u16(status).unwrap(), body)
}

pub fn at(minute: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_900_000_000 + minute * 60, 0).unwrap()
}

pub fn options() -> TransportOptions {
    TransportOptions { allow_loopback: true, ..TransportOptions::default() }
}

pub fn note() -> Note<'static> {
    Note {
        title: "Afterglow",
        body: "A moment for you",
        navigate: "https://app.example.org/notifications/7",
        receipt: "r-1",
        topic: "dG9waWMtb2YtMjQtYnl0ZXMtaW4tYjY0",
        ttl_seconds: 1_800,
        urgency: Urgency::Normal,
    }
}

/// Header and claims of a token, and what was signed with what.
pub fn parts(token: &str) -> (Value, Value, Vec<u8>, Vec<u8>) {
    let (message, signature) = token.rsplit_once('.').unwrap();
    let (head, claims) = message.split_once('.').unwrap();
    let decode = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text).unwrap();
    let json = |text: &str| serde_json::from_slice(&decode(text)).unwrap();
    (json(head), json(claims), message.as_bytes().to_vec(), decode(signature))
}

/// A private key as PEM.
pub fn pem(pkcs8: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(pkcs8);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
}

/// A file that goes with the test.
pub struct KeyFile(pub PathBuf);

impl KeyFile {
    pub fn holding(text: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("afterglow-native-{}-{number}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        // What cannot be removed is in the system's folder for such things.
        std::fs::remove_file(&self.0).ok();
    }
}
