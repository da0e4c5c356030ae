//! The keys outside the database: what they look like on disk, and which are refused. A weak, repeated or readable key
//! is worse than none, because everything sealed under it looks safe.

use std::path::{Path, PathBuf};

use aws_lc_rs::{
    rand,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair},
};
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::config::{Environment, KeysConfig};

mod disk;
mod format;
mod generate;
mod signing;
#[cfg(test)]
mod tests;

pub use generate::{RotatedVapid, append_kek, generate_missing, remove_kek, rotate_vapid};
pub use signing::{load_signing, rotate_signing};

/// A key-encryption key: wraps the data keys.
#[derive(Clone)]
pub struct Kek {
    /// Stored beside every data key it wrapped.
    pub kid: String,
    /// For AES-256-GCM.
    pub secret: Zeroizing<[u8; 32]>,
}

/// A key of the blind indexes.
#[derive(Clone)]
pub struct IndexKey {
    /// For people: rows do not name it.
    pub kid: String,
    /// For HMAC-SHA-256.
    pub secret: Zeroizing<[u8; 32]>,
}

/// A key that signs access tokens.
#[derive(Clone)]
pub struct SigningKey {
    /// Published in the JWK set.
    pub kid: String,
    /// Ed25519 private key, PKCS#8 version 1, DER.
    pub pkcs8: Zeroizing<Vec<u8>>,
    /// Before this it only verifies, so that every server knows it first.
    pub signs_from: Option<DateTime<Utc>>,
}

/// A key that identifies this server to push services.
#[derive(Clone)]
pub struct VapidKey {
    /// Stored beside every subscription made for it.
    pub kid: String,
    /// P-256 private key, PKCS#8 version 1, DER.
    pub pkcs8: Zeroizing<Vec<u8>>,
}

/// All keys of an installation. In each list the last key is the one in use; the others open or verify what was made
/// before. Of the index key and the token key there is one: nothing could be found or followed with another.
#[derive(Clone)]
pub struct KeySet {
    /// Never empty.
    pub keks: Vec<Kek>,
    pub index_key: IndexKey,
    /// For tags that only this server makes: refresh successors, idempotency, audit.
    pub token_key: Zeroizing<[u8; 32]>,
    /// Never empty.
    pub signing: Vec<SigningKey>,
    /// Never empty.
    pub vapid: Vec<VapidKey>,
}

/// Why keys cannot be used. Names the setting and what to do, never a key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file is not there.
    #[error("{setting}: {path} does not exist; make it with `afterglow keys generate --out DIR`")]
    Missing {
        /// The setting that names the file.
        setting: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// The system refused to read the file.
    #[error("{setting}: {path} cannot be read; let only the server's user own and read it: {source}")]
    Unreadable {
        /// The setting that names the file.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Others than the owner have rights on the file.
    #[error("{setting}: {path} is open to others (mode {mode:04o}); run `chmod 600` on it")]
    Exposed {
        /// The setting that names the file.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The content is not what the setting needs.
    #[error("{setting}: {detail}; make keys with `afterglow keys generate --out DIR`")]
    Malformed {
        /// The setting the keys belong to.
        setting: &'static str,
        /// What is wrong.
        detail: String,
    },
    /// A key is too short, or nobody drew it at random.
    #[error("{setting}: key `{kid}` {flaw}; make keys with `afterglow keys generate --out DIR`")]
    Weak {
        /// The setting the key belongs to.
        setting: &'static str,
        /// Which key.
        kid: String,
        /// What is wrong with it.
        flaw: &'static str,
    },
    /// Two keys have the same name, or the same secret.
    #[error("{setting}: key `{kid}` repeats the {what} of another key; every key is made anew")]
    Repeated {
        /// The setting the key belongs to.
        setting: &'static str,
        /// Which key.
        kid: String,
        /// `name` or `secret`.
        what: &'static str,
    },
    /// Addresses are found by one key.
    #[error(
        "{setting}: holds more than one [[index]]; addresses are found by one key only. Leave the one that was in use, \
         the last of them if the server ran with this file"
    )]
    SecondIndex {
        /// The setting the keys belong to.
        setting: &'static str,
    },
    /// Made by a development machine for itself.
    #[error("{setting}: these are development keys; make others with `afterglow keys generate --out DIR`")]
    Development {
        /// The setting the keys belong to.
        setting: &'static str,
    },
    /// The key before the newest is still needed.
    #[error(
        "the newest signing key is too young; tokens of the one before are about until {until}. Rotate then."
    )]
    TooSoon {
        /// From when on there may be another.
        until: DateTime<Utc>,
    },
    /// A new key could not be stored.
    #[error("{path} cannot be written; is the folder there, and yours to write? {source}")]
    Unwritable {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// No key could be made.
    #[error("the system gives no random numbers; no key was made")]
    NoRandomness,
}

