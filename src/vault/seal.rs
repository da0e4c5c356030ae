//! Sealing one value: AES-256-GCM, bound to its table, column, row and owner, so that a value moved to another place
//! opens nowhere.

use std::sync::Arc;

use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce};
use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

use super::KeyOwner;
use crate::clock::Random;

const VERSION: u8 = 1;
const HEADER: usize = 1 + 4 + 12;

/// Where a sealed value lives.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    table: &'static str,
    column: &'static str,
    row: Uuid,
    part: i64,
}

impl Place {
    pub fn new(table: &'static str, column: &'static str, row: impl Into<Uuid>) -> Self {
        Self { table, column, row: row.into(), part: 0 }
    }

    /// For rows whose key has a number behind the id, such as revisions.
    pub fn part(self, part: impl Into<i64>) -> Self {
        Self { part: part.into(), ..self }
    }

    /// The same column of another row.
    pub fn of_row(self, row: impl Into<Uuid>) -> Self {
        Self { row: row.into(), ..self }
    }

    fn aad(&self, owner: &KeyOwner) -> Vec<u8> {
        let mut aad = Vec::with_capacity(96);
        for text in [self.table, self.column, owner.kind.as_str()] {
            aad.extend_from_slice(text.as_bytes());
            aad.push(0);
        }
        aad.extend_from_slice(self.row.as_bytes());
        aad.extend_from_slice(&self.part.to_be_bytes());
        aad.extend_from_slice(owner.id.as_bytes());
        aad
    }
}

/// A sealed value that does not open: altered, cut, moved, or of another key. It never yields other text.
#[derive(Debug, thiserror::Error)]
#[error("a sealed value of {table}.{column} does not open")]
pub struct OpenError {
    table: &'static str,
    column: &'static str,
}

/// One owner's unwrapped data key. Cheap to clone; the key itself is held once.
#[derive(Clone)]
pub struct DataKey {
    inner: Arc<Inner>,
}

struct Inner {
    key: LessSafeKey,
    generation: u32,
    owner: KeyOwner,
    random: Arc<dyn Random>,
}

impl std::fmt::Debug for DataKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DataKey").field("owner", &self.inner.owner).finish_non_exhaustive()
    }
}

impl DataKey {
    pub(super) fn new(key: LessSafeKey, generation: u32, owner: KeyOwner, random: Arc<dyn Random>) -> Self {
        Self { inner: Arc::new(Inner { key, generation, owner, random }) }
    }

    pub fn owner(&self) -> KeyOwner {
        self.inner.owner
    }

    /// Seals bytes for one place. Layout: version, key generation, nonce, ciphertext with tag.
    #[expect(
        clippy::expect_used,
        reason = "sealing fails only beyond 64 GiB, and bodies are capped far below"
    )]
    pub fn seal(&self, place: Place, plain: &[u8]) -> Vec<u8> {
        let nonce: [u8; 12] = self.inner.random.bytes();
        let mut sealed = Vec::with_capacity(HEADER + plain.len() + 16);
        sealed.push(VERSION);
        sealed.extend_from_slice(&self.inner.generation.to_be_bytes());
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plain);
        let aad = Aad::from(place.aad(&self.inner.owner));
        let tag = self
            .inner
            .key
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed[HEADER..])
            .expect("AES-GCM seals any bounded text");
        sealed.extend_from_slice(tag.as_ref());
        sealed
    }

    /// Opens what was sealed for the same place by the same key.
    pub fn open(&self, place: Place, sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
        self.try_open(place, sealed).ok_or_else(|| closed(place))
    }

    fn try_open(&self, place: Place, sealed: &[u8]) -> Option<Vec<u8>> {
        let (header, body) = sealed.split_at_checked(HEADER)?;
        let (version, rest) = header.split_first()?;
        let (generation, nonce) = rest.split_at_checked(4)?;
        if *version != VERSION || generation != self.inner.generation.to_be_bytes() {
            return None;
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut buffer = body.to_vec();
        let length = self
            .inner
            .key
            .open_in_place(nonce, Aad::from(place.aad(&self.inner.owner)), &mut buffer)
            .ok()?
            .len();
        buffer.truncate(length);
        Some(buffer)
    }

    pub fn seal_text(&self, place: Place, text: &str) -> Vec<u8> {
        self.seal(place, text.as_bytes())
    }

    pub fn open_text(&self, place: Place, sealed: &[u8]) -> Result<String, OpenError> {
        String::from_utf8(self.open(place, sealed)?).map_err(|_| closed(place))
    }

    /// Seals a value as JSON.
    #[expect(clippy::expect_used, reason = "our own types have string keys, so they always serialise")]
    pub fn seal_json<T: Serialize>(&self, place: Place, value: &T) -> Vec<u8> {
        self.seal(place, &serde_json::to_vec(value).expect("own types serialise"))
    }

    pub fn open_json<T: DeserializeOwned>(&self, place: Place, sealed: &[u8]) -> Result<T, OpenError> {
        serde_json::from_slice(&self.open(place, sealed)?).map_err(|_| closed(place))
    }
}

