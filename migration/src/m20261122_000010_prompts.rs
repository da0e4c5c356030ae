//! The safety plan, favourite exercises, and which exercise was offered when.

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
        manager.create_table(safety_plans()).await?;
        manager.create_table(prompt_favourites()).await?;
        manager.create_table(prompt_offers()).await?;
        manager.create_index(index("prompt_favourites", &["patient_id", "sync_seq"])).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["prompt_offers", "prompt_favourites", "safety_plans"] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}

fn safety_plans() -> TableCreateStatement {
    Table::create()
        .table("safety_plans")
        .col(uuid("patient_id").not_null())
        .col(int("version").not_null())
        .col(big("sync_seq").not_null())
        .col(blob("plan_sealed").not_null())
        .col(time("updated_at").not_null())
        .primary_key(Index::create().col("patient_id"))
        .to_owned()
}

fn prompt_favourites() -> TableCreateStatement {
    Table::create()
        .table("prompt_favourites")
        .col(uuid("patient_id").not_null())
        .col(text("prompt_id").not_null())
        .col(big("sync_seq").not_null())
        .col(boolean("active").not_null())
        .col(time("updated_at").not_null())
        .primary_key(Index::create().col("patient_id").col("prompt_id"))
        .to_owned()
}

fn prompt_offers() -> TableCreateStatement {
    Table::create()
        .table("prompt_offers")
        .col(uuid("patient_id").not_null())
        .col(date("local_date").not_null())
        .col(text("prompt_id").not_null())
        .col(time("offered_at").not_null())
        .primary_key(Index::create().col("patient_id").col("local_date").col("prompt_id"))
        .to_owned()
}
