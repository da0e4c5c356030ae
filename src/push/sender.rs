//! From a message and a target to an answer: seal, sign, post, classify.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use entity::ids::{NotificationId, SubscriptionId};
use uuid::Uuid;

use super::{
    dto::SubscriptionCreate,
    queries::{Address, Target},
    wire::{
        answer::{AttemptResult, Outcome, classify},
        breaker::Origins,
        egress::Egress,
        endpoint::{EndpointError, EndpointPolicy, check_endpoint, check_keys},
        payload::{Data, Shown, payload, topic},
        seal::{Sealer, WebPushSealer},
        transport::{HttpTransport, PushRequest, TOTAL, Transport, TransportError},
        vapid::{VapidError, VapidSigner},
    },
};
use crate::{
    config::Config,
    error::{ApiError, ApiResult},
    vault::{Mac, keyfile::KeySet},
};

/// Life of a test push, in seconds.
const TEST_TTL: i64 = 60;

/// Why pushes cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error(transparent)]
    Vapid(#[from] VapidError),
    #[error(transparent)]
    Transport(#[from] TransportError),
}

/// What is to be shown on a device.
#[derive(Debug, Clone)]
pub struct Message {
    /// Names it for receipts and for collapsing repetitions.
    pub id: Uuid,
    pub title: String,
    pub body: String,
    /// Language of both.
    pub lang: String,
    /// Seconds for which the push service keeps it.
    pub ttl_seconds: i64,
    /// `high`, `normal` or `low`.
    pub urgency: &'static str,
    /// With which the device reports back without a login.
    pub receipt: String,
}

impl Message {
    /// A push that only shows that pushes arrive.
    pub fn test(id: SubscriptionId, title: &str, body: &str, lang: &str) -> Self {
        Self {
            id: id.0,
            title: title.to_owned(),
            body: body.to_owned(),
            lang: lang.to_owned(),
            ttl_seconds: TEST_TTL,
            urgency: "normal",
            receipt: String::new(),
        }
    }
}

/// Sends to devices.
pub struct Sender {
    policy: EndpointPolicy,
    signer: VapidSigner,
    sealer: Box<dyn Sealer>,
    transport: Arc<dyn Transport>,
    origins: Origins,
    topics: Mac,
    app_url: String,
}

impl Sender {
    /// Over real HTTP.
    pub fn new(config: &Config, keys: &KeySet, topics: Mac) -> Result<Self, BuildError> {
        let egress = Egress { allow_loopback: config.push.allow_loopback };
        Ok(Self {
            policy: EndpointPolicy {
                extra_hosts: config.push.extra_hosts.clone(),
                any_public: config.push.any_public,
                allow_loopback: config.push.allow_loopback,
            },
            signer: VapidSigner::new(&keys.vapid, &config.push.subject)?,
            sealer: Box::new(WebPushSealer),
            transport: Arc::new(HttpTransport::new(egress, TOTAL)?),
            origins: Origins::new(config.push.per_origin_concurrency),
            topics,
            app_url: config.app_url.trim_end_matches('/').to_owned(),
        })
    }

    /// Id and value of the key that new subscriptions use.
    pub fn public_key(&self) -> (String, String) {
        self.signer.public_key()
    }

    /// Checks what a device registers; 422 with the field.
    pub fn check(&self, input: &SubscriptionCreate) -> ApiResult<Address> {
        let refused = |pointer: &str, error: EndpointError| {
            ApiError::invalid_field(pointer, error.code(), error.to_string())
        };
        check_endpoint(&input.endpoint, &self.policy).map_err(|error| refused("/endpoint", error))?;
        check_keys(&input.keys.p256dh, &input.keys.auth).map_err(|error| match error {
            EndpointError::AuthSecret => refused("/keys/auth", error),
            error => refused("/keys/p256dh", error),
        })?;
        let unpadded = |text: &str| text.trim_end_matches('=').to_owned();
        Ok(Address {
            endpoint: input.endpoint.clone(),
            p256dh: unpadded(&input.keys.p256dh),
            auth: unpadded(&input.keys.auth),
            device_name: None,
        })
    }

    /// One attempt at one device. Waits for a seat at its origin, and fails at once while that origin refuses us.
    pub async fn send(&self, now: DateTime<Utc>, target: &Target, message: &Message) -> Outcome {
        let Some((request, origin)) = self.request(now, target, message) else {
            return Outcome::Refused { status: 0 };
        };
        let Some(seats) = self.origins.seats(&origin, now) else {
            return Outcome::Retry { status: None, after: Some(Origins::pause()) };
        };
        let Ok(_seat) = seats.acquire_owned().await else { return classify(AttemptResult::Unreachable) };
        let outcome = classify(self.transport.post(request).await);
        if let Outcome::Refused { status } = outcome {
            tracing::error!(status, "a push service refused us; it is left alone for a while");
            metrics::counter!("push_refused_total", "status" => status.to_string()).increment(1);
            self.origins.open(&origin, now);
        }
        outcome
    }

    fn request(
        &self,
        now: DateTime<Utc>,
        target: &Target,
        message: &Message,
    ) -> Option<(PushRequest, String)> {
        let address = &target.address;
        // Asked again: the policy may have become stricter since the device registered.
        let endpoint = check_endpoint(&address.endpoint, &self.policy).ok()?;
        let (p256dh, auth) = decoded_keys(address)?;
        let navigate = format!("{}/notifications/{}", self.app_url, message.id);
        let topic = topic(&self.topics, message.id);
        let plain = payload(&Shown {
            title: &message.title,
            body: &message.body,
            navigate: &navigate,
            lang: &message.lang,
            tag: &topic,
            data: Data { notification_id: NotificationId(message.id).0, receipt: &message.receipt },
        })
        .ok()?;
        let origin = endpoint.origin();
        let authorization = self.signer.authorization(&target.vapid_kid, &origin, now).ok()?;
        let body = self.sealer.seal(&p256dh, &auth, &plain).ok()?;
        let request = PushRequest {
            endpoint,
            body,
            ttl_seconds: message.ttl_seconds,
            urgency: message.urgency,
            topic,
            authorization,
        };
        Some((request, origin))
    }
}

/// The keys were checked against the curve when they were stored; here they are only decoded.
fn decoded_keys(address: &Address) -> Option<(Vec<u8>, Vec<u8>)> {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
    let decode = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text).ok();
    Some((decode(&address.p256dh)?, decode(&address.auth)?))
}

/// The wait before the next attempt, for an outcome that asks for one.
pub fn asked_wait(outcome: Outcome) -> Option<Duration> {
    match outcome {
        Outcome::Retry { after, .. } => after,
        _ => None,
    }
}
