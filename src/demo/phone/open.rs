//! Opening an `aes128gcm` body (RFC 8188) that was sealed for a Web Push device (RFC 8291).

use aws_lc_rs::{
    aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    agreement,
    hkdf::{HKDF_SHA256, KeyType, Salt},
};

/// The body was not sealed for this device, or was altered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body does not open with this device's keys")]
pub struct OpenError;

/// A device's private key, public key and authentication secret.
#[derive(Clone)]
pub struct DeviceKeys {
    /// The private scalar, big endian.
    pub scalar: Vec<u8>,
    /// The uncompressed point.
    pub public: Vec<u8>,
    pub auth: [u8; 16],
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

fn derive(salt: &[u8], secret: &[u8], info: &[&[u8]], length: usize) -> Result<Vec<u8>, OpenError> {
    let mut out = vec![0; length];
    Salt::new(HKDF_SHA256, salt)
        .extract(secret)
        .expand(info, Length(length))
        .and_then(|expanded| expanded.fill(&mut out))
        .map_err(|_| OpenError)?;
    Ok(out)
}

/// The plaintext of a one-record body.
pub fn open(keys: &DeviceKeys, body: &[u8]) -> Result<Vec<u8>, OpenError> {
    let (salt, rest) = body.split_at_checked(16).ok_or(OpenError)?;
    let (record_size, rest) = rest.split_at_checked(4).ok_or(OpenError)?;
    let (id_length, rest) = rest.split_first().ok_or(OpenError)?;
    let (sender, sealed) = rest.split_at_checked(usize::from(*id_length)).ok_or(OpenError)?;
    let record_size = u32::from_be_bytes(record_size.try_into().map_err(|_| OpenError)?);
    if usize::try_from(record_size).map_err(|_| OpenError)? < sealed.len() {
        return Err(OpenError);
    }
    let shared = agree(keys, sender)?;
    let input = derive(&keys.auth, &shared, &[b"WebPush: info\0", &keys.public, sender], 32)?;
    let key = derive(salt, &input, &[b"Content-Encoding: aes128gcm\0"], 16)?;
    let nonce = derive(salt, &input, &[b"Content-Encoding: nonce\0"], 12)?;
    let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).map_err(|_| OpenError)?);
    let nonce = Nonce::try_assume_unique_for_key(&nonce).map_err(|_| OpenError)?;
    let mut buffer = sealed.to_vec();
    let plain = key.open_in_place(nonce, Aad::empty(), &mut buffer).map_err(|_| OpenError)?;
    // The last record ends with 2, then any number of zeros.
    let end = plain.iter().rposition(|byte| *byte != 0).ok_or(OpenError)?;
    if plain[end] == 2 { Ok(plain[..end].to_vec()) } else { Err(OpenError) }
}

fn agree(keys: &DeviceKeys, sender: &[u8]) -> Result<Vec<u8>, OpenError> {
    let private = agreement::PrivateKey::from_private_key(&agreement::ECDH_P256, &keys.scalar)
        .map_err(|_| OpenError)?;
    let peer = agreement::UnparsedPublicKey::new(&agreement::ECDH_P256, sender);
    agreement::agree(&private, peer, OpenError, |secret| Ok(secret.to_vec()))
}

#[cfg(test)]
mod tests {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

    use super::*;
    use crate::push::protocol::{Sealer, WebPushSealer};

    fn bytes(text: &str) -> Vec<u8> {
        BASE64_URL_SAFE_NO_PAD.decode(text).unwrap()
    }

    #[test]
    fn the_example_of_rfc_8291_appendix_a_opens() {
        let keys = DeviceKeys {
            scalar: bytes("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"),
            public: bytes(
                "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
            ),
            auth: bytes("BTBZMqHH6r4Tts7J_aSIgg").try_into().unwrap(),
        };
        let body = bytes(concat!(
            "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_",
            "yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
        ));
        assert_eq!(open(&keys, &body).unwrap(), b"When I grow up, I want to be a watermelon");
    }

    #[test]
    fn what_the_product_seals_opens_only_whole_and_only_here() {
        let (device, other) = (DeviceKeys::generate().unwrap(), DeviceKeys::generate().unwrap());
        let mut sealed = WebPushSealer.seal(&device.public, &device.auth, b"{\"web_push\":8030}").unwrap();
        assert_eq!(open(&device, &sealed).unwrap(), b"{\"web_push\":8030}");
        assert!(open(&other, &sealed).is_err());
        let last = sealed.len() - 1;
        sealed[last] ^= 1;
        assert!(open(&device, &sealed).is_err());
        assert!(open(&device, &sealed[..40]).is_err());
    }
}
