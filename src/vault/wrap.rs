//! Data keys and the key-encryption keys that wrap them.

use std::sync::Arc;

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    digest,
};
use chrono::{DateTime, Utc};
use entity::data_keys;
use moka::sync::Cache;
use sea_orm::Set;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{BlindIndex, DataKey, Mac, keyfile::KeySet};
use crate::clock::Random;

/// What kind of owner a data key has; stored as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OwnerKind {
    /// What a patient wrote, and who they are.
    Patient,
    /// What clinicians recorded about a patient.
    ClinicRecord,
    /// A member of staff.
    Account,
    /// A clinic.
    Clinic,
}

impl OwnerKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Patient => "patient",
            Self::ClinicRecord => "clinic_record",
            Self::Account => "account",
            Self::Clinic => "clinic",
        }
    }
}

/// Whose key it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyOwner {
    pub kind: OwnerKind,
    pub id: Uuid,
}

impl KeyOwner {
    pub fn new(kind: OwnerKind, id: impl Into<Uuid>) -> Self {
        Self { kind, id: id.into() }
    }
}

/// A data key as the database keeps it.
#[derive(Debug, Clone)]
pub struct WrappedKey {
    pub owner: KeyOwner,
    pub kek_id: String,
    pub generation: i32,
    pub wrapped: Vec<u8>,
}

impl WrappedKey {
    pub fn into_row(self, now: DateTime<Utc>) -> data_keys::ActiveModel {
        data_keys::ActiveModel {
            owner_kind: Set(self.owner.kind.as_str().to_owned()),
            owner_id: Set(self.owner.id),
            kek_id: Set(self.kek_id),
            generation: Set(self.generation),
            wrapped: Set(self.wrapped),
            created_at: Set(now),
        }
    }
}

/// A wrapped key that does not open: its key-encryption key is missing, or it was altered.
#[derive(Debug, thiserror::Error)]
#[error("a data key wrapped under `{kek_id}` does not open; is that key in keys.kek_file?")]
pub struct UnwrapError {
    kek_id: String,
}

impl From<UnwrapError> for crate::error::ApiError {
    fn from(error: UnwrapError) -> Self {
        metrics::counter!("vault_open_failures_total").increment(1);
        Self::internal(error)
    }
}

struct Kek {
    kid: String,
    key: LessSafeKey,
}

/// All keys of this installation, ready for use.
pub struct Vault {
    keks: Vec<Kek>,
    index: BlindIndex,
    mac: Mac,
    random: Arc<dyn Random>,
    // Keyed by the hash of the wrapped bytes just read: a key destroyed in the database is dead here too.
    unwrapped: Cache<[u8; 32], DataKey>,
}

impl Vault {
    /// The last key of each kind is the one new values use; the others only open old ones.
    pub fn new(keys: &KeySet, random: Arc<dyn Random>) -> Self {
        let keks =
            keys.keks.iter().map(|kek| Kek { kid: kek.kid.clone(), key: aes_key(&kek.secret) }).collect();
        let index = keys.active_index_key();
        Self {
            keks,
            index: BlindIndex::new(index.kid.clone(), &index.secret[..]),
            mac: Mac::new(&keys.token_key[..]),
            random,
            unwrapped: Cache::new(50_000),
        }
    }

    pub fn index(&self) -> &BlindIndex {
        &self.index
    }

    /// The server key for one purpose.
    pub fn mac(&self, purpose: &str) -> Mac {
        self.mac.derive(purpose)
    }

    /// Makes a data key for a new owner.
    #[expect(clippy::expect_used, reason = "a key set without a key-encryption key does not load")]
    pub fn create(&self, owner: KeyOwner) -> (DataKey, WrappedKey) {
        let secret = Zeroizing::new(self.random.bytes::<32>());
        let kek = self.keks.last().expect("a key set has a key-encryption key");
        let nonce: [u8; NONCE_LEN] = self.random.bytes();
        let mut wrapped = nonce.to_vec();
        wrapped.extend_from_slice(&secret[..]);
        let tag = kek
            .key
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(aad(&owner, &kek.kid, 1)),
                &mut wrapped[NONCE_LEN..],
            )
            .expect("wrapping 32 bytes cannot fail");
        wrapped.extend_from_slice(tag.as_ref());
        let key = DataKey::new(aes_key(&secret), 1, owner, self.random.clone());
        (key, WrappedKey { owner, kek_id: kek.kid.clone(), generation: 1, wrapped })
    }

    /// Opens a data key that was just read from the database.
    pub fn unwrap(&self, row: &WrappedKey) -> Result<DataKey, UnwrapError> {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, &row.wrapped).as_ref());
        if let Some(key) = self.unwrapped.get(&hash).filter(|key| key.owner() == row.owner) {
            return Ok(key);
        }
        let key = self.open(row).ok_or_else(|| UnwrapError { kek_id: row.kek_id.clone() })?;
        self.unwrapped.insert(hash, key.clone());
        Ok(key)
    }

    fn open(&self, row: &WrappedKey) -> Option<DataKey> {
        let kek = self.keks.iter().find(|kek| kek.kid == row.kek_id)?;
        let (nonce, body) = row.wrapped.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let generation = u32::try_from(row.generation).ok()?;
        let mut secret = Zeroizing::new(body.to_vec());
        let aad = Aad::from(aad(&row.owner, &kek.kid, row.generation));
        let plain = kek.key.open_in_place(nonce, aad, &mut secret).ok()?;
        let plain: &[u8; 32] = (&*plain).try_into().ok()?;
        Some(DataKey::new(aes_key(plain), generation, row.owner, self.random.clone()))
    }
}

#[expect(clippy::expect_used, reason = "the array has exactly the length AES-256 asks for")]
fn aes_key(secret: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, secret).expect("32 bytes"))
}

fn aad(owner: &KeyOwner, kid: &str, generation: i32) -> Vec<u8> {
    let mut aad = owner.kind.as_str().as_bytes().to_vec();
    aad.push(0);
    aad.extend_from_slice(owner.id.as_bytes());
    aad.extend_from_slice(&generation.to_be_bytes());
    aad.extend_from_slice(kid.as_bytes());
    aad
}
