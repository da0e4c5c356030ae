//! Which thresholds a clinician signed, so that new ones wait for a signature of their own.

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
        let content = text("form_thresholds_content").null().take();
        manager.alter_table(Table::alter().table("clinics").add_column(content).to_owned()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let content = "form_thresholds_content";
        manager.alter_table(Table::alter().table("clinics").drop_column(content).to_owned()).await
    }
}
