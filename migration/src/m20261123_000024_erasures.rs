//! Who asked for erasure, and whose was done.

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
            .table("erasures")
            .col(uuid("patient_id").not_null())
            .col(uuid("clinic_id").not_null())
            .col(time("requested_at").not_null())
            .col(time("due_at").not_null())
            .col(time("done_at").null())
            .primary_key(Index::create().col("patient_id"))
            .to_owned();
        manager.create_table(table).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("erasures").to_owned()).await
    }
}
