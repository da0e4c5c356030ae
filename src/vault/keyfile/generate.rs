//! Making keys: whole sets for a new installation, and one more key-encryption key for a rotation.

use std::path::{Path, PathBuf};

use aws_lc_rs::{
    rand::{self, SystemRandom},
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair},
};
use zeroize::Zeroizing;

use super::{
    IndexKey, KEK_FILE, Kek, KeyError, KeySet, SigningKey, VAPID_FILE, VapidKey, disk, format, p256_v1,
    random_secret,
};
use crate::config::Environment;

const KEK_COMMENT: &str =
    "Key-encryption keys. Without them every sealed text is lost: keep a copy apart from the database.";
const VAPID_COMMENT: &str =
    "P-256 keys that push services know this server by. Removing one silences its subscriptions.";

type Content = fn(Environment) -> Result<Zeroizing<String>, KeyError>;

/// Makes the key files that `dir` does not have yet (`kek.toml`, `index.toml`, `signing.toml`, `vapid.toml`), and the
/// folder, for the owner only. What is there stays untouched. Processes that start together end up with the same keys.
/// Returns the files it made.
///
/// # Errors
/// [`KeyError::Unwritable`] and [`KeyError::NoRandomness`].
pub fn generate_missing(dir: &Path, made_for: Environment) -> Result<Vec<PathBuf>, KeyError> {
    disk::private_folder(dir)?;
    let _held = disk::lock(dir)?;
    let contents: [(&str, Content); 4] = [
        ("kek.toml", kek_file),
        ("index.toml", index_file),
        ("signing.toml", signing_file),
        ("vapid.toml", vapid_file),
    ];
    let mut made = Vec::new();
    for (name, content) in contents {
        let path = dir.join(name);
        // Also a dangling link is somebody's decision.
        if path.symlink_metadata().is_ok() {
            continue;
        }
        disk::replace(&path, &content(made_for)?)?;
        made.push(path);
    }
    Ok(made)
}

/// Adds a key-encryption key to a file and makes it the one in use; returns its kid. Running servers take it at their
/// next use; data keys move to it by `afterglow keys rotate`.
///
/// # Errors
/// Whatever makes the file unusable as it is, and [`KeyError::Unwritable`].
pub fn append_kek(file: &Path) -> Result<String, KeyError> {
    let _held = disk::lock(disk::folder_of(file))?;
    // A mounted secret is often a link; the file behind it is the one to replace.
    let target = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let mut text = disk::read_private(KEK_FILE, &target)?;
    format::KeyFile::parse(KEK_FILE, &text)?.keks(KEK_FILE)?;
    let key = new_kek()?;
    let added = format::entry("kek", &key.kid, "secret", &key.secret[..]);
    if !text.ends_with('\n') {
        text.push('\n');
    }
    let whole = Zeroizing::new(format!("{}{}", *text, *added));
    disk::replace(&target, &whole)?;
    Ok(key.kid)
}

/// Takes a key-encryption key out of a file. The one in use stays.
///
/// # Errors
/// Whatever makes the file unusable as it is, [`KeyError::Malformed`] if the key is not in it or is in use, and
/// [`KeyError::Unwritable`].
pub fn remove_kek(file: &Path, kid: &str) -> Result<(), KeyError> {
    let _held = disk::lock(disk::folder_of(file))?;
    let target = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let read = format::KeyFile::parse(KEK_FILE, &disk::read_private(KEK_FILE, &target)?)?;
    let mut keks = read.keks(KEK_FILE)?;
    let refused = |detail: String| KeyError::Malformed { setting: KEK_FILE, detail };
    let place = keks.iter().position(|kek| kek.kid == kid);
    let place = place.ok_or_else(|| refused(format!("there is no key `{kid}`")))?;
    if place + 1 == keks.len() {
        return Err(refused(format!("`{kid}` is the key in use")));
    }
    keks.remove(place);
    let parts: Vec<Zeroizing<String>> =
        keks.iter().map(|kek| format::entry("kek", &kek.kid, "secret", &kek.secret[..])).collect();
    let made_for = if read.is_for_development() { Environment::Development } else { Environment::Production };
    disk::replace(&target, &self::file(made_for, KEK_COMMENT, &parts))
}

/// What a rotation of the VAPID keys did.
#[derive(Debug, PartialEq, Eq)]
pub struct RotatedVapid {
    /// The new key's kid.
    pub added: String,
    /// Kids of keys that are gone.
    pub removed: Vec<String>,
}

