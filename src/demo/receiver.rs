//! A push service and the phones behind it, in one: what `afterglow demo` and the tests push to. It checks
//! what a push service checks (headers, VAPID), opens what a phone opens, with an implementation of its own,
//! and remembers both. It can be told to answer badly, slowly or never.

mod decrypt;
mod inspect;

use std::{
    collections::{HashMap, VecDeque},
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_lc_rs::{
    agreement::{ECDH_P256, PrivateKey},
    rand,
};
use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::Value;
use tokio::{net::TcpListener, sync::Notify, task::JoinHandle, time::Instant};

pub use self::decrypt::{DecryptError, decrypt};
use crate::clock::{Clock, SystemClock};

/// What a push service must accept (RFC 8030 section 7.2).
const MOST_BYTES: usize = 4_096;

/// What an app gets when it subscribes. All of it is secret.
#[derive(Clone)]
pub struct DeviceSubscription {
    pub endpoint: String,
    /// Public key, base64url.
    pub p256dh: String,
    /// Authentication secret, base64url.
    pub auth: String,
}

/// One answer to come.
#[derive(Debug, Clone)]
pub struct Scripted {
    /// HTTP status.
    pub status: u16,
    /// The `Retry-After` header.
    pub retry_after: Option<String>,
    /// Waits before it answers.
    pub delay: Duration,
    /// Never answers.
    pub hang: bool,
}

impl Scripted {
    /// Answers this status at once.
    pub fn status(status: u16) -> Self {
        Self { status, retry_after: None, delay: Duration::ZERO, hang: false }
    }

    /// Takes the message and never answers.
    pub fn hang() -> Self {
        Self { hang: true, ..Self::status(0) }
    }

    /// The same with a `Retry-After` header.
    pub fn retry_after(self, text: &str) -> Self {
        Self { retry_after: Some(text.to_owned()), ..self }
    }

    /// The same after a wait.
    pub fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }
}

/// One request, as the push service and the phone saw it.
#[derive(Debug, Clone)]
pub struct Received {
    /// The name given to [`PushReceiver::subscribe`].
    pub device: String,
    /// Counts from 0 in the order of arrival.
    pub sequence: usize,
    /// When it arrived.
    pub at: Instant,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// Length of the sealed body.
    pub wire_bytes: usize,
    /// What the phone read; null if it could not.
    pub plaintext_json: Value,
    /// Everything that a strict push service or phone would refuse. Empty when all is well.
    pub problems: Vec<String>,
    /// The status answered; none if it never answers.
    pub status: Option<u16>,
}

impl Received {
    /// The header with this name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

struct Device {
    name: String,
    private: PrivateKey,
    auth: [u8; 16],
    // The key the subscription was made for; none accepts any.
    vapid_key: Option<String>,
}

#[derive(Default)]
struct Inner {
    devices: HashMap<String, Device>,
    scripts: HashMap<String, VecDeque<Scripted>>,
    received: Vec<Received>,
}

struct Service {
    origin: String,
    clock: Arc<dyn Clock>,
    inner: Mutex<Inner>,
    arrived: Notify,
}

impl Service {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running push service. It stops when dropped.
pub struct PushReceiver {
    service: Arc<Service>,
    server: JoinHandle<io::Result<()>>,
}

impl PushReceiver {
    /// Listens on a free loopback port, with the system's clock for the age of signatures.
    pub async fn start() -> io::Result<Self> {
        Self::start_with(Arc::new(SystemClock)).await
    }

    /// The same with another clock: the one the sender signs by.
    pub async fn start_with(clock: Arc<dyn Clock>) -> io::Result<Self> {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let origin = format!("http://{}", listener.local_addr()?);
        let (inner, arrived) = (Mutex::default(), Notify::new());
        let service = Arc::new(Service { origin, clock, inner, arrived });
        let router = Router::new()
            .route("/push/{token}", post(receive))
            .layer(DefaultBodyLimit::max(MOST_BYTES))
            .with_state(service.clone());
        let server = tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { service, server })
    }

    /// Scheme, host and port.
    pub fn origin(&self) -> &str {
        &self.service.origin
    }

