//! One therapist proposes to hand a patient over to another; the patient answers.

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
            .table("handovers")
            .col(uuid("patient_id").not_null())
            .col(uuid("id").not_null())
            .col(uuid("from_member").not_null())
            .col(uuid("to_member").not_null())
            .col(time("proposed_at").not_null())
            .col(time("answered_at").null())
            .col(text("outcome").null())
            .primary_key(Index::create().col("patient_id").col("id"))
            .to_owned();
        manager.create_table(table).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("handovers").to_owned()).await
    }
}
