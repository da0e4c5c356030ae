//! Moving data keys to the key-encryption key in use, beside running servers. Each row is changed only if it still is
//! what was read: a key that was destroyed meanwhile stays destroyed. Broken off anywhere, it goes on where it was.

use entity::{data_keys, data_keys::Column};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::Expr,
};
use uuid::Uuid;

use super::{Vault, WrappedKey};
use crate::{
    audit::{self, Event, Outcome},
    db::Db,
    error::ApiResult,
};

const BATCH: u64 = 50;

/// What a rotation did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Rotated {
    pub moved: u64,
    /// Keys whose key-encryption key is not there any more; they stay as they are.
    pub unreadable: u64,
}

/// Wraps every data key under the key-encryption key in use.
pub async fn rotate(db: &Db, vault: &Vault) -> ApiResult<Rotated> {
    let active = vault.active_kek();
    let (mut rotated, mut last) = (Rotated::default(), (String::new(), Uuid::nil()));
    loop {
        let behind = Condition::any()
            .add(Column::OwnerKind.gt(&last.0))
            .add(Condition::all().add(Column::OwnerKind.eq(&last.0)).add(Column::OwnerId.gt(last.1)));
        let batch = data_keys::Entity::find()
            .filter(Column::KekId.ne(&active))
            .filter(behind)
            .order_by_asc(Column::OwnerKind)
            .order_by_asc(Column::OwnerId)
            .limit(BATCH)
            .all(db.reader())
            .await?;
        let Some(end) = batch.last() else { break };
        last = (end.owner_kind.clone(), end.owner_id);
        let txn = db.begin().await?;
        for row in batch {
            let (kind, id, old) = (row.owner_kind.clone(), row.owner_id, row.wrapped.clone());
            let new = WrappedKey::from_row(row).map(|key| vault.rewrap(&key));
            let Some(Ok(new)) = new else {
                rotated.unreadable += 1;
                continue;
            };
            let Some(new) = new else { continue };
            let changed = data_keys::Entity::update_many()
                .col_expr(Column::KekId, Expr::value(new.kek_id))
                .col_expr(Column::Wrapped, Expr::value(new.wrapped))
                .filter(Column::OwnerKind.eq(kind))
                .filter(Column::OwnerId.eq(id))
                .filter(Column::Wrapped.eq(old))
                .exec(&txn)
                .await?;
            rotated.moved += changed.rows_affected;
        }
        txn.commit().await?;
    }
    record(db, "keys.rotate", &active).await?;
    Ok(rotated)
}

/// How many data keys need this key-encryption key.
pub async fn wrapped_by(db: &Db, kid: &str) -> ApiResult<u64> {
    Ok(data_keys::Entity::find().filter(Column::KekId.eq(kid)).count(db.reader()).await?)
}

/// An act on keys, in the chain that belongs to no clinic.
pub async fn record(db: &Db, action: &'static str, kid: &str) -> ApiResult<()> {
    let event = Event { action, subject: None, resource: format!("keks/{kid}"), outcome: Outcome::Done };
    let row = event.stamp(db.clock().now(), None, "command-line");
    let txn = db.begin().await?;
    audit::append(&txn, db.engine(), db.audit_key(), audit::SYSTEM, vec![row]).await?;
    Ok(txn.commit().await?)
}
