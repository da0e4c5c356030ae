//! Standing rules that come from the content, and how they are reacted to.

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
        for column in [
            text("template_id").null().take(),
            int("unanswered").not_null().default(0).take(),
            time("rested_at").null().take(),
        ] {
            manager.alter_table(Table::alter().table("reminders").add_column(column).to_owned()).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in ["rested_at", "unanswered", "template_id"] {
            manager.alter_table(Table::alter().table("reminders").drop_column(column).to_owned()).await?;
        }
        Ok(())
    }
}
