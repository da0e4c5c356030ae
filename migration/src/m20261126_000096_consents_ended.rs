//! A consent that nobody withdrew, but that a restored backup could not know to stand.

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
        let ended_by = text("ended_by").null().take();
        manager.alter_table(Table::alter().table("consents").add_column(ended_by).to_owned()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.alter_table(Table::alter().table("consents").drop_column("ended_by").to_owned()).await
    }
}