    /// A new subscription of a device, which accepts any VAPID key. A device can have several.
    pub fn subscribe(&self, device: &str) -> DeviceSubscription {
        self.add(device, None)
    }

    /// A new subscription that accepts one VAPID key only (`applicationServerKey`), as browsers make them.
    pub fn subscribe_for(&self, device: &str, public_key: &str) -> DeviceSubscription {
        self.add(device, Some(public_key.to_owned()))
    }

    #[expect(clippy::expect_used, reason = "without randomness there is no device to play")]
    fn add(&self, name: &str, vapid_key: Option<String>) -> DeviceSubscription {
        let private = PrivateKey::generate(&ECDH_P256).expect("a P-256 key can be generated");
        let public = private.compute_public_key().expect("a P-256 key has a public key");
        let (mut auth, mut token) = ([0; 16], [0; 24]);
        rand::fill(&mut auth).expect("there are random bytes");
        rand::fill(&mut token).expect("there are random bytes");
        let token = BASE64_URL_SAFE_NO_PAD.encode(token);
        let subscription = DeviceSubscription {
            endpoint: format!("{}/push/{token}", self.service.origin),
            p256dh: BASE64_URL_SAFE_NO_PAD.encode(public.as_ref()),
            auth: BASE64_URL_SAFE_NO_PAD.encode(auth),
        };
        let device = Device { name: name.to_owned(), private, auth, vapid_key };
        self.service.lock().devices.insert(token, device);
        subscription
    }

    /// Answers the next requests for a device in this way, one each, after what was asked for before.
    pub fn respond_with(&self, device: &str, answers: Vec<Scripted>) {
        self.service.lock().scripts.entry(device.to_owned()).or_default().extend(answers);
    }

    /// Everything that arrived so far.
    pub fn received(&self) -> Vec<Received> {
        self.service.lock().received.clone()
    }

    /// Waits until `count` requests have arrived in all, or the time is up, and returns what has arrived.
    pub async fn wait_for(&self, count: usize, limit: Duration) -> Vec<Received> {
        // Too few requests show in the result.
        let _in_time = tokio::time::timeout(limit, self.arrived(count)).await;
        self.received()
    }

    async fn arrived(&self, count: usize) {
        loop {
            // Asked for before the look, so that what arrives in between is not missed.
            let next = self.service.arrived.notified();
            if self.service.lock().received.len() >= count {
                return;
            }
            next.await;
        }
    }
}

impl Drop for PushReceiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn receive(
    State(service): State<Arc<Service>>,
    Path(token): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(answer) = take(&service, &token, &headers, &body) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    if answer.hang {
        std::future::pending::<()>().await;
    }
    if !answer.delay.is_zero() {
        let _waited = tokio::time::timeout(answer.delay, std::future::pending::<()>()).await;
    }
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    match answer.retry_after {
        Some(text) => (status, [("retry-after", text)]).into_response(),
        None => status.into_response(),
    }
}

/// Inspects and remembers a request, and says how to answer it: as scripted, else 201, or 400 if something is
/// wrong with it. Nothing if no device has this token.
fn take(service: &Service, token: &str, headers: &HeaderMap, body: &[u8]) -> Option<Scripted> {
    let mut inner = service.lock();
    let device = inner.devices.get(token)?;
    let mut problems = inspect::headers(headers);
    let (key, now) = (device.vapid_key.as_deref(), service.clock.now());
    problems.extend(inspect::vapid(headers, &service.origin, key, now).err().map(str::to_owned));
    let plaintext_json = inspect::message(&device.private, &device.auth, body).unwrap_or_else(|problem| {
        problems.push(problem);
        Value::Null
    });
    let device = device.name.clone();
    let usual = Scripted::status(if problems.is_empty() { 201 } else { 400 });
    let answer = inner.scripts.get_mut(&device).and_then(VecDeque::pop_front).unwrap_or(usual);
    let text = |value: &axum::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let sequence = inner.received.len();
    inner.received.push(Received {
        device,
        sequence,
        at: Instant::now(),
        headers: headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        wire_bytes: body.len(),
        plaintext_json,
        problems,
        status: (!answer.hang).then_some(answer.status),
    });
    service.arrived.notify_waiters();
    Some(answer)
}

#[cfg(test)]
mod tests;
