//! Rows of attachments. The owner is part of every predicate.

use entity::{
    attachment_chunks, attachments,
    ids::{AttachmentId, JournalEntryId, PatientId},
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, Statement,
    sea_query::{Expr, Query},
};

use super::{
    dto::{Attachment, AttachmentState},
    rules::{AttachmentKind, PART_BYTES, next_part},
};
use crate::{
    app::AppState,
    db::WriteTx,
    error::{ApiError, ApiResult},
};

pub const UPLOADING: &str = "uploading";
pub const COMPLETE: &str = "complete";
/// Most abandoned uploads that one sweep removes.
const SWEEP_BATCH: i64 = 200;

/// Which attachment of which entry of whose.
#[derive(Debug, Clone, Copy)]
pub struct Which {
    pub patient: PatientId,
    pub entry: JournalEntryId,
    pub id: AttachmentId,
}

/// The attachment as its owner reads it.
pub fn view(row: attachments::Model) -> Attachment {
    let state = if row.state == COMPLETE { AttachmentState::Complete } else { AttachmentState::Uploading };
    Attachment {
        id: row.id,
        entry_id: row.entry_id,
        field: row.field_id,
        kind: AttachmentKind::parse(&row.kind),
        media_type: row.media_type,
        bytes: row.bytes,
        received: row.received,
        part_bytes: PART_BYTES,
        next_part: next_part(row.bytes, row.received),
        state,
        created_at: row.created_at,
        expires_at: row.expires_at,
    }
}

/// One attachment, 404 unless it is the patient's and of this entry.
pub async fn find(conn: &impl ConnectionTrait, which: Which) -> ApiResult<attachments::Model> {
    attachments::Entity::find_by_id((which.patient, which.id))
        .filter(attachments::Column::EntryId.eq(which.entry))
        .one(conn)
        .await?
        .ok_or(ApiError::NotFound)
}

/// Every attachment of an entry, first made first.
pub async fn list(
    conn: &impl ConnectionTrait,
    patient: PatientId,
    entry: JournalEntryId,
) -> ApiResult<Vec<attachments::Model>> {
    Ok(attachments::Entity::find()
        .filter(attachments::Column::PatientId.eq(patient))
        .filter(attachments::Column::EntryId.eq(entry))
        .order_by_asc(attachments::Column::CreatedAt)
        .order_by_asc(attachments::Column::Id)
        .all(conn)
        .await?)
}

/// How many bytes a patient's attachments have or are about to have.
pub async fn bytes_of(conn: &impl ConnectionTrait, patient: PatientId) -> ApiResult<i64> {
    let statement = Statement::from_sql_and_values(
        conn.get_database_backend(),
        "SELECT COALESCE(SUM(bytes), 0) AS total FROM attachments WHERE patient_id = $1",
        [patient.0.into()],
    );
    let row = conn.query_one_raw(statement).await?;
    Ok(row.map(|row| row.try_get("", "total")).transpose()?.unwrap_or_default())
}

/// Notes that a part has come. False when the upload has gone or has gone on meanwhile.
pub async fn advance(tx: &WriteTx, row: &attachments::Model, received: i32) -> ApiResult<bool> {
    let updated = attachments::Entity::update_many()
        .col_expr(attachments::Column::Received, Expr::value(received))
        .filter(attachments::Column::PatientId.eq(row.patient_id))
        .filter(attachments::Column::Id.eq(row.id))
        .filter(attachments::Column::State.eq(UPLOADING))
        .filter(attachments::Column::Received.eq(row.received))
        .exec(tx.conn())
        .await?;
    Ok(updated.rows_affected == 1)
}

/// Notes that an upload is complete. False when it has gone or was completed meanwhile.
pub async fn finish(tx: &WriteTx, which: Which) -> ApiResult<bool> {
    let updated = attachments::Entity::update_many()
        .col_expr(attachments::Column::State, Expr::value(COMPLETE))
        .col_expr(attachments::Column::HashSealed, Expr::value(Option::<Vec<u8>>::None))
        .col_expr(attachments::Column::ExpiresAt, Expr::value(Option::<sea_orm::prelude::DateTimeUtc>::None))
        .filter(attachments::Column::PatientId.eq(which.patient))
        .filter(attachments::Column::Id.eq(which.id))
        .filter(attachments::Column::State.eq(UPLOADING))
        .exec(tx.conn())
        .await?;
    Ok(updated.rows_affected == 1)
}

async fn erase_chunks(
    conn: &impl ConnectionTrait,
    patient: PatientId,
    attachment: AttachmentId,
) -> ApiResult<()> {
    attachment_chunks::Entity::delete_many()
        .filter(attachment_chunks::Column::PatientId.eq(patient))
        .filter(attachment_chunks::Column::AttachmentId.eq(attachment))
        .exec(conn)
        .await?;
    Ok(())
}

/// Removes an attachment with its content.
pub async fn erase(conn: &impl ConnectionTrait, patient: PatientId, id: AttachmentId) -> ApiResult<()> {
    erase_chunks(conn, patient, id).await?;
    attachments::Entity::delete_by_id((patient, id)).exec(conn).await?;
    Ok(())
}

/// Removes every attachment of an entry that is about to go, with their content.
pub async fn erase_of_entry(tx: &WriteTx, patient: PatientId, entry: JournalEntryId) -> ApiResult<()> {
    let ids = Query::select()
        .column(attachments::Column::Id)
        .from(attachments::Entity)
        .and_where(attachments::Column::PatientId.eq(patient))
        .and_where(attachments::Column::EntryId.eq(entry))
        .to_owned();
    attachment_chunks::Entity::delete_many()
        .filter(attachment_chunks::Column::PatientId.eq(patient))
        .filter(attachment_chunks::Column::AttachmentId.in_subquery(ids))
        .exec(tx.conn())
        .await?;
    attachments::Entity::delete_many()
        .filter(attachments::Column::PatientId.eq(patient))
        .filter(attachments::Column::EntryId.eq(entry))
        .exec(tx.conn())
        .await?;
    Ok(())
}

#[derive(FromQueryResult)]
struct Abandoned {
    patient_id: PatientId,
    id: AttachmentId,
}

/// Removes uploads that were not completed in time, one transaction each. Returns how many there were.
pub async fn sweep(app: &AppState) -> ApiResult<usize> {
    let (conn, now) = (app.db.reader(), app.clock.now());
    let statement = Statement::from_sql_and_values(
        conn.get_database_backend(),
        "SELECT patient_id, id FROM attachments WHERE expires_at <= $1 LIMIT $2",
        [now.into(), SWEEP_BATCH.into()],
    );
    let abandoned = Abandoned::find_by_statement(statement).all(conn).await?;
    for upload in &abandoned {
        let txn = app.db.begin().await?;
        let deleted = attachments::Entity::delete_by_id((upload.patient_id, upload.id))
            .filter(attachments::Column::State.eq(UPLOADING))
            .filter(attachments::Column::ExpiresAt.lte(now))
            .exec(&txn)
            .await?;
        // It may have been completed since it was found.
        if deleted.rows_affected == 1 {
            erase_chunks(&txn, upload.patient_id, upload.id).await?;
        }
        txn.commit().await?;
    }
    Ok(abandoned.len())
}
