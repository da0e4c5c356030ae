//! Posting a sealed message to a push service (RFC 8030 section 5). The peer is a stranger: it is given little time, little of its
//! answer is read, and it cannot send us elsewhere.

use std::{
    error::Error,
    future::Future,
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use moka::sync::Cache;
use reqwest::{
    Client, Response,
    header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER},
    redirect,
};
use web_push::{Urgency, WebPushMessage, WebPushPayload, request_builder::build_request};

use super::{
    answer::{AttemptResult, FailureKind},
    egress::{AddressFilter, GuardedResolver, Names, NotPublic, SystemNames},
    endpoint::Endpoint,
};

const AUTHORIZATION_NAME: &str = "Authorization";

/// Bytes of an answer's body that are read at most, so that its connection can be used again.
const ANSWER_BYTES: usize = 4_096;
/// Time for reading them: the status is known by then, and worth more than the connection.
const DRAIN: Duration = Duration::from_secs(1);
const MOST_HEADERS: usize = 64;
const MOST_HEADER_BYTES: u32 = 16 * 1_024;
/// Requests under way on one connection. HTTP/2 servers permit a hundred or more.
const PER_CONNECTION: usize = 64;
/// So long the first request of a connection is given to open it, before others open their own.
const HEAD_START: Duration = Duration::from_millis(250);
/// After so long without a request a connection is closed.
const IDLE: Duration = Duration::from_secs(60);
/// Connections remembered as open at most.
const MOST_OPEN: u64 = 4_096;
/// A longer `Retry-After` is neither a number nor a date.
const RETRY_AFTER_BYTES: usize = 64;

/// One message on its way. Not `Debug`: it holds an endpoint and a signature.
pub struct PushRequest {
    pub endpoint: Endpoint,
    /// The sealed message.
    pub payload: WebPushPayload,
    /// How many seconds the service keeps it for a phone that is offline.
    pub ttl_seconds: u32,
    /// How soon the phone should be woken (RFC 8030 section 5.3).
    pub urgency: Urgency,
    /// Replaces an earlier message with the same topic (32 characters of base64url at most).
    pub topic: Option<String>,
    /// `vapid t=…, k=…`.
    pub authorization: Arc<str>,
    /// Which of the requests under way to this origin it is, counted from 0: so many share one connection.
    pub place: usize,
}

/// An attempt under way.
pub type Sending<'a> = Pin<Box<dyn Future<Output = AttemptResult> + Send + 'a>>;

/// Something that takes messages to push services.
pub trait Transport: Send + Sync {
    /// Makes one attempt. Ends within the transport's own time limit, and always with a result.
    fn post(&self, request: PushRequest) -> Sending<'_>;
}

/// Limits of [`HttpTransport`].
#[derive(Debug, Clone, Copy)]
pub struct TransportOptions {
    /// For the name, the connection and TLS.
    pub connect_timeout: Duration,
    /// For everything, the answer included.
    pub total_timeout: Duration,
    /// Opens loopback, there also over http. For development only.
    pub allow_loopback: bool,
    /// Requests under way to one origin at most.
    pub per_origin: usize,
}

impl Default for TransportOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(3),
            total_timeout: Duration::from_secs(10),
            allow_loopback: false,
            per_origin: PER_CONNECTION,
        }
    }
}

/// The HTTP client could not be set up: the system's TLS roots could not be loaded.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client for push services could not be set up; check the system's CA certificates")]
pub struct TransportError;

/// Whether a connection is open, or was tried.
#[derive(Default)]
struct Opening {
    tried: AtomicBool,
    first: tokio::sync::Mutex<()>,
}

/// Posts over HTTP/2 or HTTP/1.1 with TLS. An HTTP/2 client keeps one connection for each origin, so there are as many
/// clients as it takes for all requests that may be under way to one.
pub struct HttpTransport {
    // The first is made at the start, the others when they are needed.
    first: Client,
    further: Vec<OnceLock<Client>>,
    make: Box<dyn Fn() -> reqwest::ClientBuilder + Send + Sync>,
    opened: Cache<(String, usize), Arc<Opening>>,
    filter: AddressFilter,
    clear_loopback: bool,
    total_timeout: Duration,
}

