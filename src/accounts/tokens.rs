//! Access tokens: JWT (RFC 7519, profile RFC 9068) signed with EdDSA, ten minutes long. They say which login speaks;
//! whether that login still counts is read from the database on every request. No role is ever trusted from a token.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use aws_lc_rs::{
    digest,
    signature::{Ed25519KeyPair, KeyPair},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use entity::ids::{AccountId, LoginId};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use moka::sync::Cache;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use crate::vault::keyfile::SigningKey;

const TYPE: &str = "at+jwt";
const MAX_TOKEN_BYTES: usize = 2_048;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: Uuid,
    sid: Uuid,
    iat: i64,
    exp: i64,
    jti: Uuid,
}

/// What a valid token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bearer {
    pub account: AccountId,
    pub login: LoginId,
    expires: i64,
}

struct Key {
    kid: String,
    encoding: EncodingKey,
    public: String,
    signs_from: Option<DateTime<Utc>>,
}

/// The keys of one reading of the file.
struct Ring {
    keys: Vec<Key>,
    decoding: HashMap<String, DecodingKey>,
}

/// Signs and checks access tokens. The last key that may already signs; all of them verify, so that keys can be
/// changed while everybody works.
pub struct Tokens {
    ring: RwLock<Arc<Ring>>,
    validation: Validation,
    issuer: String,
    audience: String,
    seconds: i64,
    // By hash of the token; checking a signature costs more than the rest of a small request.
    checked: Cache<[u8; 32], Bearer>,
}

/// A signing key that is not an Ed25519 key in PKCS#8.
#[derive(Debug, thiserror::Error)]
#[error(
    "signing key `{0}` is not an Ed25519 key in PKCS#8 form; make a new one with `afterglow keys generate`"
)]
pub struct BadSigningKey(String);

impl Tokens {
    /// `seconds` is the life of a token.
    pub fn new(
        keys: &[SigningKey],
        issuer: &str,
        audience: &str,
        seconds: i64,
    ) -> Result<Self, BadSigningKey> {
        let ring = RwLock::new(Arc::new(Ring::new(keys)?));
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // Expiry is checked below against the injected clock.
        validation.validate_exp = false;
        Ok(Self {
            ring,
            validation,
            issuer: issuer.into(),
            audience: audience.into(),
            seconds,
            checked: Cache::new(100_000),
        })
    }

    /// Takes other keys into use. Tokens of a key that is gone are refused from now on.
    pub fn replace(&self, keys: &[SigningKey]) -> Result<(), BadSigningKey> {
        let ring = Arc::new(Ring::new(keys)?);
        let before = std::mem::replace(&mut *self.ring.write().unwrap_or_else(PoisonError::into_inner), ring);
        let kids = |ring: &Ring| ring.keys.iter().map(|key| key.kid.clone()).collect::<Vec<_>>();
        if kids(&before) != kids(&self.ring()) {
            self.checked.invalidate_all();
        }
        Ok(())
    }

    fn ring(&self) -> Arc<Ring> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Life of a token in seconds.
    pub fn seconds(&self) -> i64 {
        self.seconds
    }

    /// A token for one login.
    pub fn sign(
        &self,
        account: AccountId,
        login: LoginId,
        jti: Uuid,
        now: DateTime<Utc>,
    ) -> Result<String, jsonwebtoken::errors::Error> {
        let ring = self.ring();
        let signs = |key: &&Key| key.signs_from.is_none_or(|from| from <= now);
        let key = ring.keys.iter().rfind(signs).or(ring.keys.first());
        let key = key.ok_or(jsonwebtoken::errors::ErrorKind::InvalidKeyFormat)?;
        let header =
            Header { typ: Some(TYPE.into()), kid: Some(key.kid.clone()), ..Header::new(Algorithm::EdDSA) };
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            sub: account.0,
            sid: login.0,
            iat: now.timestamp(),
            exp: now.timestamp() + self.seconds,
            jti,
        };
        jsonwebtoken::encode(&header, &claims, &key.encoding)
    }

    /// What the token says if it is genuine and not expired at `now`.
    pub fn verify(&self, token: &str, now: DateTime<Utc>) -> Option<Bearer> {
        if token.len() > MAX_TOKEN_BYTES {
            return None;
        }
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
        let bearer = match self.checked.get(&hash) {
            Some(bearer) => bearer,
            None => {
                let bearer = self.check(token)?;
                self.checked.insert(hash, bearer);
                bearer
            }
        };
        (bearer.expires > now.timestamp()).then_some(bearer)
    }

    fn check(&self, token: &str) -> Option<Bearer> {
        let header = jsonwebtoken::decode_header(token).ok()?;
        if header.typ.as_deref() != Some(TYPE) || header.alg != Algorithm::EdDSA {
            return None;
        }
        let ring = self.ring();
        let key = ring.decoding.get(header.kid.as_deref()?)?;
        let claims = jsonwebtoken::decode::<Claims>(token, key, &self.validation).ok()?.claims;
        Some(Bearer { account: claims.sub.into(), login: claims.sid.into(), expires: claims.exp })
    }

    /// The public keys as a JWK set (RFC 7517, RFC 8037).
    pub fn jwks(&self) -> serde_json::Value {
        let keys: Vec<_> = self
            .ring()
            .keys
            .iter()
            .map(|key| json!({"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": key.kid, "x": key.public}))
            .collect();
        json!({ "keys": keys })
    }
}

