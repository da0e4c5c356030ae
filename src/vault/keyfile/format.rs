//! The text of a key file: TOML with a version, keys in base64, the key in use last.

use base64::{Engine, prelude::BASE64_STANDARD};
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{
    IndexKey, Kek, KeyError, SigningKey, VapidKey, checked_kid, ed25519_v1, empty, p256_v1, secret_bytes,
};
use crate::config::Environment;

const VERSION: u32 = 1;

/// One key file, whichever keys it holds.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyFile {
    version: u32,
    made_for: Environment,
    token_key: Option<SecretString>,
    #[serde(default)]
    kek: Vec<Symmetric>,
    #[serde(default)]
    index: Vec<Symmetric>,
    #[serde(default)]
    signing: Vec<SigningPair>,
    #[serde(default)]
    vapid: Vec<Pair>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Symmetric {
    kid: String,
    secret: SecretString,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pair {
    kid: String,
    pkcs8: SecretString,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SigningPair {
    kid: String,
    pkcs8: SecretString,
    signs_from: Option<DateTime<Utc>>,
}

impl KeyFile {
    /// Reads the text. The parser's own words are dropped: they quote the line they did not understand.
    pub(super) fn parse(setting: &'static str, text: &str) -> Result<Self, KeyError> {
        let malformed = |detail: String| KeyError::Malformed { setting, detail };
        let file: Self = toml::from_str(text).map_err(|error: toml::de::Error| {
            let offset = error.span().map_or(0, |span| span.start);
            let line = text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1;
            malformed(format!("line {line} of the file is not as a key file has it"))
        })?;
        if file.version != VERSION {
            return Err(malformed(format!("the file's version is not {VERSION}, the only one known here")));
        }
        Ok(file)
    }

    pub(super) fn is_for_development(&self) -> bool {
        self.made_for == Environment::Development
    }

    pub(super) fn keks(&self, setting: &'static str) -> Result<Vec<Kek>, KeyError> {
        each(setting, &self.kek, |key| {
            let kid = checked_kid(setting, &key.kid)?;
            Ok(Kek { secret: secret_bytes(setting, &kid, key.secret.expose_secret())?, kid })
        })
    }

    pub(super) fn index_keys(&self, setting: &'static str) -> Result<Vec<IndexKey>, KeyError> {
        each(setting, &self.index, |key| {
            let kid = checked_kid(setting, &key.kid)?;
            Ok(IndexKey { secret: secret_bytes(setting, &kid, key.secret.expose_secret())?, kid })
        })
    }

    pub(super) fn token_key(&self, setting: &'static str) -> Result<Zeroizing<[u8; 32]>, KeyError> {
        match &self.token_key {
            Some(text) => secret_bytes(setting, "token_key", text.expose_secret()),
            None => Err(KeyError::Malformed { setting, detail: "has no token_key".to_owned() }),
        }
    }

    pub(super) fn signing_keys(&self, setting: &'static str) -> Result<Vec<SigningKey>, KeyError> {
        each(setting, &self.signing, |key| {
            let pair = (key.kid.as_str(), &key.pkcs8);
            let pkcs8 = private_key(setting, pair, ed25519_v1, "is not an Ed25519 key in PKCS#8")?;
            Ok(SigningKey { kid: checked_kid(setting, &key.kid)?, pkcs8, signs_from: key.signs_from })
        })
    }

    pub(super) fn vapid_keys(&self, setting: &'static str) -> Result<Vec<VapidKey>, KeyError> {
        each(setting, &self.vapid, |key| {
            let pair = (key.kid.as_str(), &key.pkcs8);
            let pkcs8 = private_key(setting, pair, p256_v1, "is not a P-256 key in PKCS#8")?;
            Ok(VapidKey { kid: checked_kid(setting, &key.kid)?, pkcs8 })
        })
    }
}

fn each<A, B>(
    setting: &'static str,
    raw: &[A],
    read: impl Fn(&A) -> Result<B, KeyError>,
) -> Result<Vec<B>, KeyError> {
    if raw.is_empty() {
        return Err(empty(setting));
    }
    raw.iter().map(read).collect()
}

fn private_key(
    setting: &'static str,
    (kid, pkcs8): (&str, &SecretString),
    read: fn(&[u8]) -> Option<Zeroizing<Vec<u8>>>,
    flaw: &'static str,
) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let kid = checked_kid(setting, kid)?;
    let der = from_base64(pkcs8.expose_secret());
    der.and_then(|der| read(&der)).ok_or(KeyError::Weak { setting, kid, flaw })
}

/// Standard base64 with padding.
pub(super) fn from_base64(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    BASE64_STANDARD.decode(text.trim()).ok().map(Zeroizing::new)
}

fn to_base64(bytes: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(BASE64_STANDARD.encode(bytes))
}

/// The first lines of a new file.
pub(super) fn head(made_for: Environment, comment: &str) -> Zeroizing<String> {
    let made_for = match made_for {
        Environment::Development => "development",
        Environment::Production => "production",
    };
    Zeroizing::new(format!("# {comment}\nversion = {VERSION}\nmade_for = \"{made_for}\"\n"))
}

/// The line of the token key; belongs above the first table.
pub(super) fn token_key_line(secret: &[u8; 32]) -> Zeroizing<String> {
    Zeroizing::new(format!("token_key = \"{}\"\n", *to_base64(secret)))
}

/// One key as a table: `table` is `kek`, `index`, `signing` or `vapid`; `field` is `secret` or `pkcs8`.
pub(super) fn entry(table: &str, kid: &str, field: &str, bytes: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(format!("\n[[{table}]]\nkid = \"{kid}\"\n{field} = \"{}\"\n", *to_base64(bytes)))
}

/// A signing key as a table, with the instant it begins to sign.
pub(super) fn signing_entry(key: &SigningKey) -> Zeroizing<String> {
    let mut text = entry("signing", &key.kid, "pkcs8", &key.pkcs8);
    if let Some(from) = key.signs_from {
        text.push_str(&format!("signs_from = \"{}\"\n", from.to_rfc3339()));
    }
    text
}
