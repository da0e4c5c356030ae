//! The phone's side of message encryption: RFC 8291 over RFC 8188, on the primitives of aws-lc. It shares no
//! code with what seals messages, so that one cannot repeat the other's mistake.

use aws_lc_rs::{
    aead::{AES_128_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    agreement::{self, ECDH_P256, PrivateKey, UnparsedPublicKey},
    hkdf::{HKDF_SHA256, KeyType, Salt},
};

const SALT: usize = 16;
const RECORD_SIZE: usize = 4;
const POINT: usize = 65;
const TAG: usize = 16;
/// Salt, record size and length of the key id.
const FIXED_HEADER: usize = SALT + RECORD_SIZE + 1;
/// A record holds at least one byte, a delimiter and a tag (RFC 8188 section 2).
const LEAST_RECORD: usize = 1 + 1 + TAG;
/// Delimiter of the last record (RFC 8188 section 2).
const LAST_RECORD: u8 = 2;

/// Why a message could not be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecryptError {
    /// Shorter than its own header says.
    #[error("the message is cut off")]
    CutOff,
    /// The key id is not an uncompressed point (RFC 8291 section 4).
    #[error("the sender's key is not an uncompressed point")]
    SenderKey,
    /// Not exactly one record (RFC 8291 section 4).
    #[error("the message is not a single record of the size it names")]
    Records,
    /// Not for this device, or changed.
    #[error("the message is not for this device, or was changed")]
    Sealed,
    /// No delimiter where it should be.
    #[error("the message's padding is malformed")]
    Padding,
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// The clear text of a sealed message, for the device with this key and authentication secret.
pub fn decrypt(private: &PrivateKey, auth: &[u8], message: &[u8]) -> Result<Vec<u8>, DecryptError> {
    let (header, rest) = message.split_at_checked(FIXED_HEADER).ok_or(DecryptError::CutOff)?;
    let (salt, sizes) = header.split_at(SALT);
    let (record_size, key_length) = sizes.split_at(RECORD_SIZE);
    let record_size = record_size.iter().fold(0, |size, byte| size << 8 | usize::from(*byte));
    let (sender, record) = rest.split_at_checked(usize::from(key_length[0])).ok_or(DecryptError::CutOff)?;
    if sender.len() != POINT || sender[0] != 4 {
        return Err(DecryptError::SenderKey);
    }
    if record.len() < LEAST_RECORD || record.len() > record_size {
        return Err(DecryptError::Records);
    }
    let (key, nonce) = content_key(private, auth, salt, sender)?;
    let mut record = record.to_vec();
    let padded = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).map_err(|_| DecryptError::Sealed)?)
        .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut record)
        .map_err(|_| DecryptError::Sealed)?;
    let end = padded.iter().rposition(|byte| *byte != 0).ok_or(DecryptError::Padding)?;
    if padded[end] == LAST_RECORD { Ok(padded[..end].to_vec()) } else { Err(DecryptError::Padding) }
}

/// Key and nonce of the only record: RFC 8291 section 3.4.
fn content_key(
    private: &PrivateKey,
    auth: &[u8],
    salt: &[u8],
    sender: &[u8],
) -> Result<([u8; 16], [u8; NONCE_LEN]), DecryptError> {
    let own = private.compute_public_key().map_err(|_| DecryptError::Sealed)?;
    let peer = UnparsedPublicKey::new(&ECDH_P256, sender);
    let input = agreement::agree(private, peer, DecryptError::SenderKey, |secret| {
        derive::<32>(auth, secret, &[b"WebPush: info\0", own.as_ref(), sender])
    })?;
    let key = derive::<16>(salt, &input, &[b"Content-Encoding: aes128gcm\0"])?;
    let nonce = derive::<NONCE_LEN>(salt, &input, &[b"Content-Encoding: nonce\0"])?;
    Ok((key, nonce))
}

/// HKDF with SHA-256, extract and expand (RFC 5869).
fn derive<const N: usize>(salt: &[u8], secret: &[u8], info: &[&[u8]]) -> Result<[u8; N], DecryptError> {
    let mut output = [0; N];
    Salt::new(HKDF_SHA256, salt)
        .extract(secret)
        .expand(info, Length(N))
        .and_then(|material| material.fill(&mut output))
        .map_err(|_| DecryptError::Sealed)?;
    Ok(output)
}

#[cfg(test)]
mod tests {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

    use super::*;

    fn decode(text: &str) -> Vec<u8> {
        BASE64_URL_SAFE_NO_PAD.decode(text).unwrap()
    }

    /// RFC 8291 section 5 and appendix A.
    fn vector() -> (PrivateKey, Vec<u8>, Vec<u8>) {
        let private = decode("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94");
        let message = [
            "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27ml",
            "mlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPT",
            "pK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN",
        ];
        (
            PrivateKey::from_private_key(&ECDH_P256, &private).unwrap(),
            decode("BTBZMqHH6r4Tts7J_aSIgg"),
            decode(&message.concat()),
        )
    }

    #[test]
    fn the_vector_of_rfc_8291_opens() {
        let (private, auth, message) = vector();
        assert_eq!(decrypt(&private, &auth, &message).unwrap(), b"When I grow up, I want to be a watermelon");
    }

    #[test]
    fn every_shortened_message_is_an_error() {
        let (private, auth, message) = vector();
        for length in 0..message.len() {
            assert!(decrypt(&private, &auth, &message[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn the_record_size_and_the_key_are_checked() {
        let (private, auth, message) = vector();
        let changed = |place: usize, value: u8| {
            let mut message = message.clone();
            message[place] = value;
            decrypt(&private, &auth, &message).unwrap_err()
        };
        // The record size 0x1000 becomes 0: what follows is longer.
        assert_eq!(changed(18, 0), DecryptError::Records);
        assert_eq!(changed(20, 64), DecryptError::SenderKey);
        assert_eq!(changed(20, 255), DecryptError::CutOff);
        assert_eq!(changed(21, 3), DecryptError::SenderKey);
        assert_eq!(changed(85, message[85] ^ 1), DecryptError::SenderKey);
        assert_eq!(changed(0, message[0] ^ 1), DecryptError::Sealed);
        assert_eq!(decrypt(&private, &[0; 16], &message).unwrap_err(), DecryptError::Sealed);
    }
}
