//! What sync needs: how far tombstones are gone, which operations of devices were done, and where a copy came from.

use sea_orm_migration::prelude::*;

use crate::columns::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(sync_ops()).await?;
        let floor = big("sync_floor").not_null().default(0).take();
        manager.alter_table(Table::alter().table("patients").add_column(floor).to_owned()).await?;
        let origin = uuid("conflict_of").null().take();
        manager.alter_table(Table::alter().table("journal_entries").add_column(origin).to_owned()).await?;
        manager.create_index(index("sync_ops", &["applied_at"])).await?;
        manager.create_index(index("tombstones", &["deleted_at"])).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_index(Index::drop().name("tombstones_deleted_at").table("tombstones").to_owned())
            .await?;
        manager
            .alter_table(Table::alter().table("journal_entries").drop_column("conflict_of").to_owned())
            .await?;
        manager.alter_table(Table::alter().table("patients").drop_column("sync_floor").to_owned()).await?;
        manager.drop_table(Table::drop().table("sync_ops").to_owned()).await
    }
}

fn sync_ops() -> TableCreateStatement {
    Table::create()
        .table("sync_ops")
        .col(uuid("patient_id").not_null())
        .col(uuid("op_id").not_null())
        .col(blob("fingerprint").not_null())
        .col(int("version").null())
        .col(uuid("copy_id").null())
        .col(time("applied_at").not_null())
        .primary_key(Index::create().col("patient_id").col("op_id"))
        .to_owned()
}
