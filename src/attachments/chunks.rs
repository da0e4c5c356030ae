//! The sealed content. Each chunk is sealed for its attachment, its number and the length of the whole, so that none
//! opens in another place, and a row that claims to be shorter or longer opens not at all.

use entity::{
    attachment_chunks, attachments,
    ids::{AttachmentId, PatientId},
};
use sea_orm::{ActiveModelTrait, ConnectionTrait, EntityTrait, Set};

use super::{
    rules::{PART_BYTES, part_length},
    strip::{Edits, Source},
};
use crate::{
    db::WriteTx,
    error::{ApiError, ApiResult},
    vault::{DataKey, Place},
};

/// Whose content, and how much of it.
#[derive(Debug, Clone, Copy)]
pub struct Stored {
    pub patient: PatientId,
    pub id: AttachmentId,
    pub bytes: i32,
}

impl From<&attachments::Model> for Stored {
    fn from(row: &attachments::Model) -> Self {
        Self { patient: row.patient_id, id: row.id, bytes: row.bytes }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("an attachment lacks a chunk, or has one of the wrong length")]
struct Incomplete;

fn place(stored: Stored, number: i32) -> Place {
    let part = i64::from(stored.bytes) << 32 | i64::from(number);
    Place::new("attachment_chunks", "content_sealed", stored.id).part(part)
}

pub async fn insert(
    tx: &WriteTx,
    key: &DataKey,
    stored: Stored,
    number: i32,
    content: &[u8],
) -> ApiResult<()> {
    let row = attachment_chunks::ActiveModel {
        patient_id: Set(stored.patient),
        attachment_id: Set(stored.id),
        number: Set(number),
        content_sealed: Set(key.seal(place(stored, number), content)),
    };
    attachment_chunks::Entity::insert(row).exec_without_returning(tx.conn()).await?;
    Ok(())
}

/// One chunk, opened. An error when it is not there: the row says that it must be.
pub async fn load(
    conn: &impl ConnectionTrait,
    key: &DataKey,
    stored: Stored,
    number: i32,
) -> ApiResult<Vec<u8>> {
    let row = attachment_chunks::Entity::find_by_id((stored.patient, stored.id, number)).one(conn).await?;
    let sealed = row.ok_or_else(|| ApiError::internal(Incomplete))?.content_sealed;
    let content = key.open(place(stored, number), &sealed)?;
    if part_length(stored.bytes, number) != Some(content.len()) {
        return Err(ApiError::internal(Incomplete));
    }
    Ok(content)
}

/// Seals the chunks anew that are edited.
pub async fn rewrite(tx: &WriteTx, key: &DataKey, stored: Stored, edits: &Edits) -> ApiResult<()> {
    let size = u64::from(PART_BYTES.unsigned_abs());
    for part in edits.parts(size) {
        let number = i32::try_from(part).map_err(ApiError::internal)?;
        let mut content = load(tx.conn(), key, stored, number).await?;
        edits.apply(part * size, &mut content);
        attachment_chunks::ActiveModel {
            patient_id: Set(stored.patient),
            attachment_id: Set(stored.id),
            number: Set(number),
            content_sealed: Set(key.seal(place(stored, number), &content)),
        }
        .update(tx.conn())
        .await?;
    }
    Ok(())
}

/// The content as bytes that can be read anywhere, one chunk in memory at a time.
pub struct Content<'a, C> {
    conn: &'a C,
    key: &'a DataKey,
    stored: Stored,
    held: Option<(i32, Vec<u8>)>,
}

impl<'a, C: ConnectionTrait> Content<'a, C> {
    pub fn new(conn: &'a C, key: &'a DataKey, stored: Stored) -> Self {
        Self { conn, key, stored, held: None }
    }

    /// One chunk; the one that was read last is still there.
    pub async fn chunk(&mut self, number: i32) -> ApiResult<&[u8]> {
        let held = match self.held.take() {
            Some((held, content)) if held == number => content,
            _ => load(self.conn, self.key, self.stored, number).await?,
        };
        Ok(&self.held.insert((number, held)).1)
    }
}

impl<C: ConnectionTrait + Sync> Source for Content<'_, C> {
    fn len(&self) -> u64 {
        u64::from(self.stored.bytes.unsigned_abs())
    }

    async fn read(&mut self, at: u64, into: &mut [u8]) -> ApiResult<usize> {
        let size = u64::from(PART_BYTES.unsigned_abs());
        let (mut at, mut filled) = (at, 0);
        while filled < into.len() && at < self.len() {
            let number = i32::try_from(at / size).map_err(ApiError::internal)?;
            let offset = usize::try_from(at % size).map_err(ApiError::internal)?;
            let chunk = &self.chunk(number).await?[offset..];
            let now = chunk.len().min(into.len() - filled);
            into[filled..filled + now].copy_from_slice(&chunk[..now]);
            filled += now;
            at += now as u64;
        }
        Ok(filled)
    }
}
