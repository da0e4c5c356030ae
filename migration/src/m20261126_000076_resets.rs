//! New passwords: who asked for one by mail, and what opens the choice of one.

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
        let requests = Table::create()
            .table("reset_requests")
            .col(blob("email_index").not_null())
            .col(time("requested_at").not_null())
            .primary_key(Index::create().col("email_index"))
            .to_owned();
        manager.create_table(requests).await?;
        let tokens = Table::create()
            .table("reset_tokens")
            .col(uuid("account_id").not_null())
            .col(text("kind").not_null())
            .col(blob("token_hash").not_null())
            .col(uuid("made_by").null())
            .col(time("created_at").not_null())
            .col(time("expires_at").not_null())
            .primary_key(Index::create().col("account_id").col("kind"))
            .to_owned();
        manager.create_table(tokens).await?;
        manager.create_index(unique("reset_tokens", &["token_hash"])).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("reset_tokens").to_owned()).await?;
        manager.drop_table(Table::drop().table("reset_requests").to_owned()).await
    }
}
