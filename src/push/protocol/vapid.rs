//! How push services recognise this server (VAPID, RFC 8292). A signature is bound to an origin, not to a
//! message, so one is made for each key and origin and used for hours: signing costs as much as sealing.
//! Several keys can be live, because a subscription accepts only the key it was made with.

use std::sync::Arc;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, Duration, Utc};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use moka::sync::Cache;
use serde::Serialize;
use zeroize::Zeroizing;

/// Hours a signature is valid. RFC 8292 section 2 permits 24.
pub const LIFE_HOURS: i64 = 12;
/// Hours after which a cached signature is replaced, so that a push service with a slow clock still accepts
/// it.
pub const RENEW_HOURS: i64 = 6;
/// Signatures kept at most.
const CACHE_ENTRIES: u64 = 1_024;

/// What is wrong with the keys, the contact or a request to sign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VapidError {
    /// There is nothing to sign with.
    #[error("there is no VAPID key; make one with `afterglow keys generate`")]
    NoKey,
    /// Not a P-256 private key in PKCS#8. Holds the `kid`.
    #[error(
        "VAPID key `{0}` is not a P-256 key in PKCS#8 form; make a new one with `afterglow keys generate`"
    )]
    BadKey(String),
    /// Two keys have this `kid`.
    #[error("VAPID key `{0}` is there twice; give each key its own kid")]
    SameKid(String),
    /// Not `mailto:` or `https:`.
    #[error("the contact for push services must begin with mailto: or https:")]
    BadContact,
    /// No key has the `kid` that the subscription was made with.
    #[error("no VAPID key has the kid that this subscription was made with")]
    UnknownKid,
    /// The cryptographic library failed.
    #[error("the VAPID signature could not be made")]
    Signing,
}

struct VapidKey {
    kid: String,
    encoding: EncodingKey,
    public: String,
}

/// The keys that identify this server. The last one is offered to new subscriptions; all of them sign.
pub struct VapidKeys {
    keys: Vec<VapidKey>,
}

impl VapidKeys {
    /// Keys as `(kid, PKCS#8 DER of a P-256 private key)`, the one in use last.
    pub fn new<'a>(keys: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Result<Self, VapidError> {
        let mut loaded: Vec<VapidKey> = Vec::new();
        for (kid, pkcs8) in keys {
            if loaded.iter().any(|key| key.kid == kid) {
                return Err(VapidError::SameKid(kid.to_owned()));
            }
            let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8)
                .map_err(|_| VapidError::BadKey(kid.to_owned()))?;
            loaded.push(VapidKey {
                kid: kid.to_owned(),
                encoding: EncodingKey::from_ec_der(pkcs8),
                public: BASE64_URL_SAFE_NO_PAD.encode(pair.public_key().as_ref()),
            });
        }
        if loaded.is_empty() { Err(VapidError::NoKey) } else { Ok(Self { keys: loaded }) }
    }

    /// A fresh private key: PKCS#8 version 1, DER.
    pub fn generate_pkcs8() -> Result<Zeroizing<Vec<u8>>, VapidError> {
        let document = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
            .and_then(|pair| pair.to_pkcs8v1())
            .map_err(|_| VapidError::Signing)?;
        Ok(Zeroizing::new(document.as_ref().to_vec()))
    }

    /// `kid` and public key (an uncompressed point, base64url) that a new subscription is made with.
    pub fn current(&self) -> (&str, &str) {
        self.keys.last().map_or(("", ""), |key| (key.kid.as_str(), key.public.as_str()))
    }

    /// The public key with this `kid`.
    pub fn public_key(&self, kid: &str) -> Option<&str> {
        self.find(kid).map(|key| key.public.as_str())
    }

    fn find(&self, kid: &str) -> Option<&VapidKey> {
        self.keys.iter().find(|key| key.kid == kid)
    }
}

#[derive(Serialize)]
struct Claims<'a> {
    aud: &'a str,
    exp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a str>,
}

#[derive(Clone)]
struct Signed {
    header: Arc<str>,
    at: DateTime<Utc>,
}

