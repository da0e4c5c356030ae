//! What a device reports back: shown, opened, done. The payload carried a token that names recipient, notification and
//! device, so that a service worker can report without a login.

use axum::{extract::State, http::StatusCode};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use entity::ids::{AccountId, NotificationId, SubscriptionId};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use crate::{
    accounts::{Bucket, count_attempt},
    app::AppState,
    error::{ApiError, ApiResult},
    extract::{Network, ValidJson},
    openapi::Problems,
    reminders::{Mark, SnoozeFor, report},
    validate::{Checks, Validate},
    vault::Mac,
};

const TAG: usize = 16;

/// One notification on one device of its recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receiver {
    pub recipient: AccountId,
    pub notification: NotificationId,
    pub device: SubscriptionId,
}

/// The token by which a device reports about it.
pub fn token(mac: &Mac, receiver: Receiver) -> String {
    let Receiver { recipient, notification, device } = receiver;
    let ids = [recipient.0, notification.0, device.0].map(Uuid::into_bytes).concat();
    let tag = mac.sign(&[&ids]);
    BASE64_URL_SAFE_NO_PAD.encode([&ids, &tag[..TAG]].concat())
}

/// What a token names, if it came from here.
fn read(mac: &Mac, text: &str) -> Option<Receiver> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
    let mut ids = bytes.chunks_exact(16).map_while(|id| Uuid::from_slice(id).ok());
    let mut next = || ids.next();
    let receiver = Receiver {
        recipient: AccountId(next()?),
        notification: NotificationId(next()?),
        device: SubscriptionId(next()?),
    };
    (token(mac, receiver) == text).then_some(receiver)
}

/// What happened on the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReceiptEvent {
    /// The notification was shown.
    Shown,
    /// It was tapped.
    Opened,
    /// What it asked for was done.
    Done,
    /// It was put off, for half an hour unless `for` says otherwise.
    Snoozed,
}

/// A report from a device.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// `notification.data.receipt` of the push.
    #[schema(
        example = "AaIEtcZMeiWPITPxYeSsbgGiBLXGTHolj-Ez8WHkrG4Boge1xkx6JY8hM_Fh5KxuIQ0lK0Yh2dXo4nq3mB1vXw",
        max_length = 96
    )]
    pub token: String,
    pub event: ReceiptEvent,
    /// Only with `snoozed`.
    #[serde(rename = "for")]
    #[schema(nullable = false)]
    pub wait: Option<SnoozeFor>,
}

impl Validate for Receipt {
    fn validate(&self, checks: &mut Checks) {
        checks.text("/token", Some(&self.token), 1, 96);
        let fits = self.wait.is_none() || self.event == ReceiptEvent::Snoozed;
        checks.require(fits, "/for", "only_snoozed", "goes with the event snoozed only");
    }
}

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(create_push_receipt))
}

/// Report what became of a push on the device, in the month after it was due. Reporting twice changes nothing.
#[utoipa::path(post, path = "/push/receipts", operation_id = "create_push_receipt", tag = "push", security(()),
    request_body = Receipt, responses((status = 204, description = "Noted"), Problems))]
async fn create_push_receipt(
    State(app): State<AppState>,
    network: Network,
    ValidJson(receipt): ValidJson<Receipt>,
) -> ApiResult<StatusCode> {
    let Some(receiver) = read(&app.receipt_mac, &receipt.token) else {
        count_attempt(&app, Bucket::Network(network.as_str())).await?;
        return Err(ApiError::invalid_field("/token", "invalid_token", "is not a receipt of this server"));
    };
    let event = match receipt.event {
        ReceiptEvent::Shown => Mark::Shown(receiver.device),
        ReceiptEvent::Opened => Mark::Opened,
        ReceiptEvent::Done => Mark::Done,
        ReceiptEvent::Snoozed => Mark::Snoozed(receipt.wait.unwrap_or(SnoozeFor::HalfAnHour)),
    };
    report(&app, receiver.recipient, receiver.notification, event).await?;
    Ok(StatusCode::NO_CONTENT)
}
