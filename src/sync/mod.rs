//! What devices that were offline need to learn later: every synced row carries the sync number of its last change,
//! and a deleted one leaves a tombstone.

use entity::{ids::PatientId, tombstones};
use sea_orm::{EntityTrait, Set, sea_query::OnConflict};
use uuid::Uuid;

use crate::{db::WriteTx, error::ApiResult};

/// Records that a row is gone, at the sync number of this transaction.
pub async fn bury(tx: &WriteTx, patient: PatientId, collection: &str, id: impl Into<Uuid>) -> ApiResult<()> {
    let row = tombstones::ActiveModel {
        patient_id: Set(patient),
        collection: Set(collection.to_owned()),
        id: Set(id.into()),
        sync_seq: Set(tx.sync_seq()),
        deleted_at: Set(tx.now()),
    };
    let key = [tombstones::Column::PatientId, tombstones::Column::Collection, tombstones::Column::Id];
    tombstones::Entity::insert(row)
        .on_conflict(
            OnConflict::columns(key)
                .update_columns([tombstones::Column::SyncSeq, tombstones::Column::DeletedAt])
                .to_owned(),
        )
        .exec_without_returning(tx.conn())
        .await?;
    Ok(())
}