/// Makes the `Authorization` header for an origin, and keeps it while it is fresh.
pub struct VapidSigner {
    keys: VapidKeys,
    contact: Option<String>,
    signed: Cache<(String, String), Signed>,
}

impl VapidSigner {
    /// `contact` is where a push service writes to about this server (`sub`, RFC 8292 section 2.1): a
    /// `mailto:` or `https:` URL. Some services refuse messages without one, so production needs it.
    pub fn new(keys: VapidKeys, contact: Option<&str>) -> Result<Self, VapidError> {
        let usable = |text: &str| ["mailto:", "https:"].iter().any(|scheme| is_url_with(text, scheme));
        if contact.is_some_and(|text| !usable(text)) {
            return Err(VapidError::BadContact);
        }
        Ok(Self { keys, contact: contact.map(str::to_owned), signed: Cache::new(CACHE_ENTRIES) })
    }

    /// The keys that sign.
    pub fn keys(&self) -> &VapidKeys {
        &self.keys
    }

    /// The header's value, `vapid t=…, k=…` (RFC 8292 section 3), for a subscription made with the key `kid`
    /// whose endpoint has this origin (with its port, as [`super::Endpoint::origin`] gives it).
    pub fn authorization(&self, kid: &str, origin: &str, now: DateTime<Utc>) -> Result<Arc<str>, VapidError> {
        let key = self.keys.find(kid).ok_or(VapidError::UnknownKid)?;
        let place = (kid.to_owned(), origin.to_owned());
        if let Some(signed) = self.signed.get(&place) {
            let age = now - signed.at;
            // A clock that was set back would make the signature outlive what push services accept.
            if age >= Duration::zero() && age < Duration::hours(RENEW_HOURS) {
                return Ok(signed.header);
            }
        }
        let header: Arc<str> = self.sign(key, origin, now)?.into();
        self.signed.insert(place, Signed { header: header.clone(), at: now });
        Ok(header)
    }

    fn sign(&self, key: &VapidKey, origin: &str, now: DateTime<Utc>) -> Result<String, VapidError> {
        let exp = (now + Duration::hours(LIFE_HOURS)).timestamp();
        let claims = Claims { aud: origin, exp, sub: self.contact.as_deref() };
        let token = jsonwebtoken::encode(&Header::new(Algorithm::ES256), &claims, &key.encoding)
            .map_err(|_| VapidError::Signing)?;
        Ok(format!("vapid t={token}, k={}", key.public))
    }
}

