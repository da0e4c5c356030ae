//! From a message and a target to an answer: seal, sign, post, classify.

use chrono::{DateTime, Utc};
use entity::ids::SubscriptionId;
use moka::sync::Cache;
use uuid::Uuid;

use super::{
    dto::{SubscriptionCreate, SubscriptionKind},
    native::{self, Apns, Fcm, NativeError, NativeService, Note},
    protocol::{
        BadHostRule, BreakerPolicy, Breakers, DeviceKeys, Endpoint, EndpointPolicy, FaultKind, HttpTransport,
        KeyError, NativeSealer, OriginSlots, Outcome, PayloadBuilder, PayloadError, PushMessage, PushRequest,
        PushText, RetryKind, Sealer, Transport, TransportOptions, Urgency, VapidError, VapidKeys,
        VapidSigner, check_endpoint, check_keys, classify, topic, transport::TransportError,
    },
    queries::{Address, Target, Way},
};
use crate::{
    config::Config,
    error::{ApiError, ApiResult},
    vault::keyfile::KeySet,
};

/// Devices whose services asked for a wait, remembered at most.
const MOST_WAITS: u64 = 20_000;
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
    #[error(transparent)]
    Native(#[from] NativeError),
}

/// What is to be shown on a device.
#[derive(Debug, Clone)]
pub struct Message {
    /// Names it for receipts and for collapsing repetitions.
    pub id: Uuid,
    /// Discreet words, which whoever carries the message may read.
    pub title: String,
    pub body: String,
    /// Title and body in the recipient's own words, for devices that it is sealed for.
    pub detailed: Option<(String, String)>,
    /// Language of all of them.
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
            detailed: None,
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
    apns: Option<Box<dyn NativeService>>,
    fcm: Option<Box<dyn NativeService>>,
    slots: OriginSlots,
    breakers: Breakers,
    /// Until when a device's service asked to be left alone.
    waits: Cache<SubscriptionId, DateTime<Utc>>,
    topic_key: [u8; 32],
}

/// A checked way to a device.
enum Route<'a> {
    WebPush { endpoint: Endpoint, keys: DeviceKeys, vapid_kid: &'a str },
    Native { service: &'a dyn NativeService, token: &'a str },
}

impl Route<'_> {
    /// What breakers and bounds are kept for.
    fn origin(&self) -> &str {
        match self {
            Self::WebPush { endpoint, .. } => endpoint.origin(),
            Self::Native { service, .. } => service.origin(),
        }
    }
}

impl Sender {
    /// Over real HTTP.
    pub fn new(config: &Config, keys: &KeySet, topic_key: [u8; 32]) -> Result<Self, BuildError> {
        let push = &config.push;
        let vapid = VapidKeys::new(keys.vapid.iter().map(|key| (key.kid.as_str(), &key.pkcs8[..])))?;
        let contact = Some(push.subject.as_str()).filter(|subject| !subject.is_empty());
        let options = TransportOptions {
            allow_loopback: push.allow_loopback,
            per_origin: push.per_origin_concurrency,
            ..TransportOptions::default()
        };
        Ok(Self {
            policy: EndpointPolicy::new(&push.extra_hosts, push.any_public, push.allow_loopback)
                .map_err(BuildError::Host)?,
            signer: VapidSigner::new(vapid, contact)?,
            sealer: Box::new(NativeSealer),
            payloads: PayloadBuilder::new(&config.app_url)?,
            transport: Box::new(HttpTransport::new(options)?),
            apns: Apns::new(&config.apns, options)?
                .map(|service| Box::new(service) as Box<dyn NativeService>),
            fcm: Fcm::new(&config.fcm, options)?.map(|service| Box::new(service) as Box<dyn NativeService>),
            // One service that hangs must not take up everything that may be under way, which is a few batches.
            slots: OriginSlots::new(push.per_origin_concurrency.min(push.batch_size as usize)),
            breakers: Breakers::new(BreakerPolicy::default()),
            waits: Cache::new(MOST_WAITS),
            topic_key,
        })
    }

