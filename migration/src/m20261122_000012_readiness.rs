//! What a patient ticked off before a session.

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
        let table = Table::create()
            .table("session_readiness")
            .col(uuid("patient_id").not_null())
            .col(uuid("session_id").not_null())
            .col(text("item").not_null())
            .col(big("sync_seq").not_null())
            .col(boolean("done").not_null())
            .col(time("updated_at").not_null())
            .primary_key(Index::create().col("patient_id").col("session_id").col("item"))
            .to_owned();
        manager.create_table(table).await?;
        manager.create_index(index("session_readiness", &["patient_id", "sync_seq"])).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("session_readiness").to_owned()).await
    }
}
