//! Sealing a message for one device (RFC 8291, content coding `aes128gcm` of RFC 8188), behind a trait small
//! enough to be replaced. It fills the payload type of the `web-push` crate, which builds the request from it;
//! the crate's own sealing, which costs three times as much, is what the tests compare with.

use aws_lc_rs::{
    aead::{AES_128_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    agreement::{self, ECDH_P256, PrivateKey, UnparsedPublicKey},
    hmac, rand,
};
use web_push::{ContentEncoding, WebPushPayload};

use super::keys::{DeviceKeys, POINT_BYTES};

const SALT_BYTES: usize = 16;
const KEY_BYTES: usize = 16;
const TAG_BYTES: usize = 16;
/// The record size named in the header: all of a message is one record (RFC 8291 section 4).
const RECORD_BYTES: u32 = 4_096;
/// Salt, record size, length of the key id, and the key id: our public key.
const HEADER_BYTES: usize = SALT_BYTES + 4 + 1 + POINT_BYTES;
/// What push services accept (RFC 8030 section 7.2), without header, delimiter and tag.
const MOST_CLEAR: usize = RECORD_BYTES as usize - HEADER_BYTES - 1 - TAG_BYTES;
/// Ends the last record (RFC 8188 section 2).
const LAST_RECORD: u8 = 2;

/// Why something could not be sealed. Holds neither keys nor text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The device's keys are not usable.
    #[error("the keys of the subscription cannot be sealed for")]
    Keys,
    /// There is nothing to seal.
    #[error("there is nothing to seal")]
    Empty,
    /// More than push services accept.
    #[error("the message is too long to be sealed")]
    TooLong,
    /// The cryptographic library failed.
    #[error("the message could not be sealed")]
    Failed,
}

/// Seals messages.
pub trait Sealer: Send + Sync {
    /// `clear` for the device with these keys, as the body to post. A fresh key pair and salt each time. Texts
    /// of one length give bodies of one length.
    fn seal(&self, device: &DeviceKeys, clear: &[u8]) -> Result<WebPushPayload, SealError>;
}

/// Seals with aws-lc.
#[derive(Debug, Clone, Copy, Default)]
pub struct NativeSealer;

impl Sealer for NativeSealer {
    fn seal(&self, device: &DeviceKeys, clear: &[u8]) -> Result<WebPushPayload, SealError> {
        let ours = PrivateKey::generate(&ECDH_P256).map_err(|_| SealError::Failed)?;
        let mut salt = [0; SALT_BYTES];
        rand::fill(&mut salt).map_err(|_| SealError::Failed)?;
        let content = seal_with(&ours, salt, device, clear)?;
        let content_encoding = ContentEncoding::Aes128Gcm;
        Ok(WebPushPayload { content, crypto_headers: Vec::new(), content_encoding })
    }
}

/// Header and the one record. The key pair and the salt are used for this message only: the nonce follows from
/// them.
fn seal_with(
    ours: &PrivateKey,
    salt: [u8; SALT_BYTES],
    device: &DeviceKeys,
    clear: &[u8],
) -> Result<Vec<u8>, SealError> {
    match clear.len() {
        0 => return Err(SealError::Empty),
        1..=MOST_CLEAR => {}
        _ => return Err(SealError::TooLong),
    }
    let public = ours.compute_public_key().map_err(|_| SealError::Failed)?;
    let (key, nonce) = content_key(ours, public.as_ref(), &salt, device)?;
    let mut body = Vec::with_capacity(HEADER_BYTES + clear.len() + 1 + TAG_BYTES);
    body.extend_from_slice(&salt);
    body.extend_from_slice(&RECORD_BYTES.to_be_bytes());
    body.push(POINT_BYTES as u8);
    body.extend_from_slice(public.as_ref());
    body.extend_from_slice(clear);
    body.push(LAST_RECORD);
    let key = UnboundKey::new(&AES_128_GCM, &key).map_err(|_| SealError::Failed)?;
    let tag = LessSafeKey::new(key)
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::empty(),
            &mut body[HEADER_BYTES..],
        )
        .map_err(|_| SealError::Failed)?;
    body.extend_from_slice(tag.as_ref());
    Ok(body)
}

/// Key and nonce of the record (RFC 8291 section 3.4). Each derivation is one block of HKDF with SHA-256, whose
/// counter is the byte 1 (RFC 5869).
fn content_key(
    ours: &PrivateKey,
    public: &[u8],
    salt: &[u8],
    device: &DeviceKeys,
) -> Result<([u8; KEY_BYTES], [u8; NONCE_LEN]), SealError> {
    let theirs = UnparsedPublicKey::new(&ECDH_P256, &device.p256dh[..]);
    let extracted =
        agreement::agree(ours, theirs, SealError::Keys, |secret| Ok(mac(&device.auth, &[secret])))?;
    let input = mac(extracted.as_ref(), &[b"WebPush: info\0", &device.p256dh, public, &[1]]);
    let material = hmac::Key::new(hmac::HMAC_SHA256, mac(salt, &[input.as_ref()]).as_ref());
    let key = hmac::sign(&material, b"Content-Encoding: aes128gcm\0\x01");
    let nonce = hmac::sign(&material, b"Content-Encoding: nonce\0\x01");
    Ok((first(key.as_ref()), first(nonce.as_ref())))
}

fn mac(key: &[u8], parts: &[&[u8]]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    parts.iter().for_each(|part| context.update(part));
    context.sign()
}

fn first<const N: usize>(bytes: &[u8]) -> [u8; N] {
    std::array::from_fn(|index| bytes[index])
}

#[cfg(test)]
#[path = "seal_tests.rs"]
mod tests;
