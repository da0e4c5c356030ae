//! Sending one request to one push service: no redirects, no proxy, bounded in time and in what is read back.

use std::{future::Future, pin::Pin, time::Duration};

use reqwest::{
    Client, StatusCode,
    header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER},
    redirect,
};

use super::{
    answer::AttemptResult,
    egress::{Egress, GuardedResolver},
    endpoint::Endpoint,
};

const CONNECT: Duration = Duration::from_secs(3);
/// Longest time for a whole attempt.
pub const TOTAL: Duration = Duration::from_secs(10);
/// Most bytes read of an answer.
const ANSWER: usize = 4 * 1024;

/// One sealed push, ready to go.
pub struct PushRequest {
    pub endpoint: Endpoint,
    pub body: Vec<u8>,
    /// Until when the service keeps it, in seconds from now.
    pub ttl_seconds: i64,
    /// `high`, `normal` or `low`.
    pub urgency: &'static str,
    pub topic: String,
    pub authorization: String,
}

/// The way to push services.
pub trait Transport: Send + Sync {
    fn post(&self, request: PushRequest) -> Pin<Box<dyn Future<Output = AttemptResult> + Send + '_>>;
}

/// HTTP/2 or HTTP/1.1 over TLS; plain HTTP only to loopback and only in development.
pub struct HttpTransport {
    client: Client,
    egress: Egress,
}

/// The client could not be made.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client cannot be set up: {0}")]
pub struct TransportError(#[from] reqwest::Error);

impl HttpTransport {
    /// `total` bounds a whole attempt; [`TOTAL`] outside of tests.
    pub fn new(egress: Egress, total: Duration) -> Result<Self, TransportError> {
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .https_only(!egress.allow_loopback)
            .connect_timeout(CONNECT)
            .timeout(total)
            .pool_idle_timeout(Duration::from_secs(60))
            .dns_resolver(GuardedResolver { egress })
            .user_agent(concat!("afterglow/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { client, egress })
    }

    async fn attempt(&self, request: PushRequest) -> AttemptResult {
        // A resolver is never asked about an address.
        if request.endpoint.literal().is_some_and(|address| !self.egress.permits(address)) {
            return AttemptResult::Forbidden;
        }
        let sent = self
            .client
            .post(request.endpoint.as_str())
            .header("TTL", request.ttl_seconds)
            .header("Urgency", request.urgency)
            .header("Topic", request.topic)
            .header(CONTENT_ENCODING, "aes128gcm")
            .header(CONTENT_TYPE, "application/octet-stream")
            .header(AUTHORIZATION, request.authorization)
            .body(request.body)
            .send()
            .await;
        // Its words would name the endpoint, which is a secret.
        let Ok(mut response) = sent else { return AttemptResult::Unreachable };
        if response.remote_addr().is_some_and(|peer| !self.egress.permits(peer.ip())) {
            return AttemptResult::Forbidden;
        }
        let (status, retry_after) = (response.status(), retry_after(&response));
        let mut read = 0;
        while read < ANSWER {
            match response.chunk().await {
                Ok(Some(chunk)) => read += chunk.len(),
                // The status is what counts; it has been read.
                Ok(None) | Err(_) => break,
            }
        }
        AttemptResult::Answered { status: status.as_u16(), retry_after }
    }
}

/// Seconds, or the time until an HTTP date counted from the service's own `Date` (RFC 9110, section 10.2.3).
fn retry_after(response: &reqwest::Response) -> Option<Duration> {
    if !(response.status() == StatusCode::TOO_MANY_REQUESTS || response.status().is_server_error()) {
        return None;
    }
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = |text: &str| chrono::DateTime::parse_from_rfc2822(text).ok();
    let sent = date(response.headers().get(reqwest::header::DATE)?.to_str().ok()?)?;
    (date(text)? - sent).to_std().ok()
}

impl Transport for HttpTransport {
    fn post(&self, request: PushRequest) -> Pin<Box<dyn Future<Output = AttemptResult> + Send + '_>> {
        Box::pin(self.attempt(request))
    }
}