    /// Id and value of the key that new subscriptions use.
    pub fn public_key(&self) -> (String, String) {
        let (kid, key) = self.signer.keys().current();
        (kid.to_owned(), key.to_owned())
    }

    /// Checks what a device registers; 422 with the field. The address comes back in its normal form, so that one
    /// device has one blind index however it is written.
    pub fn check(&self, input: &SubscriptionCreate) -> ApiResult<Address> {
        let way = match input.kind {
            SubscriptionKind::WebPush => self.check_web_push(input)?,
            SubscriptionKind::Apns => {
                let token = checked_token(input, self.apns.is_some(), native::apns_token)?;
                Way::Apns { apns_token: token }
            }
            SubscriptionKind::Fcm => {
                let token = checked_token(input, self.fcm.is_some(), native::fcm_token)?;
                Way::Fcm { fcm_token: token }
            }
        };
        Ok(Address { way, device_name: None })
    }

    fn check_web_push(&self, input: &SubscriptionCreate) -> ApiResult<Way> {
        let endpoint = check_endpoint(input.endpoint.as_deref().unwrap_or_default(), &self.policy)
            .map_err(|error| ApiError::invalid_field("/endpoint", error.code(), error.to_string()))?;
        let (p256dh, auth) = match &input.keys {
            Some(keys) => (keys.p256dh.as_str(), keys.auth.as_str()),
            None => ("", ""),
        };
        let keys = check_keys(p256dh, auth).map_err(|error| {
            let pointer = if error == KeyError::BadAuth { "/keys/auth" } else { "/keys/p256dh" };
            ApiError::invalid_field(pointer, error.code(), error.to_string())
        })?;
        if input.vapid_kid.as_deref().is_some_and(|kid| self.signer.keys().public_key(kid).is_none()) {
            let detail = "is not a key of this server; ask for the present one and subscribe with it";
            return Err(ApiError::invalid_field("/vapid_kid", "unknown_key", detail));
        }
        let endpoint = endpoint.as_str().to_owned();
        Ok(Way::WebPush { endpoint, p256dh: keys.p256dh_text(), auth: keys.auth_text() })
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
        let Some(route) = self.route(target) else {
            return Some(Outcome::OurFault { status: None, why: FaultKind::Unbuildable });
        };
        let origin = route.origin().to_owned();
        // Another device of the same person may be tried earlier, and brings this one along.
        let asked = self.waits.get(&target.subscription).filter(|until| now < *until);
        if let Some(until) = asked {
            return Some(wait_until(until, now));
        }
        let slot = self.slots.enter(&origin, give_up).await?;
        // Asked once there is a place: the breaker may have opened while this one waited.
        if let Some(until) = self.breakers.open_until(&origin, now) {
            return Some(wait_until(until, now));
        }
        let outcome = match route {
            Route::WebPush { endpoint, keys, vapid_kid } => {
                match self.request(now, (endpoint, &keys, vapid_kid), message, slot.place()) {
                    Some(request) => classify(&self.transport.post(request).await, now),
                    None => Outcome::OurFault { status: None, why: FaultKind::Unbuildable },
                }
            }
            Route::Native { service, token } => self.send_native(now, service, token, message).await,
        };
        if outcome.is_silence() {
            slot.silent();
        } else {
            slot.answered();
        }
        if let Outcome::Retry { after: Some(after), .. } = &outcome
            && let Ok(after) = chrono::Duration::from_std(*after)
        {
            self.waits.insert(target.subscription, now + after);
        }
        self.watch(&origin, target, &outcome, now);
        Some(outcome)
    }

    /// How many push services are left alone at present.
    pub fn open_breakers(&self, now: DateTime<Utc>) -> usize {
        self.breakers.open(now)
    }

