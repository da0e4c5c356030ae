//! The native sealing against the RFC's own numbers, the `web-push` crate's sealing, and two openers.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ece::EcKeyComponents;
use proptest::prelude::*;
use web_push::{SubscriptionInfo, WebPushMessageBuilder};

use super::*;
use crate::{demo::receiver::decrypt, push::protocol::check_keys};
use aws_lc_rs::encoding::{AsBigEndian, EcPrivateKeyBin};

/// What every push service accepts (RFC 8030 section 7.2).
const MOST_SEALED: usize = 4_096;
/// The most that the `web-push` crate seals.
const MOST_OF_ORACLE: usize = 3_052;

/// Seals with the `web-push` crate, whose cryptography is OpenSSL's.
struct Oracle;

impl Sealer for Oracle {
    fn seal(&self, device: &DeviceKeys, clear: &[u8]) -> Result<WebPushPayload, SealError> {
        let info = SubscriptionInfo::new(
            "https://push.example.net/".to_owned(),
            device.p256dh_text(),
            device.auth_text(),
        );
        let mut builder = WebPushMessageBuilder::new(&info);
        builder.set_payload(ContentEncoding::Aes128Gcm, clear);
        builder.build().map_err(|_| SealError::Failed)?.payload.ok_or(SealError::Empty)
    }
}

struct Phone {
    private: PrivateKey,
    keys: DeviceKeys,
}

impl Phone {
    fn new(auth: [u8; 16]) -> Self {
        Self::with(PrivateKey::generate(&ECDH_P256).unwrap(), auth)
    }

    fn with(private: PrivateKey, auth: [u8; 16]) -> Self {
        let p256dh = private.compute_public_key().unwrap().as_ref().try_into().unwrap();
        Self { private, keys: DeviceKeys { p256dh, auth } }
    }

    /// Opens with aws-lc, through code that shares nothing with the sealing.
    fn open(&self, body: &[u8]) -> Option<Vec<u8>> {
        decrypt(&self.private, &self.keys.auth, body).ok()
    }

    /// Opens with `ece`, whose cryptography is OpenSSL's.
    fn open_with_ece(&self, body: &[u8]) -> Option<Vec<u8>> {
        let private: EcPrivateKeyBin<'static> = self.private.as_be_bytes().unwrap();
        let parts = EcKeyComponents::new(private.as_ref().to_vec(), self.keys.p256dh.to_vec());
        ece::decrypt(&parts, &self.keys.auth, body).ok()
    }
}

fn decode(text: &str) -> Vec<u8> {
    BASE64_URL_SAFE_NO_PAD.decode(text).unwrap()
}

fn body(payload: WebPushPayload) -> Vec<u8> {
    assert_eq!(payload.content_encoding, ContentEncoding::Aes128Gcm);
    assert_eq!(payload.crypto_headers, []);
    payload.content
}

#[test]
fn the_vector_of_rfc_8291_is_sealed_to_the_byte() {
    // Section 5 and appendix A.
    let ours = decode("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw");
    let ours = PrivateKey::from_private_key(&ECDH_P256, &ours).unwrap();
    let device = check_keys(
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
        "BTBZMqHH6r4Tts7J_aSIgg",
    )
    .unwrap();
    let salt = decode("DGv6ra1nlYgDCS1FRnbzlw").try_into().unwrap();
    let sealed = seal_with(&ours, salt, &device, b"When I grow up, I want to be a watermelon").unwrap();
    let expected = [
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27ml",
        "mlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPT",
        "pK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN",
    ];
    assert_eq!(BASE64_URL_SAFE_NO_PAD.encode(sealed), expected.concat());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn both_openers_open_what_either_sealing_sealed(
        clear in proptest::collection::vec(any::<u8>(), 1..=MOST_OF_ORACLE),
        auth in any::<[u8; 16]>(),
    ) {
        let phone = Phone::new(auth);
        for sealer in [&NativeSealer as &dyn Sealer, &Oracle] {
            let sealed = body(sealer.seal(&phone.keys, &clear).unwrap());
            prop_assert!(sealed.len() <= MOST_SEALED);
            prop_assert_eq!(phone.open(&sealed), Some(clear.clone()));
            prop_assert_eq!(phone.open_with_ece(&sealed), Some(clear.clone()));
        }
    }

    #[test]
    fn a_message_opens_for_its_device_only_and_not_when_changed(place in 0_usize..200, bit in 0_u8..8) {
        let phone = Phone::new([9; 16]);
        let mut sealed = body(NativeSealer.seal(&phone.keys, &[b'x'; 97]).unwrap());
        prop_assert_eq!(Phone::new([9; 16]).open(&sealed), None);
        let other_secret = decrypt(&phone.private, &[8; 16], &sealed);
        prop_assert!(other_secret.is_err());
        sealed[place] ^= 1 << bit;
        // A record size that is larger still fits.
        let harmless = (SALT_BYTES..SALT_BYTES + 4).contains(&place);
        prop_assert_eq!(phone.open(&sealed).is_some() && !harmless, false, "byte {} bit {}", place, bit);
    }
}

#[test]
fn messages_of_one_length_have_one_length_and_the_longest_is_what_services_accept() {
    let phone = Phone::new([9; 16]);
    for length in [1, 2, 100, 2_048, MOST_CLEAR] {
        let [one, other] = [b' ', b'x'].map(|fill| {
            let clear = vec![fill; length];
            let sealed = body(NativeSealer.seal(&phone.keys, &clear).unwrap());
            assert_eq!(phone.open(&sealed), Some(clear));
            sealed
        });
        assert_eq!(one.len(), other.len());
        assert_eq!(one.len(), length + HEADER_BYTES + 1 + TAG_BYTES);
    }
    let longest = body(NativeSealer.seal(&phone.keys, &[b'x'; MOST_CLEAR]).unwrap());
    assert_eq!(longest.len(), MOST_SEALED);
}

#[test]
fn the_same_text_is_never_sealed_alike() {
    let phone = Phone::new([9; 16]);
    let seal = || body(NativeSealer.seal(&phone.keys, b"quiet").unwrap());
    let (one, other) = (seal(), seal());
    assert_ne!(one[..SALT_BYTES], other[..SALT_BYTES]);
    assert_ne!(one[SALT_BYTES + 5..HEADER_BYTES], other[SALT_BYTES + 5..HEADER_BYTES]);
}

#[test]
fn unusable_input_is_an_error() {
    let phone = Phone::new([9; 16]);
    let mut off = phone.keys.clone();
    off.p256dh[64] ^= 1;
    let fails = |keys: &DeviceKeys, clear: &[u8]| NativeSealer.seal(keys, clear).unwrap_err();
    assert_eq!(fails(&off, b"x"), SealError::Keys);
    assert_eq!(fails(&phone.keys, b""), SealError::Empty);
    assert_eq!(fails(&phone.keys, &[0; MOST_CLEAR + 1]), SealError::TooLong);
}
