//! Recordings and pictures of journal entries, in sealed chunks.

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
        manager.create_table(attachments()).await?;
        manager.create_table(attachment_chunks()).await?;
        manager.create_index(index("attachments", &["patient_id", "entry_id"])).await?;
        manager.create_index(index("attachments", &["expires_at"])).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["attachment_chunks", "attachments"] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}

fn attachments() -> TableCreateStatement {
    Table::create()
        .table("attachments")
        .col(uuid("patient_id").not_null())
        .col(uuid("id").not_null())
        .col(uuid("entry_id").not_null())
        .col(text("field_id").not_null())
        .col(text("kind").not_null())
        .col(text("media_type").not_null())
        .col(int("bytes").not_null())
        .col(int("received").not_null())
        .col(text("state").not_null())
        .col(blob("hash_sealed").null())
        .col(time("created_at").not_null())
        .col(time("expires_at").null())
        .primary_key(Index::create().col("patient_id").col("id"))
        .to_owned()
}

fn attachment_chunks() -> TableCreateStatement {
    Table::create()
        .table("attachment_chunks")
        .col(uuid("patient_id").not_null())
        .col(uuid("attachment_id").not_null())
        .col(int("number").not_null())
        .col(blob("content_sealed").not_null())
        .primary_key(Index::create().col("patient_id").col("attachment_id").col("number"))
        .to_owned()
}
