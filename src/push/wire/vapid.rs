//! VAPID (RFC 8292): who is sending, signed with ES256. Signing costs more than the rest of a push, and one signature
//! serves a push service for half a day, so signatures are kept by key and origin.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, Duration, Utc};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use moka::sync::Cache;
use serde::Serialize;

use crate::vault::keyfile::VapidKey;

/// Life of a signature; RFC 8292 allows a day.
const LIFE: Duration = Duration::hours(12);
/// Older ones are renewed.
const RENEW_AFTER: Duration = Duration::hours(6);
/// Origins remembered at most.
const ORIGINS: u64 = 1_000;

/// A key that is not a P-256 key in PKCS#8, or a signature that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum VapidError {
    #[error("key `{0}` is not a P-256 key in PKCS#8 form; make a new one with `afterglow keys generate`")]
    BadKey(String),
    #[error("there is no VAPID key `{0}` any more")]
    UnknownKey(String),
    #[error("the signature could not be made")]
    Signing,
}

#[derive(Serialize)]
struct Claims<'a> {
    aud: &'a str,
    exp: i64,
    #[serde(skip_serializing_if = "str::is_empty")]
    sub: &'a str,
}

struct Key {
    kid: String,
    encoding: EncodingKey,
    public: String,
}

#[derive(Clone)]
struct Signed {
    at: DateTime<Utc>,
    header: String,
}

/// Signs for push services. The last key is offered to new subscriptions; all of them sign.
pub struct VapidSigner {
    keys: Vec<Key>,
    subject: String,
    signed: Cache<(String, String), Signed>,
}

impl VapidSigner {
    /// `subject` is the operator's contact, `mailto:` or `https:`.
    pub fn new(keys: &[VapidKey], subject: &str) -> Result<Self, VapidError> {
        let keys = keys.iter().map(load).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { keys, subject: subject.to_owned(), signed: Cache::new(ORIGINS) })
    }

    /// Id and public key (uncompressed point, base64url) of the key for new subscriptions.
    pub fn public_key(&self) -> (String, String) {
        self.keys.last().map(|key| (key.kid.clone(), key.public.clone())).unwrap_or_default()
    }

    /// The `Authorization` header for one origin, such as `https://push.example.org:8443`.
    pub fn authorization(&self, kid: &str, origin: &str, now: DateTime<Utc>) -> Result<String, VapidError> {
        let place = (kid.to_owned(), origin.to_owned());
        if let Some(signed) = self.signed.get(&place)
            && now - signed.at < RENEW_AFTER
            && signed.at <= now
        {
            return Ok(signed.header);
        }
        let key = self
            .keys
            .iter()
            .find(|key| key.kid == kid)
            .ok_or_else(|| VapidError::UnknownKey(kid.to_owned()))?;
        let claims = Claims { aud: origin, exp: (now + LIFE).timestamp(), sub: &self.subject };
        let token = jsonwebtoken::encode(&Header::new(Algorithm::ES256), &claims, &key.encoding)
            .map_err(|_| VapidError::Signing)?;
        let header = format!("vapid t={token}, k={}", key.public);
        self.signed.insert(place, Signed { at: now, header: header.clone() });
        Ok(header)
    }
}

fn load(key: &VapidKey) -> Result<Key, VapidError> {
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &key.pkcs8)
        .map_err(|_| VapidError::BadKey(key.kid.clone()))?;
    Ok(Key {
        kid: key.kid.clone(),
        encoding: EncodingKey::from_ec_der(&key.pkcs8),
        public: BASE64_URL_SAFE_NO_PAD.encode(pair.public_key().as_ref()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::keyfile::KeySet;

    #[test]
    fn a_signature_is_kept_for_six_hours_and_bound_to_its_origin() {
        let keys = KeySet::generate().unwrap();
        let signer = VapidSigner::new(&keys.vapid, "mailto:ops@example.org").unwrap();
        let (kid, public) = signer.public_key();
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let first = signer.authorization(&kid, "https://push.example.org:8443", now).unwrap();
        let later = |hours| {
            signer.authorization(&kid, "https://push.example.org:8443", now + Duration::hours(hours)).unwrap()
        };
        assert_eq!(later(5), first);
        assert_ne!(later(6), first);
        assert!(first.ends_with(&format!("k={public}")));
        let token = first.trim_start_matches("vapid t=").split(',').next().unwrap();
        let claims = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
        assert_eq!(claims["aud"], "https://push.example.org:8443");
        assert_eq!(claims["exp"], 1_800_000_000 + 12 * 3600);
        assert_eq!(claims["sub"], "mailto:ops@example.org");
        assert!(signer.authorization("gone", "https://push.example.org", now).is_err());
    }
}