impl HttpTransport {
    /// A transport with a connection pool of its own.
    pub fn new(options: TransportOptions) -> Result<Self, TransportError> {
        Self::with_names(options, Arc::new(SystemNames))
    }

    /// The same with another source of addresses.
    pub fn with_names(options: TransportOptions, names: Arc<dyn Names>) -> Result<Self, TransportError> {
        let filter = AddressFilter::new(options.allow_loopback);
        let resolver = GuardedResolver::new(filter, names);
        Self::of(options, filter, move || client(&options, resolver.clone()))
    }

    fn of(
        options: TransportOptions,
        filter: AddressFilter,
        make: impl Fn() -> reqwest::ClientBuilder + Send + Sync + 'static,
    ) -> Result<Self, TransportError> {
        let connections = options.per_origin.div_ceil(PER_CONNECTION).max(1);
        Ok(Self {
            first: make().build().map_err(|_| TransportError)?,
            further: (1..connections).map(|_| OnceLock::new()).collect(),
            make: Box::new(make),
            opened: Cache::builder().max_capacity(MOST_OPEN).time_to_idle(IDLE).build(),
            filter,
            clear_loopback: options.allow_loopback,
            total_timeout: options.total_timeout,
        })
    }

    fn client(&self, connection: usize) -> &Client {
        let made = || (self.make)().build().unwrap_or_else(|_| self.first.clone());
        match connection.checked_sub(1) {
            Some(number) => self.further[number].get_or_init(made),
            None => &self.first,
        }
    }

    async fn attempt(&self, request: PushRequest) -> AttemptResult {
        let url = request.endpoint.url();
        let clear_permitted = self.clear_loopback && request.endpoint.is_loopback();
        if !(url.scheme() == "https" || clear_permitted) || !self.filter.permits_literal(url) {
            return AttemptResult::Failed(FailureKind::Blocked);
        }
        let url = url.clone();
        let connection = (request.place / PER_CONNECTION).min(self.further.len());
        let client = self.client(connection);
        let opening = self.opened.get_with((request.endpoint.origin().to_owned(), connection), Arc::default);
        let Some((headers, body)) = build(request) else {
            return AttemptResult::Failed(FailureKind::Unbuildable);
        };
        // Kept outside of the time limit: once the status is known, a slow body must not turn an accepted
        // message into one that is sent again.
        let mut answer = None;
        let exchange = async {
            let first = opening.first().await;
            let sent = client.post(url).headers(headers).body(body).send().await;
            match sent {
                Err(error) => answer = Some(AttemptResult::Failed(kind(&error))),
                Ok(response) if !self.filter.permits_peer(response.remote_addr()) => {
                    answer = Some(AttemptResult::Failed(FailureKind::Blocked));
                }
                Ok(response) => {
                    answer = Some(answered(&response));
                    drop(first);
                    drain(response).await;
                }
            }
        };
        // Whether the limit was reached shows in `answer`.
        let _ended = tokio::time::timeout(self.total_timeout, exchange).await;
        answer.unwrap_or(AttemptResult::Failed(FailureKind::Timeout))
    }
}

impl Opening {
    /// The first request on a connection goes alone, so that those behind it find it open. What is not open soon is
    /// not waited for.
    async fn first(&self) -> First<'_> {
        if self.tried.load(Ordering::Relaxed) {
            return First { opening: self, alone: None };
        }
        let alone = tokio::time::timeout(HEAD_START, self.first.lock()).await.ok();
        let needed = !self.tried.load(Ordering::Relaxed);
        First { opening: self, alone: alone.filter(|_| needed) }
    }
}

/// Held until an answer begins, or there is none.
struct First<'a> {
    opening: &'a Opening,
    #[cfg_attr(not(test), expect(dead_code, reason = "held, and let go when dropped"))]
    alone: Option<tokio::sync::MutexGuard<'a, ()>>,
}

impl Drop for First<'_> {
    fn drop(&mut self) {
        self.opening.tried.store(true, Ordering::Relaxed);
    }
}

