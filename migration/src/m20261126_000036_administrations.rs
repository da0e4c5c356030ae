//! What was given on the day of a dosing session: one row a version, none of which is ever changed.

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
            .table("administrations")
            .col(uuid("patient_id").not_null())
            .col(uuid("session_id").not_null())
            .col(int("version").not_null())
            .col(uuid("recorded_by").not_null())
            .col(time("recorded_at").not_null())
            .col(blob("record_sealed").not_null())
            .primary_key(Index::create().col("patient_id").col("session_id").col("version"))
            .to_owned();
        manager.create_table(table).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("administrations").to_owned()).await
    }
}
