//! What patients ask the clinic for: a new, another or no time, and what the clinic offers.

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
        manager.create_table(session_requests()).await?;
        manager.create_index(index("session_requests", &["patient_id", "created_at", "id"])).await?;
        manager.create_index(index("session_requests", &["clinic_id", "state", "created_at", "id"])).await?;
        // A clinic finds one by its id alone.
        manager.create_index(index("session_requests", &["id"])).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("session_requests").to_owned()).await
    }
}

fn session_requests() -> TableCreateStatement {
    Table::create()
        .table("session_requests")
        .col(uuid("patient_id").not_null())
        .col(uuid("id").not_null())
        .col(int("version").not_null())
        .col(uuid("clinic_id").not_null())
        .col(text("kind").not_null())
        .col(uuid("session_id").null())
        .col(blob("preferred_sealed").not_null())
        .col(blob("note_sealed").null())
        .col(text("state").not_null())
        .col(blob("answer_sealed").null())
        .col(time("offer_expires_at").null())
        .col(uuid("answered_by").null())
        .col(time("answered_at").null())
        .col(time("created_at").not_null())
        .col(time("updated_at").not_null())
        .primary_key(Index::create().col("patient_id").col("id"))
        .to_owned()
}
