//! Data keys and the key-encryption keys that wrap them.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::SystemTime,
};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    digest,
};
use chrono::{DateTime, Utc};
use entity::data_keys;
use moka::sync::Cache;
use sea_orm::{FromQueryResult, Set};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{
    BlindIndex, DataKey, Mac,
    keyfile::{self, KeySet},
};
use crate::{
    clock::Random,
    config::{Environment, KeysConfig},
};

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
    const ALL: [Self; 4] = [Self::Patient, Self::ClinicRecord, Self::Account, Self::Clinic];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Patient => "patient",
            Self::ClinicRecord => "clinic_record",
            Self::Account => "account",
            Self::Clinic => "clinic",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
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

/// The columns of a wrapped key in a row that brings it together with what it opens.
#[derive(FromQueryResult)]
pub struct KeyColumns {
    kek_id: String,
    generation: i32,
    wrapped: Vec<u8>,
}

impl KeyColumns {
    pub fn of(self, kind: OwnerKind, owner: impl Into<Uuid>) -> WrappedKey {
        let Self { kek_id, generation, wrapped } = self;
        WrappedKey { owner: KeyOwner::new(kind, owner), kek_id, generation, wrapped }
    }
}

impl WrappedKey {
    /// Nothing if the row is of a kind of owner that this version does not know.
    pub fn from_row(row: data_keys::Model) -> Option<Self> {
        let owner = KeyOwner { kind: OwnerKind::parse(&row.owner_kind)?, id: row.owner_id };
        Some(Self { owner, kek_id: row.kek_id, generation: row.generation, wrapped: row.wrapped })
    }

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
        Self::internal(error)
    }
}

struct Kek {
    kid: String,
    key: LessSafeKey,
}

/// The file that the key-encryption keys came from, and when it was last changed.
struct Source {
    file: PathBuf,
    environment: Environment,
    seen: Mutex<Option<SystemTime>>,
}

/// All keys of this installation, ready for use.
pub struct Vault {
    /// The last one wraps new data keys.
    keks: RwLock<Arc<Vec<Kek>>>,
    source: Option<Source>,
    index: BlindIndex,
    mac: Mac,
    random: Arc<dyn Random>,
    // Keyed by the hash of the wrapped bytes just read: a key destroyed in the database is dead here too.
    unwrapped: Cache<[u8; 32], DataKey>,
}

impl Vault {
    /// The last key of each kind is the one new values use; the others only open old ones.
    pub fn new(keys: &KeySet, random: Arc<dyn Random>) -> Self {
        let index = keys.active_index_key();
        Self {
            keks: RwLock::new(Arc::new(ready(&keys.keks))),
            source: None,
            index: BlindIndex::new(index.kid.clone(), &index.secret[..]),
            mac: Mac::new(&keys.token_key[..]),
            random,
            unwrapped: Cache::new(50_000),
        }
    }

    /// Reads the file of key-encryption keys again when it has changed, so that a running server knows a key that
    /// was added, and forgets one that was taken away.
    pub fn watching(mut self, keys: &KeysConfig, environment: Environment) -> Self {
        if !keys.kek_from_environment() {
            let seen = Mutex::new(changed(&keys.kek_file));
            self.source = Some(Source { file: keys.kek_file.clone(), environment, seen });
        }
        self
    }

    fn keks(&self) -> Arc<Vec<Kek>> {
        self.keks.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn refresh(&self) {
        let Some(source) = &self.source else { return };
        let mut seen = source.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = changed(&source.file);
        if now.is_none() || *seen == now {
            return;
        }
        match keyfile::load_keks(&source.file, source.environment) {
            Ok(keks) => {
                *self.keks.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ready(&keks));
                *seen = now;
                tracing::info!("the key-encryption keys were read again");
            }
            Err(error) => tracing::error!(%error, "the key-encryption keys stay as they were"),
        }
    }

    /// The name of the key that wraps new data keys.
    pub fn active_kek(&self) -> String {
        self.refresh();
        self.keks().last().map(|kek| kek.kid.clone()).unwrap_or_default()
    }

