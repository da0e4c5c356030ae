//! Changing the key that signs access tokens without anybody noticing: a new key is published first, and signs when
//! every server has read it; the one before stays until the last token it signed is over.

use std::path::Path;

use chrono::{DateTime, Duration, Utc};
use zeroize::Zeroizing;

use super::{KeyError, SIGNING_FILE, SigningKey, disk, format, generate, read};
use crate::config::{Environment, KeysConfig};

/// Servers look into the file every minute; slow distribution of files has some time as well.
const PUBLISHED_FIRST: Duration = Duration::minutes(10);
/// The longest life that an access token can be given.
const LAST_TOKEN: Duration = Duration::hours(1);

/// Adds a signing key to a file; returns its kid and when it begins to sign. Two keys stay: the new one and the one in
/// use.
///
/// # Errors
/// Whatever makes the file unusable as it is, [`KeyError::TooSoon`] and [`KeyError::Unwritable`].
pub fn rotate_signing(file: &Path, now: DateTime<Utc>) -> Result<(String, DateTime<Utc>), KeyError> {
    let _held = disk::lock(disk::folder_of(file))?;
    // A mounted secret is often a link; the file behind it is the one to replace.
    let target = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let parsed = format::KeyFile::parse(SIGNING_FILE, &disk::read_private(SIGNING_FILE, &target)?)?;
    let made_for =
        if parsed.is_for_development() { Environment::Development } else { Environment::Production };
    let mut keys = parsed.signing_keys(SIGNING_FILE)?;
    if let Some(from) = keys.last().and_then(|key| key.signs_from) {
        let free = from + LAST_TOKEN;
        if now < free {
            return Err(KeyError::TooSoon { until: free });
        }
    }
    let new = SigningKey { signs_from: Some(now + PUBLISHED_FIRST), ..generate::new_signing_key()? };
    let (kid, from) = (new.kid.clone(), now + PUBLISHED_FIRST);
    keys.push(new);
    let kept = &keys[keys.len().saturating_sub(2)..];
    let mut text = format::head(
        made_for,
        "Ed25519 keys that sign access tokens; the last one that may already signs, all of them verify.",
    );
    let entries: Vec<Zeroizing<String>> = kept.iter().map(format::signing_entry).collect();
    // Reserved at once: growing would leave pieces of keys in freed memory.
    text.reserve(entries.iter().map(|entry| entry.len()).sum());
    entries.iter().for_each(|entry| text.push_str(entry));
    disk::replace(&target, &text)?;
    Ok((kid, from))
}

/// Reads the signing keys alone, for a server that looks for new ones.
///
/// # Errors
/// As [`super::load`].
pub fn load_signing(config: &KeysConfig, environment: Environment) -> Result<Vec<SigningKey>, KeyError> {
    read(SIGNING_FILE, &config.signing_key_file, environment)?.signing_keys(SIGNING_FILE)
}