impl Transport for HttpTransport {
    fn post(&self, request: PushRequest) -> Sending<'_> {
        Box::pin(self.attempt(request))
    }
}

fn client(options: &TransportOptions, resolver: GuardedResolver) -> reqwest::ClientBuilder {
    Client::builder()
        .dns_resolver(resolver)
        .redirect(redirect::Policy::none())
        .no_proxy()
        .referer(false)
        // The ledger decides about repeating, not the client.
        .retry(reqwest::retry::never())
        .https_only(!options.allow_loopback)
        .connect_timeout(options.connect_timeout)
        .http1_max_headers(MOST_HEADERS)
        .http2_max_header_list_size(MOST_HEADER_BYTES)
        // Without a ping, a connection that died silently would fail every message until it is noticed.
        .http2_keep_alive_interval(Duration::from_secs(20))
        .http2_keep_alive_timeout(Duration::from_secs(5))
        .pool_max_idle_per_host(8)
        .pool_idle_timeout(IDLE)
}

/// Headers and body as the `web-push` crate builds them; nothing if one of the texts cannot be a header, which
/// the crate would answer with a panic. The crate is on an older `http`, so the headers are carried over.
fn build(request: PushRequest) -> Option<(HeaderMap, Vec<u8>)> {
    let PushRequest { endpoint, mut payload, ttl_seconds, urgency, topic, authorization, place: _ } = request;
    if topic.as_ref().is_some_and(|topic| !is_topic(topic)) || HeaderValue::from_str(&authorization).is_err()
    {
        return None;
    }
    payload.crypto_headers.push((AUTHORIZATION_NAME, authorization.as_ref().to_owned()));
    let message = WebPushMessage {
        endpoint: endpoint.as_str().parse().ok()?,
        ttl: ttl_seconds,
        urgency: Some(urgency),
        topic,
        payload: Some(payload),
    };
    let (built, body) = build_request::<Vec<u8>>(message).into_parts();
    let mut headers = HeaderMap::with_capacity(built.headers.len());
    for (name, value) in &built.headers {
        let name = HeaderName::from_bytes(name.as_str().as_bytes()).ok()?;
        let mut value = HeaderValue::from_bytes(value.as_bytes()).ok()?;
        value.set_sensitive(name == AUTHORIZATION);
        headers.insert(name, value);
    }
    Some((headers, body))
}

fn is_topic(text: &str) -> bool {
    text.len() <= 32 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

pub(in crate::push) fn answered(response: &Response) -> AttemptResult {
    let retry_after = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok())
        .filter(|text| text.len() <= RETRY_AFTER_BYTES)
        .map(str::to_owned);
    AttemptResult::Answered { status: response.status().as_u16(), retry_after }
}

/// Reads a little of the body and throws it away. What is longer or slower loses its connection.
async fn drain(mut response: Response) -> usize {
    let mut read = 0;
    let reading = async {
        while read < ANSWER_BYTES {
            match response.chunk().await {
                Ok(Some(chunk)) => read += chunk.len(),
                Ok(None) | Err(_) => break,
            }
        }
    };
    let _ended = tokio::time::timeout(DRAIN, reading).await;
    read
}

/// What went wrong, without where.
pub(in crate::push) fn kind(error: &reqwest::Error) -> FailureKind {
    if is_blocked(error) {
        FailureKind::Blocked
    } else if error.is_timeout() {
        FailureKind::Timeout
    } else if error.is_dns() {
        FailureKind::Unresolved
    } else if error.is_connect() {
        FailureKind::Connect
    } else if error.is_builder() {
        FailureKind::Unbuildable
    } else {
        FailureKind::Interrupted
    }
}

fn is_blocked(error: &reqwest::Error) -> bool {
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        // An I/O error shows what it wraps only through `get_ref`; its `source` skips one level.
        let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if error.is::<NotPublic>() || wrapped.is_some_and(|inner| inner.is::<NotPublic>()) {
            return true;
        }
        next = error.source();
    }
    false
}

#[cfg(test)]
#[path = "transport_tests.rs"]
mod tests;