    pub fn index(&self) -> &BlindIndex {
        &self.index
    }

    /// The server key for one purpose.
    pub fn mac(&self, purpose: &str) -> Mac {
        self.mac.derive(purpose)
    }

    /// Makes a data key for a new owner.
    pub fn create(&self, owner: KeyOwner) -> (DataKey, WrappedKey) {
        self.refresh();
        let secret = Zeroizing::new(self.random.bytes::<32>());
        let wrapped = self.wrap(owner, 1, &secret);
        (DataKey::new(aes_key(&secret), 1, owner, self.random.clone()), wrapped)
    }

    /// The same data key under the key-encryption key in use; none if it is already.
    pub(super) fn rewrap(&self, row: &WrappedKey) -> Result<Option<WrappedKey>, UnwrapError> {
        if self.keks().last().is_some_and(|kek| kek.kid == row.kek_id) {
            return Ok(None);
        }
        let secret = self.secret(row).ok_or_else(|| UnwrapError { kek_id: row.kek_id.clone() })?;
        Ok(Some(self.wrap(row.owner, row.generation, &secret)))
    }

    #[expect(clippy::expect_used, reason = "a key set without a key-encryption key does not load")]
    fn wrap(&self, owner: KeyOwner, generation: i32, secret: &[u8; 32]) -> WrappedKey {
        let keks = self.keks();
        let kek = keks.last().expect("a key set has a key-encryption key");
        let nonce: [u8; NONCE_LEN] = self.random.bytes();
        let mut wrapped = nonce.to_vec();
        wrapped.extend_from_slice(secret);
        let tag = kek
            .key
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(aad(&owner, &kek.kid, generation)),
                &mut wrapped[NONCE_LEN..],
            )
            .expect("wrapping 32 bytes cannot fail");
        wrapped.extend_from_slice(tag.as_ref());
        WrappedKey { owner, kek_id: kek.kid.clone(), generation, wrapped }
    }

    /// Opens a data key that was just read from the database.
    pub fn unwrap(&self, row: &WrappedKey) -> Result<DataKey, UnwrapError> {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, &row.wrapped).as_ref());
        if let Some(key) = self.unwrapped.get(&hash).filter(|key| key.owner() == row.owner) {
            return Ok(key);
        }
        let key = self.open(row).ok_or_else(|| {
            metrics::counter!(super::OPEN_FAILURES).increment(1);
            UnwrapError { kek_id: row.kek_id.clone() }
        })?;
        self.unwrapped.insert(hash, key.clone());
        Ok(key)
    }

    fn open(&self, row: &WrappedKey) -> Option<DataKey> {
        let secret = self.secret(row)?;
        let generation = u32::try_from(row.generation).ok()?;
        Some(DataKey::new(aes_key(&secret), generation, row.owner, self.random.clone()))
    }

    fn secret(&self, row: &WrappedKey) -> Option<Zeroizing<[u8; 32]>> {
        if self.keks().iter().all(|kek| kek.kid != row.kek_id) {
            self.refresh();
        }
        let keks = self.keks();
        let kek = keks.iter().find(|kek| kek.kid == row.kek_id)?;
        let (nonce, body) = row.wrapped.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut secret = Zeroizing::new(body.to_vec());
        let aad = Aad::from(aad(&row.owner, &kek.kid, row.generation));
        let plain: &[u8] = kek.key.open_in_place(nonce, aad, &mut secret).ok()?;
        Some(Zeroizing::new(plain.try_into().ok()?))
    }
}

fn ready(keks: &[keyfile::Kek]) -> Vec<Kek> {
    keks.iter().map(|kek| Kek { kid: kek.kid.clone(), key: aes_key(&kek.secret) }).collect()
}

fn changed(file: &std::path::Path) -> Option<SystemTime> {
    std::fs::metadata(file).and_then(|metadata| metadata.modified()).ok()
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