const KEK_FILE: &str = "keys.kek_file";
const KEK_VARIABLE: &str = "AFTERGLOW_KEYS__KEK";
const INDEX_FILE: &str = "keys.index_key_file";
const SIGNING_FILE: &str = "keys.signing_key_file";
const VAPID_FILE: &str = "keys.vapid_file";

impl KeySet {
    /// The index key in use.
    pub fn active_index_key(&self) -> &IndexKey {
        &self.index_key
    }

    /// Fresh keys in memory only: for tests and the demo.
    ///
    /// # Errors
    /// [`KeyError::NoRandomness`].
    pub fn generate() -> Result<Self, KeyError> {
        generate::key_set()
    }
}

/// Reads all keys.
///
/// # Errors
/// The first file that is missing, readable by others, malformed, or holds a weak or repeated key; in production also
/// keys that were made for development.
pub fn load(config: &KeysConfig, environment: Environment) -> Result<KeySet, KeyError> {
    let (kek_setting, keks) = if config.kek_from_environment() {
        (KEK_VARIABLE, keks_from_variable(&config.kek)?)
    } else {
        (KEK_FILE, read(KEK_FILE, &config.kek_file, environment)?.keks(KEK_FILE)?)
    };
    let index = read(INDEX_FILE, &config.index_key_file, environment)?;
    let token_key = index.token_key(INDEX_FILE)?;
    let mut index_keys = index.index_keys(INDEX_FILE)?;
    let signing = read(SIGNING_FILE, &config.signing_key_file, environment)?.signing_keys(SIGNING_FILE)?;
    let vapid = read(VAPID_FILE, &config.vapid_file, environment)?.vapid_keys(VAPID_FILE)?;

    let mut secrets: Vec<(&'static str, &str, &[u8])> = Vec::new();
    secrets.extend(keks.iter().map(|key| (kek_setting, key.kid.as_str(), &key.secret[..])));
    secrets.extend(index_keys.iter().map(|key| (INDEX_FILE, key.kid.as_str(), &key.secret[..])));
    secrets.push((INDEX_FILE, "token_key", &token_key[..]));
    secrets.extend(signing.iter().map(|key| (SIGNING_FILE, key.kid.as_str(), &key.pkcs8[..])));
    secrets.extend(vapid.iter().map(|key| (VAPID_FILE, key.kid.as_str(), &key.pkcs8[..])));
    refuse_repeated(&secrets)?;

    let index_key = index_keys.pop().ok_or_else(|| empty(INDEX_FILE))?;
    if !index_keys.is_empty() {
        return Err(KeyError::SecondIndex { setting: INDEX_FILE });
    }
    Ok(KeySet { keks, index_key, token_key, signing, vapid })
}

/// Reads the key-encryption keys of a file, for a server that already runs.
///
/// # Errors
/// As for [`load`].
pub fn load_keks(file: &Path, environment: Environment) -> Result<Vec<Kek>, KeyError> {
    let keks = read(KEK_FILE, file, environment)?.keks(KEK_FILE)?;
    let secrets: Vec<(&'static str, &str, &[u8])> =
        keks.iter().map(|key| (KEK_FILE, key.kid.as_str(), &key.secret[..])).collect();
    refuse_repeated(&secrets)?;
    Ok(keks)
}

/// The text of a file that only its owner can use, such as one with a passphrase.
///
/// # Errors
/// A file that is missing, or that others can use.
pub fn read_private(setting: &'static str, path: &Path) -> Result<Zeroizing<String>, KeyError> {
    disk::read_private(setting, path)
}

fn read(setting: &'static str, path: &Path, environment: Environment) -> Result<format::KeyFile, KeyError> {
    let file = format::KeyFile::parse(setting, &disk::read_private(setting, path)?)?;
    if environment == Environment::Production && file.is_for_development() {
        return Err(KeyError::Development { setting });
    }
    Ok(file)
}

/// `kid:base64`, several separated by commas or blanks.
fn keks_from_variable(value: &SecretString) -> Result<Vec<Kek>, KeyError> {
    let entries = value.expose_secret().split([',', ' ', '\n', '\t']).filter(|entry| !entry.is_empty());
    let keks = entries
        .map(|entry| {
            let (kid, secret) = entry.split_once(':').ok_or_else(|| KeyError::Malformed {
                setting: KEK_VARIABLE,
                detail: "must be kid:base64, with a comma between several".to_owned(),
            })?;
            Ok(Kek { kid: checked_kid(KEK_VARIABLE, kid)?, secret: secret_bytes(KEK_VARIABLE, kid, secret)? })
        })
        .collect::<Result<Vec<_>, _>>()?;
    if keks.is_empty() { Err(empty(KEK_VARIABLE)) } else { Ok(keks) }
}

/// Names are unique within a kind, secrets everywhere.
fn refuse_repeated(secrets: &[(&'static str, &str, &[u8])]) -> Result<(), KeyError> {
    for (position, &(setting, kid, secret)) in secrets.iter().enumerate() {
        let repeated = |what| KeyError::Repeated { setting, kid: kid.to_owned(), what };
        for &(other_setting, other_kid, other_secret) in secrets.iter().take(position) {
            if setting == other_setting && kid == other_kid {
                return Err(repeated("name"));
            }
            if secret == other_secret {
                return Err(repeated("secret"));
            }
        }
    }
    Ok(())
}

fn empty(setting: &'static str) -> KeyError {
    KeyError::Malformed { setting, detail: "holds no key of its kind".to_owned() }
}

/// Key names go into tokens, rows and logs, so they stay short and plain.
fn checked_kid(setting: &'static str, kid: &str) -> Result<String, KeyError> {
    let plain = kid.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if kid.is_empty() || kid.len() > 32 || !plain {
        let detail = "a kid must be 1 to 32 letters, digits, -, _ or .".to_owned();
        return Err(KeyError::Malformed { setting, detail });
    }
    Ok(kid.to_owned())
}

fn secret_bytes(setting: &'static str, kid: &str, text: &str) -> Result<Zeroizing<[u8; 32]>, KeyError> {
    let weak = |flaw| KeyError::Weak { setting, kid: kid.to_owned(), flaw };
    let bytes = format::from_base64(text).ok_or_else(|| weak("is not base64"))?;
    let secret: [u8; 32] = bytes.as_slice().try_into().map_err(|_| weak("is not 32 bytes long"))?;
    let secret = Zeroizing::new(secret);
    match flaw(&secret) {
        Some(flaw) => Err(weak(flaw)),
        None => Ok(secret),
    }
}

/// What shows that nobody drew these bytes at random. A random key falls in here about once in 10^13.
fn flaw(secret: &[u8; 32]) -> Option<&'static str> {
    let mut distinct = secret.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let step = secret[1].wrapping_sub(secret[0]);
    if distinct.len() < 12 {
        Some("repeats a few bytes, as a placeholder does")
    } else if secret.windows(2).all(|pair| pair[1].wrapping_sub(pair[0]) == step) {
        Some("counts up or down, as an example does")
    } else if secret.iter().all(|byte| (0x20..0x7f).contains(byte)) {
        Some("is text, not random bytes")
    } else {
        None
    }
}

fn random_secret() -> Result<Zeroizing<[u8; 32]>, KeyError> {
    let mut secret = Zeroizing::new([0; 32]);
    rand::fill(&mut secret[..]).map_err(|_| KeyError::NoRandomness)?;
    Ok(secret)
}

/// An Ed25519 key in the one form jsonwebtoken reads, PKCS#8 version 1, whichever form it was stored in.
fn ed25519_v1(der: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let pair = Ed25519KeyPair::from_pkcs8(der).ok()?;
    Some(Zeroizing::new(pair.to_pkcs8v1().ok()?.as_ref().to_vec()))
}

/// A P-256 key in PKCS#8 version 1.
fn p256_v1(der: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).ok()?;
    Some(Zeroizing::new(pair.to_pkcs8v1().ok()?.as_ref().to_vec()))
}
