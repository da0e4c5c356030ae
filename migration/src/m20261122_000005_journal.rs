//! The journal beyond its entries: tags, and comments on what was shared.

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
        let tags = Table::alter().table("journal_entries").add_column(blob("tags_sealed").null()).to_owned();
        manager.alter_table(tags).await?;
        manager.create_table(journal_comments()).await?;
        manager.create_index(index("journal_comments", &["patient_id", "entry_id", "created_at"])).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("journal_comments").to_owned()).await?;
        let tags = Table::alter().table("journal_entries").drop_column("tags_sealed").to_owned();
        manager.alter_table(tags).await
    }
}

fn journal_comments() -> TableCreateStatement {
    Table::create()
        .table("journal_comments")
        .col(uuid("patient_id").not_null())
        .col(uuid("id").not_null())
        .col(uuid("entry_id").not_null())
        .col(uuid("author_id").not_null())
        .col(blob("body_sealed").not_null())
        .col(time("created_at").not_null())
        .primary_key(Index::create().col("patient_id").col("id"))
        .to_owned()
}