/// Counted where it happens: workers meet it as well as requests, and somebody has to be told either way.
fn closed(place: Place) -> OpenError {
    metrics::counter!(super::OPEN_FAILURES).increment(1);
    OpenError { table: place.table, column: place.column }
}

impl From<OpenError> for crate::error::ApiError {
    fn from(error: OpenError) -> Self {
        Self::internal(error)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use aws_lc_rs::aead::{AES_256_GCM, UnboundKey};
    use proptest::prelude::*;

    use super::*;
    use crate::{clock::SystemRandom, vault::OwnerKind};

    fn key(byte: u8, generation: u32) -> DataKey {
        let owner = KeyOwner::new(OwnerKind::Patient, Uuid::from_u128(1));
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[byte; 32]).unwrap());
        DataKey::new(key, generation, owner, Arc::new(SystemRandom))
    }

    static KEY: LazyLock<DataKey> = LazyLock::new(|| key(1, 1));

    fn place() -> Place {
        Place::new("checkins", "note_sealed", Uuid::from_u128(7))
    }

    proptest! {
        #[test]
        fn what_was_sealed_opens_there_and_nowhere_else(text: Vec<u8>, row: u128, part: i64) {
            let at = place().of_row(Uuid::from_u128(row)).part(part);
            let sealed = KEY.seal(at, &text);
            prop_assert_eq!(KEY.open(at, &sealed).unwrap(), text);
            let others = [
                at.of_row(Uuid::from_u128(row ^ 1)),
                at.part(part ^ 1),
                Place { column: "fields_sealed", ..at },
                Place { table: "journal_entries", ..at },
            ];
            prop_assert!(others.iter().all(|other| KEY.open(*other, &sealed).is_err()));
            prop_assert!(key(2, 1).open(at, &sealed).is_err());
            prop_assert!(key(1, 2).open(at, &sealed).is_err());
        }

        #[test]
        fn a_changed_or_cut_value_does_not_open(text: Vec<u8>, at: prop::sample::Index, bit in 0..8_u8, more: u8) {
            let sealed = KEY.seal(place(), &text);
            let at = at.index(sealed.len());
            let mut changed = sealed.clone();
            changed[at] ^= 1 << bit;
            prop_assert!(KEY.open(place(), &changed).is_err());
            prop_assert!(KEY.open(place(), &sealed[..at]).is_err());
            prop_assert!(KEY.open(place(), &[&sealed[..], &[more]].concat()).is_err());
        }

        #[test]
        fn no_other_bytes_open(bytes: Vec<u8>) {
            prop_assert!(KEY.open(place(), &bytes).is_err());
            prop_assert!(KEY.open(place(), &[&[VERSION, 0, 0, 0, 1][..], &bytes].concat()).is_err());
        }
    }
}
