//! Sealing a message for one device (RFC 8291, content coding `aes128gcm` of RFC 8188), behind a trait small
//! enough to be replaced. The `web-push` crate seals; its VAPID step and its clients are not used.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use web_push::{ContentEncoding, SubscriptionInfo, WebPushMessageBuilder};

use super::keys::{AUTH_BYTES, POINT_BYTES};

// The builder wants an endpoint although sealing does not depend on it. The real one is a secret and stays
// out.
const NO_ENDPOINT: &str = "https://push.invalid/";

/// Why something could not be sealed. Holds neither keys nor text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The device's keys are not usable.
    #[error("the keys of the subscription cannot be sealed for")]
    Keys,
    /// There is nothing to seal.
    #[error("there is nothing to seal")]
    Empty,
    /// More than the encryption accepts.
    #[error("the message is too long to be sealed")]
    TooLong,
}

/// Seals messages.
pub trait Sealer: Send + Sync {
    /// The body to post: `plaintext` for the device with this public key (65 bytes) and secret (16 bytes).
    /// Costs about 0.2 ms of one core, and makes a fresh key pair and salt each time. Texts of one length
    /// give bodies of one length.
    fn seal(&self, p256dh: &[u8], auth: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, SealError>;
}

/// Seals with the `web-push` crate.
#[derive(Debug, Clone, Copy, Default)]
pub struct WebPushSealer;

impl Sealer for WebPushSealer {
    fn seal(&self, p256dh: &[u8], auth: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, SealError> {
        if p256dh.len() != POINT_BYTES || auth.len() != AUTH_BYTES {
            return Err(SealError::Keys);
        }
        if plaintext.is_empty() {
            return Err(SealError::Empty);
        }
        let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let device = SubscriptionInfo::new(NO_ENDPOINT.to_owned(), encode(p256dh), encode(auth));
        let mut builder = WebPushMessageBuilder::new(&device);
        builder.set_payload(ContentEncoding::Aes128Gcm, plaintext);
        let message = builder.build().map_err(|error| match error {
            web_push::WebPushError::PayloadTooLarge => SealError::TooLong,
            _ => SealError::Keys,
        })?;
        message.payload.map(|payload| payload.content).ok_or(SealError::Empty)
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};

    use super::*;
    use crate::demo::receiver::decrypt;

    const AUTH: [u8; 16] = [9; 16];
    /// What every push service accepts (RFC 8030 section 7.2).
    const MOST_SEALED: usize = 4_096;

    fn device() -> (PrivateKey, Vec<u8>) {
        let private = PrivateKey::generate(&ECDH_P256).unwrap();
        let public = private.compute_public_key().unwrap().as_ref().to_vec();
        (private, public)
    }

    #[test]
    fn an_independent_implementation_opens_what_was_sealed() {
        let (private, public) = device();
        for length in [1, 2, 100, 2_048, 3_052] {
            let plaintext: Vec<u8> = (0..length).map(|index| (index % 251) as u8).collect();
            let sealed = WebPushSealer.seal(&public, &AUTH, &plaintext).unwrap();
            let other = WebPushSealer.seal(&public, &AUTH, &vec![b' '; length]).unwrap();
            assert_eq!(sealed.len(), other.len());
            assert!(sealed.len() <= MOST_SEALED, "{}", sealed.len());
            assert_eq!(decrypt(&private, &AUTH, &sealed).unwrap(), plaintext);
        }
    }

    #[test]
    fn a_message_opens_for_its_device_only_and_not_when_changed() {
        let (private, public) = device();
        let sealed = WebPushSealer.seal(&public, &AUTH, b"quiet").unwrap();
        assert!(decrypt(&device().0, &AUTH, &sealed).is_err());
        assert!(decrypt(&private, &[8; 16], &sealed).is_err());
        for place in [0, 20, 22, 90, sealed.len() - 1] {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert!(decrypt(&private, &AUTH, &changed).is_err(), "byte {place}");
        }
    }

    #[test]
    fn the_same_text_is_never_sealed_alike() {
        let (_, public) = device();
        let seal = || WebPushSealer.seal(&public, &AUTH, b"quiet").unwrap();
        assert_ne!(seal(), seal());
    }

    #[test]
    fn unusable_input_is_an_error() {
        let (_, public) = device();
        let mut off = public.clone();
        off[64] ^= 1;
        assert_eq!(WebPushSealer.seal(&off, &AUTH, b"x"), Err(SealError::Keys));
        assert_eq!(WebPushSealer.seal(&public[1..], &AUTH, b"x"), Err(SealError::Keys));
        assert_eq!(WebPushSealer.seal(&public, &AUTH[1..], b"x"), Err(SealError::Keys));
        assert_eq!(WebPushSealer.seal(&public, &AUTH, b""), Err(SealError::Empty));
        assert_eq!(WebPushSealer.seal(&public, &AUTH, &[0; 3_053]), Err(SealError::TooLong));
    }
}