impl Ring {
    fn new(keys: &[SigningKey]) -> Result<Self, BadSigningKey> {
        let keys = keys.iter().map(load).collect::<Result<Vec<_>, _>>()?;
        let decoding = keys
            .iter()
            .map(|key| {
                DecodingKey::from_ed_components(&key.public).map(|decoding| (key.kid.clone(), decoding))
            })
            .collect::<Result<_, _>>()
            .map_err(|_| BadSigningKey("unknown".into()))?;
        Ok(Self { keys, decoding })
    }
}

fn load(key: &SigningKey) -> Result<Key, BadSigningKey> {
    let bad = || BadSigningKey(key.kid.clone());
    let pair = Ed25519KeyPair::from_pkcs8(&key.pkcs8).map_err(|_| bad())?;
    Ok(Key {
        kid: key.kid.clone(),
        encoding: EncodingKey::from_ed_der(&key.pkcs8),
        public: BASE64_URL_SAFE_NO_PAD.encode(pair.public_key().as_ref()),
        signs_from: key.signs_from,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;

    static TOKENS: LazyLock<Tokens> = LazyLock::new(|| {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8v1(&aws_lc_rs::rand::SystemRandom::new()).unwrap();
        let key = SigningKey {
            kid: "sig-1".into(),
            pkcs8: zeroize::Zeroizing::new(pkcs8.as_ref().to_vec()),
            signs_from: None,
        };
        Tokens::new(&[key], "https://api.example.org", "afterglow", 600).unwrap()
    });

    fn sign(account: u128, at: i64) -> (String, DateTime<Utc>) {
        let now = DateTime::from_timestamp(at, 0).unwrap();
        let ids = (Uuid::from_u128(account), Uuid::from_u128(2));
        (TOKENS.sign(ids.0.into(), ids.1.into(), Uuid::from_u128(3), now).unwrap(), now)
    }

    proptest! {
        #[test]
        fn a_token_holds_until_it_expires_and_says_whose_it_is(account: u128, at in 0..4_000_000_000_i64, age in 0..1_200_i64) {
            let (token, now) = sign(account, at);
            let bearer = TOKENS.verify(&token, now + chrono::Duration::seconds(age));
            prop_assert_eq!(bearer.map(|bearer| bearer.account.0.as_u128()), (age < 600).then_some(account));
        }

        #[test]
        fn a_changed_token_is_none(at: prop::sample::Index, letter in "[A-Za-z0-9_.=-]") {
            let (token, now) = sign(1, 1_800_000_000);
            let at = at.index(token.len());
            let mut changed = token.clone();
            changed.replace_range(at..=at, &letter);
            prop_assert!(changed == token || TOKENS.verify(&changed, now).is_none());
            prop_assert!(TOKENS.verify(&token[..at], now).is_none());
            prop_assert!(TOKENS.verify(&(token + &letter), now).is_none());
        }

        #[test]
        fn no_other_text_is_a_token(text in "\\PC{0,200}|([A-Za-z0-9_-]{0,60}\\.){2}[A-Za-z0-9_-]{0,90}") {
            prop_assert!(TOKENS.verify(&text, DateTime::UNIX_EPOCH).is_none());
        }
    }
}
