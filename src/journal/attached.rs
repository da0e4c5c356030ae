//! Recordings and pictures as values of an entry's fields. Setting or clearing one is a new revision, like any change
//! of the words, so that a frozen share goes on showing what was shared.

use entity::{
    ids::{AttachmentId, JournalEntryId, PatientId},
    journal_entries,
};
use sea_orm::{ActiveModelTrait, ConnectionTrait, Set};

use super::{
    form::{self, AttachmentKind},
    queries::{self, EntryRow},
    rules::Body,
    templates::Kind,
};
use crate::{
    db::WriteTx,
    error::{ApiError, ApiResult},
    vault::DataKey,
};

/// Version and revision of an entry.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    pub version: i32,
    pub revision: i32,
}

/// How an entry stands now, 404 unless it is the patient's.
pub async fn standing(
    conn: &impl ConnectionTrait,
    patient: PatientId,
    entry: JournalEntryId,
) -> ApiResult<Standing> {
    let row = queries::find(conn, patient, entry).await?;
    Ok(Standing { version: row.version, revision: row.head_revision })
}

/// What kind of attachment a field of the entry's form takes; none for a field that takes none or is not there.
pub async fn kind_of_field(
    conn: &impl ConnectionTrait,
    patient: PatientId,
    entry: JournalEntryId,
    field: &str,
) -> ApiResult<Option<AttachmentKind>> {
    let row = queries::find(conn, patient, entry).await?;
    Ok(match queries::template_of(&row)?.field(field).map(|field| &field.kind) {
        Some(Kind::Audio { .. }) => Some(AttachmentKind::Audio),
        Some(Kind::Image) => Some(AttachmentKind::Image),
        _ => None,
    })
}

/// Puts an attachment into a field.
pub async fn set_attachment(
    tx: &WriteTx,
    (patient, key): (PatientId, &DataKey),
    (entry, field): (JournalEntryId, &str),
    id: AttachmentId,
) -> ApiResult<Standing> {
    let row = queries::find(tx.conn(), patient, entry).await?;
    let before: Body = key.open_json(queries::place(row.id, row.head_revision), &row.body_sealed)?;
    let mut after = before.clone();
    after.fields.0.insert(field.to_owned(), id.to_string().into());
    save(tx, (patient, key), &row, before != after, &after).await
}

/// Clears every field that shows an attachment.
pub async fn clear_attachment(
    tx: &WriteTx,
    (patient, key): (PatientId, &DataKey),
    entry: JournalEntryId,
    id: AttachmentId,
) -> ApiResult<Standing> {
    let row = queries::find(tx.conn(), patient, entry).await?;
    let before: Body = key.open_json(queries::place(row.id, row.head_revision), &row.body_sealed)?;
    let mut after = before.clone();
    for shown in form::attachment_refs(queries::template_of(&row)?, &before.fields) {
        if shown.id == id.0 {
            after.fields.0.remove(&shown.field);
        }
    }
    save(tx, (patient, key), &row, before != after, &after).await
}

async fn save(
    tx: &WriteTx,
    (patient, key): (PatientId, &DataKey),
    row: &EntryRow,
    changed: bool,
    body: &Body,
) -> ApiResult<Standing> {
    if !changed {
        return Ok(Standing { version: row.version, revision: row.head_revision });
    }
    let standing = Standing { version: row.version + 1, revision: row.head_revision + 1 };
    queries::revise(tx, patient, key, (row.id, standing.revision), body).await?;
    journal_entries::ActiveModel {
        patient_id: Set(patient),
        id: Set(row.id),
        version: Set(standing.version),
        sync_seq: Set(tx.sync_seq()),
        head_revision: Set(standing.revision),
        updated_at: Set(tx.now()),
        ..Default::default()
    }
    .update(tx.conn())
    .await
    .map_err(ApiError::from)?;
    Ok(standing)
}
