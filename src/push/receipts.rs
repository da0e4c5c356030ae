//! What a device reports back: shown, opened, done. The payload carried a token that names recipient and notification,
//! so that a service worker can report without a login.

use axum::{extract::State, http::StatusCode};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use entity::ids::{AccountId, NotificationId};
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

/// The token for one notification of one recipient.
pub fn token(mac: &Mac, recipient: AccountId, notification: NotificationId) -> String {
    let mut token = [recipient.0.as_bytes().as_slice(), notification.0.as_bytes()].concat();
    token.extend_from_slice(&mac.sign(&[recipient.0.as_bytes(), notification.0.as_bytes()])[..TAG]);
    BASE64_URL_SAFE_NO_PAD.encode(token)
}

/// What a token names, if it came from here.
fn read(mac: &Mac, text: &str) -> Option<(AccountId, NotificationId)> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
    let (ids, _) = bytes.split_at_checked(32)?;
    let recipient = AccountId(Uuid::from_slice(&ids[..16]).ok()?);
    let notification = NotificationId(Uuid::from_slice(&ids[16..]).ok()?);
    (token(mac, recipient, notification) == text).then_some((recipient, notification))
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
    #[schema(example = "AaIEtcZMeiWPITPxYeSsbgGiBLXGTHolj-Ez8WHkrG4", max_length = 64)]
    pub token: String,
    pub event: ReceiptEvent,
    /// Only with `snoozed`.
    #[serde(rename = "for")]
    #[schema(nullable = false)]
    pub wait: Option<SnoozeFor>,
}

impl Validate for Receipt {
    fn validate(&self, checks: &mut Checks) {
        checks.text("/token", Some(&self.token), 1, 64);
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
    let Some((recipient, notification)) = read(&app.receipt_mac, &receipt.token) else {
        count_attempt(&app, Bucket::Network(network.as_str())).await?;
        return Err(ApiError::invalid_field("/token", "invalid_token", "is not a receipt of this server"));
    };
    let event = match receipt.event {
        ReceiptEvent::Shown => Mark::Shown,
        ReceiptEvent::Opened => Mark::Opened,
        ReceiptEvent::Done => Mark::Done,
        ReceiptEvent::Snoozed => Mark::Snoozed(receipt.wait.unwrap_or(SnoozeFor::HalfAnHour)),
    };
    report(&app, recipient, notification, event).await?;
    Ok(StatusCode::NO_CONTENT)
}