/// Adds a VAPID key to a file and makes it the one that new subscriptions use. Older keys stay while a subscription
/// needs them, and the last one also without: a running server still offers it. Running servers take the file at their
/// next start.
///
/// # Errors
/// Whatever makes the file unusable as it is, and [`KeyError::Unwritable`].
pub fn rotate_vapid(file: &Path, in_use: &[String]) -> Result<RotatedVapid, KeyError> {
    let _held = disk::lock(disk::folder_of(file))?;
    let target = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let read = format::KeyFile::parse(VAPID_FILE, &disk::read_private(VAPID_FILE, &target)?)?;
    let mut keys = read.vapid_keys(VAPID_FILE)?;
    let last = keys.last().map(|key| key.kid.clone());
    let needed = |kid: &String| in_use.contains(kid) || last.as_ref() == Some(kid);
    let removed = keys.iter().map(|key| key.kid.clone()).filter(|kid| !needed(kid)).collect();
    keys.retain(|key| needed(&key.kid));
    keys.push(new_vapid_key()?);
    let added = keys.last().map(|key| key.kid.clone()).unwrap_or_default();
    let parts: Vec<Zeroizing<String>> =
        keys.iter().map(|key| format::entry("vapid", &key.kid, "pkcs8", &key.pkcs8)).collect();
    let made_for = if read.is_for_development() { Environment::Development } else { Environment::Production };
    disk::replace(&target, &self::file(made_for, VAPID_COMMENT, &parts))?;
    Ok(RotatedVapid { added, removed })
}

pub(super) fn key_set() -> Result<KeySet, KeyError> {
    Ok(KeySet {
        keks: vec![new_kek()?],
        index_key: new_index_key()?,
        token_key: random_secret()?,
        signing: vec![new_signing_key()?],
        vapid: vec![new_vapid_key()?],
    })
}

fn kek_file(made_for: Environment) -> Result<Zeroizing<String>, KeyError> {
    let key = new_kek()?;
    Ok(file(made_for, KEK_COMMENT, &[format::entry("kek", &key.kid, "secret", &key.secret[..])]))
}

fn index_file(made_for: Environment) -> Result<Zeroizing<String>, KeyError> {
    let (token_key, key) = (random_secret()?, new_index_key()?);
    let comment = "Keys of blind indexes and server-made tags. Without them nobody can log in.";
    let parts =
        [format::token_key_line(&token_key), format::entry("index", &key.kid, "secret", &key.secret[..])];
    Ok(file(made_for, comment, &parts))
}

fn signing_file(made_for: Environment) -> Result<Zeroizing<String>, KeyError> {
    let key = new_signing_key()?;
    let comment = "Ed25519 keys that sign access tokens; the last one signs, all of them verify.";
    Ok(file(made_for, comment, &[format::entry("signing", &key.kid, "pkcs8", &key.pkcs8)]))
}

fn vapid_file(made_for: Environment) -> Result<Zeroizing<String>, KeyError> {
    let key = new_vapid_key()?;
    Ok(file(made_for, VAPID_COMMENT, &[format::entry("vapid", &key.kid, "pkcs8", &key.pkcs8)]))
}

fn file(made_for: Environment, comment: &str, parts: &[Zeroizing<String>]) -> Zeroizing<String> {
    let mut text = format::head(made_for, comment);
    // Reserved at once: growing would leave pieces of keys in freed memory.
    text.reserve(parts.iter().map(|part| part.len()).sum());
    parts.iter().for_each(|part| text.push_str(part));
    text
}

fn new_kek() -> Result<Kek, KeyError> {
    Ok(Kek { kid: new_kid("kek")?, secret: random_secret()? })
}

fn new_index_key() -> Result<IndexKey, KeyError> {
    Ok(IndexKey { kid: new_kid("idx")?, secret: random_secret()? })
}

pub(super) fn new_signing_key() -> Result<SigningKey, KeyError> {
    let document =
        Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).map_err(|_| KeyError::NoRandomness)?;
    Ok(SigningKey {
        kid: new_kid("sig")?,
        pkcs8: Zeroizing::new(document.as_ref().to_vec()),
        signs_from: None,
    })
}

fn new_vapid_key() -> Result<VapidKey, KeyError> {
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
    let pkcs8 =
        document.ok().and_then(|document| p256_v1(document.as_ref())).ok_or(KeyError::NoRandomness)?;
    Ok(VapidKey { kid: new_kid("vapid")?, pkcs8 })
}

/// A name that no other key has: `kind-` and eight hexadecimal digits.
fn new_kid(kind: &str) -> Result<String, KeyError> {
    let mut bytes = [0; 4];
    rand::fill(&mut bytes).map_err(|_| KeyError::NoRandomness)?;
    Ok(format!("{kind}-{:08x}", u32::from_be_bytes(bytes)))
}
