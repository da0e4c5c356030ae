//! The journal's files: each of the length that its row says, sealed anew part by part.

use std::io::Read;

use entity::{attachments, ids::PatientId};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use super::{Archive, ImportError, rows::wrong};
use crate::{
    attachments::{Stored, insert_chunk, part_length, parts},
    db::WriteTx,
    export::file_name,
    vault::DataKey,
};

/// Stores the files of all attachments that were written before; returns how many.
pub async fn store(
    tx: &WriteTx,
    archive: &mut Archive,
    key: &DataKey,
    patient: PatientId,
) -> Result<usize, ImportError> {
    let rows = attachments::Entity::find()
        .filter(attachments::Column::PatientId.eq(patient))
        .order_by_asc(attachments::Column::Id)
        .all(tx.conn())
        .await?;
    for row in &rows {
        let name = file_name(row);
        let cut = || wrong(format!("/{name}"), "is not there, or not of its length");
        let most = u64::try_from(row.bytes).unwrap_or_default() + 1;
        let mut file = archive.file(&name, most).ok_or_else(cut)?;
        for number in 0..parts(row.bytes) {
            let mut part = vec![0; part_length(row.bytes, number).ok_or_else(cut)?];
            file.read_exact(&mut part).map_err(|_| cut())?;
            insert_chunk(tx, key, Stored::from(row), number, &part).await?;
        }
        if file.read(&mut [0])? > 0 {
            return Err(cut());
        }
    }
    Ok(rows.len())
}
