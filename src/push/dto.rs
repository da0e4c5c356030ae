//! Wire types of push subscriptions.

use chrono::{DateTime, Utc};
use entity::ids::SubscriptionId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::validate::{Checks, Validate};

/// The keys of a subscription, as `PushSubscription.toJSON()` gives them.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubscriptionKeys {
    /// The device's public key: a point of P-256, uncompressed, base64url.
    #[schema(
        example = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
        max_length = 128
    )]
    pub p256dh: String,
    /// Sixteen random bytes, base64url.
    #[schema(example = "BTBZMqHH6r4Tts7J_aSIgg", max_length = 64)]
    pub auth: String,
}

/// Which push service a device is reached by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SubscriptionKind {
    /// A browser, an installed web app, or UnifiedPush.
    #[default]
    WebPush,
    /// An iPhone app from the store.
    Apns,
    /// An Android app that uses Firebase.
    Fcm,
}

/// A device that wants to receive pushes: by Web Push with `endpoint` and `keys`, by `apns` or `fcm` with
/// `device_token`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubscriptionCreate {
    /// `web_push` if it is left out. What this server does not send by is refused with `transport_off`.
    #[serde(default)]
    #[schema(default = "web_push", example = "web_push")]
    pub kind: SubscriptionKind,
    /// Where the push service of this device listens. For `web_push` only.
    #[schema(example = "https://updates.push.services.mozilla.com/wpush/v2/gAAAAABf", max_length = 1000)]
    pub endpoint: Option<String>,
    /// For `web_push` only.
    #[schema(nullable = false)]
    pub keys: Option<SubscriptionKeys>,
    /// `kid` of the key the device subscribed with, as `GET /v1/push/key` gave it; the present one if it is left out.
    /// For `web_push` only.
    #[schema(example = "vapid-0f3a9c21", max_length = 64)]
    pub vapid_kid: Option<String>,
    /// What the phone's system gave the app. For `apns` and `fcm` only.
    #[schema(
        example = "00fc13adff785122b4ad28809a3420982341241421348097878e577c991de8f0",
        max_length = 1000
    )]
    pub device_token: Option<String>,
    /// Shown in the list of devices.
    #[schema(example = "Ana's phone", min_length = 1, max_length = 80)]
    pub device_name: Option<String>,
    /// Such as `android`, `ios` or `web`.
    #[schema(example = "android", min_length = 1, max_length = 32)]
    pub platform: Option<String>,
}

impl Validate for SubscriptionCreate {
    fn validate(&self, checks: &mut Checks) {
        checks.text("/device_name", self.device_name.as_deref(), 1, 80);
        checks.text("/platform", self.platform.as_deref(), 1, 32);
        let plain = self
            .platform
            .as_deref()
            .is_none_or(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'));
        checks.require(plain, "/platform", "wrong_form", "must be letters, digits and dashes");
        let web = self.kind == SubscriptionKind::WebPush;
        let parts = [
            ("/endpoint", self.endpoint.is_some(), web),
            ("/keys", self.keys.is_some(), web),
            ("/device_token", self.device_token.is_some(), !web),
        ];
        for (pointer, given, wanted) in parts {
            checks.require(given || !wanted, pointer, "required", "is required for this kind");
            checks.require(!given || wanted, pointer, "not_allowed", "does not belong to this kind");
        }
        let stray = self.vapid_kid.is_some() && !web;
        checks.require(!stray, "/vapid_kid", "not_allowed", "does not belong to this kind");
    }
}

/// A device that receives pushes. Its endpoint or token is a secret and not shown.
#[derive(Debug, Serialize, ToSchema)]
pub struct PushSubscription {
    #[schema(value_type = Uuid)]
    pub id: SubscriptionId,
    pub kind: SubscriptionKind,
    /// The key it was made with, for `web_push`. Another one than `GET /v1/push/key` gives: subscribe again at the next
    /// start of the app; until then this one is still sent to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "vapid-0f3a9c21")]
    pub vapid_kid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Ana's phone")]
    pub device_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "android")]
    pub platform: Option<String>,
    /// `active`, or `gone` when its push service said so: subscribe again.
    #[schema(example = "active")]
    pub state: String,
    /// When a push service last took something for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_accepted_at: Option<DateTime<Utc>>,
    /// When it last told that something was shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_shown_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_failure_at: Option<DateTime<Utc>>,
    /// What the last failure was.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "unreachable")]
    pub last_failure: Option<String>,
    pub created_at: DateTime<Utc>,
}

/// The devices that receive pushes.
#[derive(Debug, Serialize, ToSchema)]
pub struct PushSubscriptionList {
    pub items: Vec<PushSubscription>,
}

/// The key to subscribe with (`applicationServerKey`, RFC 8292).
#[derive(Debug, Serialize, ToSchema)]
pub struct PushKey {
    #[schema(example = "v1")]
    pub kid: String,
    #[schema(
        example = "BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u61m164i3MrAIxHF6YK5h4SDYic-dRuU_RCPCfA5aq9ojSwk5Y2EmClBPs"
    )]
    pub public_key: String,
}

/// What a push service answered to a test.
#[derive(Debug, Serialize, ToSchema)]
pub struct PushTest {
    /// `accepted`, `gone`, `refused`, `too_large` or `unreachable`.
    #[schema(example = "accepted")]
    pub outcome: &'static str,
    /// The HTTP status, if there was an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 201)]
    pub status: Option<u16>,
}