fn is_url_with(text: &str, scheme: &str) -> bool {
    text.len() > scheme.len() && text.starts_with(scheme) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
    use serde_json::Value;

    use super::*;

    fn at(hour: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_900_000_000 + hour * 3_600, 0).unwrap()
    }

    fn signer(kids: &[&str]) -> VapidSigner {
        let generated: Vec<_> = kids.iter().map(|kid| (*kid, VapidKeys::generate_pkcs8().unwrap())).collect();
        let keys = VapidKeys::new(generated.iter().map(|(kid, pkcs8)| (*kid, &pkcs8[..]))).unwrap();
        VapidSigner::new(keys, Some("mailto:care@clinic.example")).unwrap()
    }

    /// Claims of a header whose signature holds under its own key.
    fn verified(header: &str) -> (Value, Value, String) {
        let (token, key) = header.strip_prefix("vapid t=").unwrap().split_once(", k=").unwrap();
        let (message, signature) = token.rsplit_once('.').unwrap();
        let decode = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text).unwrap();
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, decode(key))
            .verify(message.as_bytes(), &decode(signature))
            .unwrap();
        let (head, claims) = message.split_once('.').unwrap();
        let json = |text: &str| serde_json::from_slice(&decode(text)).unwrap();
        (json(head), json(claims), key.to_owned())
    }

    #[test]
    fn the_audience_keeps_its_port_and_the_signature_verifies() {
        let signer = signer(&["a"]);
        let header = signer.authorization("a", "https://push.example.org:8443", at(0)).unwrap();
        let (head, claims, key) = verified(&header);
        assert_eq!(head["alg"], "ES256");
        assert_eq!(head["typ"], "JWT");
        assert_eq!(claims["aud"], "https://push.example.org:8443");
        assert_eq!(claims["exp"], at(12).timestamp());
        assert_eq!(claims["sub"], "mailto:care@clinic.example");
        assert_eq!(signer.keys().public_key("a"), Some(key.as_str()));
        assert_eq!(BASE64_URL_SAFE_NO_PAD.decode(&key).unwrap().len(), 65);
    }

    #[test]
    fn a_signature_is_reused_for_six_hours_and_then_renewed() {
        let signer = signer(&["a"]);
        let sign = |hour| signer.authorization("a", "https://p.example", at(hour)).unwrap();
        let first = sign(0);
        assert!(Arc::ptr_eq(&first, &sign(0)));
        assert!(Arc::ptr_eq(&first, &sign(5)));
        let renewed = sign(6);
        assert_ne!(first, renewed);
        assert_eq!(verified(&renewed).1["exp"], at(18).timestamp());
        assert!(Arc::ptr_eq(&renewed, &sign(11)));
    }

    #[test]
    fn a_clock_set_back_does_not_reuse_a_signature_of_the_future() {
        let signer = signer(&["a"]);
        let later = signer.authorization("a", "https://p.example", at(20)).unwrap();
        let now = signer.authorization("a", "https://p.example", at(0)).unwrap();
        assert_ne!(later, now);
        assert_eq!(verified(&now).1["exp"], at(12).timestamp());
    }

    #[test]
    fn origins_and_keys_do_not_share_a_signature() {
        let signer = signer(&["old", "new"]);
        let sign = |kid: &str, origin: &str| verified(&signer.authorization(kid, origin, at(0)).unwrap());
        let (_, one, old_key) = sign("old", "https://p.example");
        let (_, other, _) = sign("old", "https://p.example:8443");
        let (_, _, new_key) = sign("new", "https://p.example");
        assert_eq!(
            (&one["aud"], &other["aud"]),
            (&"https://p.example".into(), &"https://p.example:8443".into())
        );
        assert_ne!(old_key, new_key);
        assert_eq!(signer.keys().current(), ("new", new_key.as_str()));
    }

    #[test]
    fn the_cache_is_bounded() {
        let signer = signer(&["a"]);
        for number in 0..CACHE_ENTRIES + 300 {
            signer.authorization("a", &format!("https://p{number}.example"), at(0)).unwrap();
        }
        signer.signed.run_pending_tasks();
        assert!(signer.signed.entry_count() <= CACHE_ENTRIES);
    }

    #[test]
    fn bad_keys_kids_and_contacts_are_named() {
        let good = VapidKeys::generate_pkcs8().unwrap();
        let load = |keys: &[(&'static str, &[u8])]| VapidKeys::new(keys.iter().copied()).err();
        assert_eq!(load(&[]), Some(VapidError::NoKey));
        assert_eq!(load(&[("x", b"not a key")]), Some(VapidError::BadKey("x".into())));
        assert_eq!(load(&[("x", &good), ("x", &good)]), Some(VapidError::SameKid("x".into())));
        for contact in ["", "mailto:", "care@clinic.example", "http://clinic.example", "mailto:a b@c"] {
            let keys = VapidKeys::new([("x", &good[..])]).unwrap();
            assert_eq!(
                VapidSigner::new(keys, Some(contact)).err(),
                Some(VapidError::BadContact),
                "{contact}"
            );
        }
        let unknown = signer(&["a"]).authorization("b", "https://p.example", at(0));
        assert_eq!(unknown, Err(VapidError::UnknownKid));
    }

    #[test]
    fn without_a_contact_the_claim_is_left_out() {
        let pkcs8 = VapidKeys::generate_pkcs8().unwrap();
        let signer = VapidSigner::new(VapidKeys::new([("a", &pkcs8[..])]).unwrap(), None).unwrap();
        let (_, claims, _) = verified(&signer.authorization("a", "https://p.example", at(0)).unwrap());
        assert!(claims.get("sub").is_none());
    }
}
