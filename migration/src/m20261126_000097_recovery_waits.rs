//! A code of the front desk that works after a wait, because the patient had none of their own recovery codes.

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
        let ready_at = time("ready_at").null().take();
        manager.alter_table(Table::alter().table("reset_tokens").add_column(ready_at).to_owned()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.alter_table(Table::alter().table("reset_tokens").drop_column("ready_at").to_owned()).await
    }
}
