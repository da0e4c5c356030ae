//! The two keys of a subscription (RFC 8291 section 3.2): the device's public key and its authentication
//! secret.

use std::fmt;

use aws_lc_rs::agreement::{ECDH_P256, ParsedPublicKey, UnparsedPublicKey};
use base64::{
    Engine,
    alphabet::URL_SAFE,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
    prelude::BASE64_URL_SAFE_NO_PAD,
};

/// Bytes of an uncompressed point of P-256.
pub const POINT_BYTES: usize = 65;
/// Bytes of the authentication secret.
pub const AUTH_BYTES: usize = 16;

// First byte of an uncompressed point (SEC 1 section 2.3.3).
const UNCOMPRESSED: u8 = 0x04;

// Clients differ in whether they pad; both mean the same.
const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Why the keys of a subscription are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not an uncompressed point on the curve.
    #[error("p256dh must be a point of P-256, uncompressed (65 bytes), in base64url")]
    BadP256dh,
    /// Not sixteen bytes.
    #[error("auth must be 16 bytes in base64url")]
    BadAuth,
}

impl KeyError {
    /// A stable name for programs.
    pub fn code(self) -> &'static str {
        match self {
            Self::BadP256dh => "bad_p256dh",
            Self::BadAuth => "bad_auth",
        }
    }
}

/// The checked keys of a device.
#[derive(Clone, PartialEq, Eq)]
pub struct DeviceKeys {
    /// An uncompressed point that lies on P-256.
    pub p256dh: [u8; POINT_BYTES],
    /// The authentication secret.
    pub auth: [u8; AUTH_BYTES],
}

impl DeviceKeys {
    /// The public key in base64url without padding.
    pub fn p256dh_text(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.p256dh)
    }

    /// The secret in base64url without padding.
    pub fn auth_text(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.auth)
    }
}

impl fmt::Debug for DeviceKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceKeys(secret)")
    }
}

/// The keys in these two texts (base64url, padded or not). A point off the curve would let its sender learn
/// about the keys used with it, so it is refused here and not only when something is sealed.
pub fn check_keys(p256dh: &str, auth: &str) -> Result<DeviceKeys, KeyError> {
    let point = decode::<POINT_BYTES>(p256dh).filter(is_on_curve).ok_or(KeyError::BadP256dh)?;
    let auth = decode::<AUTH_BYTES>(auth).ok_or(KeyError::BadAuth)?;
    Ok(DeviceKeys { p256dh: point, auth })
}

fn is_on_curve(point: &[u8; POINT_BYTES]) -> bool {
    point[0] == UNCOMPRESSED && ParsedPublicKey::try_from(UnparsedPublicKey::new(&ECDH_P256, point)).is_ok()
}

fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    // Bounded before it is decoded: the longest accepted text is a padded point.
    if text.len() > 2 * N {
        return None;
    }
    BASE64URL.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::agreement::PrivateKey;

    use super::*;

    fn point() -> Vec<u8> {
        PrivateKey::generate(&ECDH_P256).unwrap().compute_public_key().unwrap().as_ref().to_vec()
    }

    fn text(bytes: &[u8]) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    #[test]
    fn padding_is_stripped_and_bytes_are_kept() {
        let point = point();
        let keys = check_keys(&format!("{}=", text(&point)), &format!("{}==", text(&[7; 16]))).unwrap();
        assert_eq!(keys.p256dh_text(), text(&point));
        assert_eq!(keys.auth_text(), text(&[7; 16]));
        assert_eq!(check_keys(&keys.p256dh_text(), &keys.auth_text()), Ok(keys));
    }

    #[test]
    fn points_off_the_curve_and_other_forms_are_refused() {
        let good = point();
        let mut off = good.clone();
        off[64] ^= 1;
        let mut wrong_tag = good.clone();
        wrong_tag[0] = 0x06;
        let mut compressed = good[..33].to_vec();
        compressed[0] = 2 + (good[64] & 1);
        let zero = [&[4][..], &[0; 64]].concat();
        let cases = [
            off,
            wrong_tag,
            compressed,
            zero,
            good[..64].to_vec(),
            [&good[..], &[0]].concat(),
            vec![0],
            vec![],
        ];
        for case in cases {
            assert_eq!(
                check_keys(&text(&case), &text(&[7; 16])),
                Err(KeyError::BadP256dh),
                "{} bytes",
                case.len()
            );
        }
        for case in ["not base64url at all", "+/+/", "\u{e9}", &"A".repeat(100_000)] {
            assert_eq!(check_keys(case, &text(&[7; 16])).unwrap_err().code(), "bad_p256dh");
        }
    }

    #[test]
    fn secrets_of_another_length_are_refused() {
        for length in [0, 1, 15, 17, 32] {
            assert_eq!(
                check_keys(&text(&point()), &text(&vec![1; length])),
                Err(KeyError::BadAuth),
                "{length}"
            );
        }
    }

    #[test]
    fn keys_do_not_show_when_printed() {
        let keys = check_keys(&text(&point()), &text(&[7; 16])).unwrap();
        assert_eq!(format!("{keys:?}"), "DeviceKeys(secret)");
    }
}
