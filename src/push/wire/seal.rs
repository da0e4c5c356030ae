//! Sealing a payload for one device (RFC 8291). Behind a small trait, so that a faster sealer can take the place of the
//! library's without anybody noticing.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use web_push::{ContentEncoding, SubscriptionInfo, WebPushMessageBuilder};

/// The device's keys cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the payload could not be sealed for this device")]
pub struct SealError;

/// Seals payloads.
pub trait Sealer: Send + Sync {
    /// `p256dh` is the device's 65-byte public key, `auth` its 16-byte secret. Returns an `aes128gcm` body.
    fn seal(&self, p256dh: &[u8], auth: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, SealError>;
}

/// The `web-push` crate's sealing; its VAPID signing and its clients are not used.
#[derive(Debug, Default, Clone, Copy)]
pub struct WebPushSealer;

impl Sealer for WebPushSealer {
    fn seal(&self, p256dh: &[u8], auth: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, SealError> {
        // The builder wants an address; the body does not depend on it, and the request is not sent from here.
        let device = SubscriptionInfo::new(
            "https://push.invalid/".to_owned(),
            BASE64_URL_SAFE_NO_PAD.encode(p256dh),
            BASE64_URL_SAFE_NO_PAD.encode(auth),
        );
        let mut builder = WebPushMessageBuilder::new(&device);
        builder.set_payload(ContentEncoding::Aes128Gcm, plaintext);
        let message = builder.build().map_err(|_| SealError)?;
        message.payload.map(|payload| payload.content).ok_or(SealError)
    }
}
