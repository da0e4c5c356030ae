//! A push service and the phones behind it in one, for the demo and the tests: it takes what is posted, checks the
//! headers and the VAPID signature, and opens the body with the device's own private key, by an implementation of
//! RFC 8291 that shares nothing with the one that sealed it.

mod open;
mod verify;

use std::{
    collections::{HashMap, VecDeque},
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_lc_rs::{agreement, encoding::AsBigEndian, rand};
use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::Value;
use tokio::{net::TcpListener, sync::Notify, task::AbortHandle};

pub use open::{DeviceKeys, OpenError, open};

/// What a browser would hand to its app.
#[derive(Debug, Clone)]
pub struct DeviceSubscription {
    pub endpoint: String,
    pub p256dh: String,
    pub auth: String,
}

/// One push that arrived.
#[derive(Debug, Clone)]
pub struct Received {
    pub device: String,
    pub headers: Vec<(String, String)>,
    pub wire_bytes: usize,
    /// What the phone reads; null if it could not be opened.
    pub plaintext_json: Value,
    /// Everything a push service or phone would object to.
    pub problems: Vec<String>,
}

impl Received {
    /// A header of the request.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// An answer to give instead of 201.
#[derive(Debug, Clone, Copy, Default)]
pub struct Scripted {
    pub status: u16,
    /// In seconds.
    pub retry_after: Option<u64>,
    /// Never answer at all.
    pub hang: bool,
}

struct Device {
    name: String,
    keys: DeviceKeys,
    script: VecDeque<Scripted>,
}

#[derive(Default)]
struct Inside {
    devices: HashMap<String, Device>,
    received: Vec<Received>,
}

#[derive(Clone)]
struct Shared {
    inside: Arc<Mutex<Inside>>,
    arrived: Arc<Notify>,
    origin: String,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The running service; it ends when this is dropped.
pub struct PushReceiver {
    shared: Shared,
    task: AbortHandle,
}

impl Drop for PushReceiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl PushReceiver {
    /// Listens on a free loopback port.
    pub async fn start() -> io::Result<Self> {
        Self::on(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// Listens on a given address.
    pub async fn on(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let origin = format!("http://{}", listener.local_addr()?);
        let shared = Shared { inside: Arc::default(), arrived: Arc::default(), origin };
        let router = Router::new().route("/push/{token}", post(receive)).with_state(shared.clone());
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the push receiver ended");
            }
        });
        Ok(Self { shared, task: task.abort_handle() })
    }

    /// A new device with keys of its own.
    pub fn subscribe(&self, device: &str) -> io::Result<DeviceSubscription> {
        let failed = |_| io::Error::other("no key could be made");
        let keys = DeviceKeys::generate().map_err(|_| io::Error::other("no key could be made"))?;
        let mut token = [0; 16];
        rand::fill(&mut token).map_err(failed)?;
        let token = BASE64_URL_SAFE_NO_PAD.encode(token);
        let subscription = DeviceSubscription {
            endpoint: format!("{}/push/{token}", self.shared.origin),
            p256dh: BASE64_URL_SAFE_NO_PAD.encode(&keys.public),
            auth: BASE64_URL_SAFE_NO_PAD.encode(keys.auth),
        };
        let device = Device { name: device.to_owned(), keys, script: VecDeque::new() };
        self.shared.lock().devices.insert(token, device);
        Ok(subscription)
    }

    /// What to answer to a device's next pushes, in this order; afterwards 201 again.
    pub fn respond_with(&self, device: &str, answers: impl IntoIterator<Item = Scripted>) {
        let mut inside = self.shared.lock();
        if let Some(found) = inside.devices.values_mut().find(|found| found.name == device) {
            found.script = answers.into_iter().collect();
        }
    }

    /// Everything that arrived so far, in order.
    pub fn received(&self) -> Vec<Received> {
        self.shared.lock().received.clone()
    }

    /// Waits until `count` pushes have arrived in all, or the time is up.
    pub async fn wait_for(&self, count: usize, at_most: Duration) -> Vec<Received> {
        let enough = async {
            loop {
                let arrived = self.shared.arrived.notified();
                if self.shared.lock().received.len() >= count {
                    return;
                }
                arrived.await;
            }
        };
        // Whoever waits looks at what there is, enough or not.
        let _timed_out = tokio::time::timeout(at_most, enough).await;
        self.received()
    }
}

async fn receive(
    State(shared): State<Shared>,
    Path(token): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some((answer, record)) = take(&shared, &token, &headers, &body) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    shared.lock().received.push(record);
    shared.arrived.notify_waiters();
    if answer.hang {
        std::future::pending::<()>().await;
    }
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::CREATED);
    match answer.retry_after {
        Some(seconds) => (status, [(header::RETRY_AFTER, seconds.to_string())]).into_response(),
        None => status.into_response(),
    }
}

fn take(shared: &Shared, token: &str, headers: &HeaderMap, body: &[u8]) -> Option<(Scripted, Received)> {
    let mut inside = shared.lock();
    let device = inside.devices.get_mut(token)?;
    let answer = device.script.pop_front().unwrap_or(Scripted { status: 201, ..Scripted::default() });
    let mut problems = verify::headers(headers, &shared.origin);
    let plaintext_json = open(&device.keys, body)
        .ok()
        .and_then(|plain| serde_json::from_slice(&plain).ok())
        .unwrap_or_else(|| {
            problems.push("the body does not open with the device's key".to_owned());
            Value::Null
        });
    let text = |value: &header::HeaderValue| value.to_str().unwrap_or("").to_owned();
    let record = Received {
        device: device.name.clone(),
        headers: headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        wire_bytes: body.len(),
        plaintext_json,
        problems,
    };
    Some((answer, record))
}

impl DeviceKeys {
    /// Keys as a browser makes them when it subscribes.
    pub fn generate() -> Result<Self, OpenError> {
        let private = agreement::PrivateKey::generate(&agreement::ECDH_P256).map_err(|_| OpenError)?;
        let public = private.compute_public_key().map_err(|_| OpenError)?.as_ref().to_vec();
        let scalar: aws_lc_rs::encoding::EcPrivateKeyBin<'_> =
            private.as_be_bytes().map_err(|_| OpenError)?;
        let mut auth = [0; 16];
        rand::fill(&mut auth).map_err(|_| OpenError)?;
        Ok(Self { scalar: scalar.as_ref().to_vec(), public, auth })
    }
}
