//! From a message and a target to an answer: seal, sign, post, classify.

use chrono::{DateTime, Utc};
use entity::ids::SubscriptionId;
use uuid::Uuid;

use super::{
    dto::SubscriptionCreate,
    protocol::{
        BadHostRule, BreakerPolicy, Breakers, EndpointPolicy, FaultKind, HttpTransport, KeyError,
        NativeSealer, OriginSlots, Outcome, PayloadBuilder, PayloadError, PushMessage, PushRequest, PushText,
        RetryKind, Sealer, Transport, TransportOptions, Urgency, VapidError, VapidKeys, VapidSigner,
        check_endpoint, check_keys, classify, topic, transport::TransportError,
    },
    queries::{Address, Target},
};
use crate::{
    config::Config,
    error::{ApiError, ApiResult},
    vault::keyfile::KeySet,
};

/// Life of a test push, in seconds.
const TEST_TTL: u32 = 60;

/// Why pushes cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("keys.vapid_file: {0}")]
    Vapid(#[from] VapidError),
    #[error("push.extra_hosts: `{}` is not a host name", .0.0)]
    Host(BadHostRule),
    #[error("app_url: {0}")]
    AppUrl(#[from] PayloadError),
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
    pub ttl_seconds: u32,
    pub urgency: Urgency,
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
            urgency: Urgency::Normal,
            receipt: String::new(),
        }
    }
}

/// Sends to devices.
pub struct Sender {
    policy: EndpointPolicy,
    signer: VapidSigner,
    sealer: Box<dyn Sealer>,
    payloads: PayloadBuilder,
    transport: Box<dyn Transport>,
    slots: OriginSlots,
    breakers: Breakers,
    topic_key: [u8; 32],
}

impl Sender {
    /// Over real HTTP.
    pub fn new(config: &Config, keys: &KeySet, topic_key: [u8; 32]) -> Result<Self, BuildError> {
        let push = &config.push;
        let vapid = VapidKeys::new(keys.vapid.iter().map(|key| (key.kid.as_str(), &key.pkcs8[..])))?;
        let contact = Some(push.subject.as_str()).filter(|subject| !subject.is_empty());
        let options = TransportOptions { allow_loopback: push.allow_loopback, ..TransportOptions::default() };
        Ok(Self {
            policy: EndpointPolicy::new(&push.extra_hosts, push.any_public, push.allow_loopback)
                .map_err(BuildError::Host)?,
            signer: VapidSigner::new(vapid, contact)?,
            sealer: Box::new(NativeSealer),
            payloads: PayloadBuilder::new(&config.app_url)?,
            transport: Box::new(HttpTransport::new(options)?),
            // One service that hangs must not take up everything that may be under way, which is a few batches.
            slots: OriginSlots::new(push.per_origin_concurrency.min(push.batch_size as usize)),
            breakers: Breakers::new(BreakerPolicy::default()),
            topic_key,
        })
    }

    /// Id and value of the key that new subscriptions use.
    pub fn public_key(&self) -> (String, String) {
        let (kid, key) = self.signer.keys().current();
        (kid.to_owned(), key.to_owned())
    }

    /// Checks what a device registers; 422 with the field. The address comes back in its normal form, so that one
    /// endpoint has one blind index however it is written.
    pub fn check(&self, input: &SubscriptionCreate) -> ApiResult<Address> {
        let endpoint = check_endpoint(&input.endpoint, &self.policy)
            .map_err(|error| ApiError::invalid_field("/endpoint", error.code(), error.to_string()))?;
        let keys = check_keys(&input.keys.p256dh, &input.keys.auth).map_err(|error| {
            let pointer = if error == KeyError::BadAuth { "/keys/auth" } else { "/keys/p256dh" };
            ApiError::invalid_field(pointer, error.code(), error.to_string())
        })?;
        Ok(Address {
            endpoint: endpoint.as_str().to_owned(),
            p256dh: keys.p256dh_text(),
            auth: keys.auth_text(),
            device_name: None,
        })
    }

    /// One attempt at one device. Waits a little for a place at its origin, and not at all while that origin refuses us.
    pub async fn send(&self, now: DateTime<Utc>, target: &Target, message: &Message) -> Outcome {
        let full = Outcome::Retry { after: None, why: RetryKind::Throttled };
        self.send_unless(now, target, message, std::future::pending()).await.unwrap_or(full)
    }

    /// The same for whoever does not wait for ever: nothing, and nothing was sent, if its push service has no place
    /// or `give_up` comes before one.
    pub async fn send_unless(
        &self,
        now: DateTime<Utc>,
        target: &Target,
        message: &Message,
        give_up: impl Future<Output = ()>,
    ) -> Option<Outcome> {
        let Some((request, origin)) = self.request(now, target, message) else {
            return Some(Outcome::OurFault { status: None, why: FaultKind::Unbuildable });
        };
        let _place = self.slots.enter(&origin, give_up).await?;
        // Asked once there is a place: the breaker may have opened while this one waited.
        if let Some(until) = self.breakers.open_until(&origin, now) {
            return Some(Outcome::Retry { after: (until - now).to_std().ok(), why: RetryKind::Throttled });
        }
        let outcome = classify(&self.transport.post(request).await, now);
        if self.breakers.record(&origin, target.subscription.0, &outcome, now) {
            tracing::error!("a push service refuses us; it is left alone for a while");
            metrics::counter!("push_breaker_opened_total").increment(1);
        }
        Some(outcome)
    }

    /// How many push services are left alone at present.
    pub fn open_breakers(&self, now: DateTime<Utc>) -> usize {
        self.breakers.open(now)
    }

    fn request(
        &self,
        now: DateTime<Utc>,
        target: &Target,
        message: &Message,
    ) -> Option<(PushRequest, String)> {
        let address = &target.address;
        // Asked again: a host may have been taken off the list since the device registered.
        let endpoint = check_endpoint(&address.endpoint, &self.policy).ok()?;
        let keys = check_keys(&address.p256dh, &address.auth).ok()?;
        let topic = topic(&self.topic_key, message.id);
        let clear = self.payloads.build(&PushMessage {
            text: PushText { title: &message.title, body: &message.body, lang: &message.lang },
            path: &format!("notifications/{}", message.id),
            tag: &topic,
            receipt: &message.receipt,
            notification_id: message.id,
        });
        let origin = endpoint.origin().to_owned();
        let authorization = self.signer.authorization(&target.vapid_kid, &origin, now).ok()?;
        let payload = self.sealer.seal(&keys, &clear.ok()?).ok()?;
        let request = PushRequest {
            endpoint,
            payload,
            ttl_seconds: message.ttl_seconds,
            urgency: message.urgency,
            topic: Some(topic),
            authorization,
        };
        Some((request, origin))
    }
}

/// The word for an answer in the ledger of deliveries.
pub fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Accepted { .. } => "accepted",
        Outcome::Gone { .. } => "gone",
        Outcome::OurFault { .. } => "refused",
        Outcome::TooLarge => "too_large",
        Outcome::Retry { .. } => "unreachable",
    }
}