    /// What an operator is to learn of an answer.
    fn watch(&self, origin: &str, target: &Target, outcome: &Outcome, now: DateTime<Utc>) {
        match outcome {
            Outcome::OurFault { status, .. } => {
                let status = status.map_or_else(|| "none".to_owned(), |status| status.to_string());
                metrics::counter!("push_refused_total", "status" => status).increment(1);
            }
            Outcome::TooLarge => {
                tracing::error!("a push service finds a message too long");
                metrics::counter!("push_too_large_total").increment(1);
            }
            _ => {}
        }
        if self.breakers.record(origin, target.subscription.0, outcome, now) {
            tracing::error!("a push service refuses us; it is left alone for a while");
            metrics::counter!("push_breaker_opened_total").increment(1);
        }
    }

    fn route<'a>(&'a self, target: &'a Target) -> Option<Route<'a>> {
        match &target.address.way {
            Way::WebPush { endpoint, p256dh, auth } => Some(Route::WebPush {
                // Asked again: a host may have been taken off the list since the device registered.
                endpoint: check_endpoint(endpoint, &self.policy).ok()?,
                keys: check_keys(p256dh, auth).ok()?,
                vapid_kid: &target.vapid_kid,
            }),
            Way::Apns { apns_token } => {
                Some(Route::Native { service: self.apns.as_deref()?, token: apns_token })
            }
            Way::Fcm { fcm_token } => Some(Route::Native { service: self.fcm.as_deref()?, token: fcm_token }),
        }
    }

    fn request(
        &self,
        now: DateTime<Utc>,
        (endpoint, keys, vapid_kid): (Endpoint, &DeviceKeys, &str),
        message: &Message,
        place: usize,
    ) -> Option<PushRequest> {
        let topic = topic(&self.topic_key, message.id);
        let (title, body) = match &message.detailed {
            Some((title, body)) => (title, body),
            None => (&message.title, &message.body),
        };
        let clear = self.payloads.build(&PushMessage {
            text: PushText { title, body, lang: &message.lang },
            path: &path(message),
            tag: &topic,
            receipt: &message.receipt,
            notification_id: message.id,
        });
        let authorization = self.signer.authorization(vapid_kid, endpoint.origin(), now).ok()?;
        Some(PushRequest {
            payload: self.sealer.seal(keys, &clear.ok()?).ok()?,
            endpoint,
            ttl_seconds: message.ttl_seconds,
            urgency: message.urgency,
            topic: Some(topic),
            authorization,
            place,
        })
    }

    async fn send_native(
        &self,
        now: DateTime<Utc>,
        service: &dyn NativeService,
        token: &str,
        message: &Message,
    ) -> Outcome {
        let Ok(navigate) = self.payloads.navigate(&path(message)) else {
            return Outcome::OurFault { status: None, why: FaultKind::Unbuildable };
        };
        let note = Note {
            title: &message.title,
            body: &message.body,
            navigate: &navigate,
            receipt: &message.receipt,
            topic: &topic(&self.topic_key, message.id),
            ttl_seconds: message.ttl_seconds,
            urgency: message.urgency,
        };
        service.send(now, token, &note).await
    }
}

fn wait_until(until: DateTime<Utc>, now: DateTime<Utc>) -> Outcome {
    Outcome::Retry { after: (until - now).to_std().ok(), why: RetryKind::Throttled }
}

fn path(message: &Message) -> String {
    format!("notifications/{}", message.id)
}

/// A device token in its normal form, if this server sends by its service.
fn checked_token(
    input: &SubscriptionCreate,
    on: bool,
    read: fn(&str) -> Option<String>,
) -> ApiResult<String> {
    if !on {
        let detail = "this server does not send by this service; subscribe by another";
        return Err(ApiError::invalid_field("/kind", "transport_off", detail));
    }
    read(input.device_token.as_deref().unwrap_or_default()).ok_or_else(|| {
        let detail = "is not a token of this service; send it exactly as the system gave it";
        ApiError::invalid_field("/device_token", "bad_device_token", detail)
    })
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

#[cfg(test)]
#[path = "sender_tests.rs"]
mod tests;
