//! Phones that were offline: what changed since they last asked (`GET /sync`), and what they did meanwhile
//! (`POST /sync`). Every synced row carries the sync number of its last change, and a deleted one leaves a tombstone;
//! the number is taken under the patient's row lock, so none can be missed.

mod collection;
mod cursor;
mod dto;
mod ops;
mod pull;
mod purge;
mod push;
mod routes;

use entity::{ids::PatientId, tombstones};
use sea_orm::{EntityTrait, Set, sea_query::OnConflict};
use uuid::Uuid;

pub use collection::{Merged, Pulled, Push, Pushed, Reader, Rows};
pub use dto::SyncCollection;
pub use pull::{SOURCES, Source, read_all};
pub use purge::purge;
pub use routes::router;

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

/// Takes the tombstone of a row away again that comes back. Says whether there was one.
async fn unbury(tx: &WriteTx, patient: PatientId, collection: &str, id: Uuid) -> ApiResult<bool> {
    let gone = tombstones::Entity::delete_by_id((patient, collection.to_owned(), id)).exec(tx.conn()).await?;
    Ok(gone.rows_affected > 0)
}
