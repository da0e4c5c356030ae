//! Archives of everything that is a patient's, made on request and kept for a short time.

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
        let exports = Table::create()
            .table("exports")
            .col(uuid("patient_id").not_null())
            .col(uuid("id").not_null())
            .col(text("state").not_null())
            .col(text("locale").not_null())
            .col(time("requested_at").not_null())
            .col(time("ready_at").null())
            .col(time("expires_at").not_null())
            .col(big("bytes").not_null())
            .col(int("chunks").not_null())
            .primary_key(Index::create().col("patient_id").col("id"))
            .to_owned();
        manager.create_table(exports).await?;
        manager.create_index(index("exports", &["expires_at"])).await?;
        let chunks = Table::create()
            .table("export_chunks")
            .col(uuid("patient_id").not_null())
            .col(uuid("export_id").not_null())
            .col(int("number").not_null())
            .col(blob("content_sealed").not_null())
            .primary_key(Index::create().col("patient_id").col("export_id").col("number"))
            .to_owned();
        manager.create_table(chunks).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("export_chunks").to_owned()).await?;
        manager.drop_table(Table::drop().table("exports").to_owned()).await
    }
}
