//! Goals: what a patient wants to reach, notes on the way, and who else may read them. Check-ins become findable by
//! their local date, for trends.

use sea_orm_migration::prelude::*;

use crate::columns::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const CHECKINS_BY_DATE: &[&str] = &["patient_id", "local_date"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(goals()).await?;
        manager.create_table(goal_progress()).await?;
        manager.create_table(goal_entries()).await?;
        manager.create_table(goal_shares()).await?;
        for index in [
            index("goals", &["patient_id", "created_at", "id"]),
            index("goals", &["patient_id", "sync_seq"]),
            index("goal_progress", &["patient_id", "goal_id", "created_at", "id"]),
            index("goal_progress", &["patient_id", "sync_seq"]),
            index("goal_entries", &["patient_id", "entry_id"]),
            index("goal_shares", &["patient_id", "member_id"]),
            index("checkins", CHECKINS_BY_DATE),
        ] {
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let by_date = Index::drop().name("checkins_patient_id_local_date").table("checkins").to_owned();
        manager.drop_index(by_date).await?;
        for table in ["goal_shares", "goal_entries", "goal_progress", "goals"] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}

fn goals() -> TableCreateStatement {
    Table::create()
        .table("goals")
        .col(uuid("patient_id").not_null())
        .col(uuid("id").not_null())
        .col(int("version").not_null())
        .col(big("sync_seq").not_null())
        .col(text("state").not_null())
        .col(text("template_id").null())
        .col(blob("detail_sealed").not_null())
        .col(uuid("proposed_by").null())
        .col(time("agreed_at").null())
        .col(time("state_changed_at").not_null())
        .col(time("created_at").not_null())
        .col(time("updated_at").not_null())
        .primary_key(Index::create().col("patient_id").col("id"))
        .to_owned()
}

fn goal_progress() -> TableCreateStatement {
    Table::create()
        .table("goal_progress")
        .col(uuid("patient_id").not_null())
        .col(uuid("id").not_null())
        .col(uuid("goal_id").not_null())
        .col(int("version").not_null())
        .col(big("sync_seq").not_null())
        .col(blob("note_sealed").not_null())
        .col(time("created_at").not_null())
        .col(time("updated_at").not_null())
        .primary_key(Index::create().col("patient_id").col("id"))
        .to_owned()
}

fn goal_entries() -> TableCreateStatement {
    Table::create()
        .table("goal_entries")
        .col(uuid("patient_id").not_null())
        .col(uuid("goal_id").not_null())
        .col(uuid("entry_id").not_null())
        .primary_key(Index::create().col("patient_id").col("goal_id").col("entry_id"))
        .to_owned()
}

fn goal_shares() -> TableCreateStatement {
    Table::create()
        .table("goal_shares")
        .col(uuid("patient_id").not_null())
        .col(uuid("goal_id").not_null())
        .col(uuid("member_id").not_null())
        .col(time("until").null())
        .col(time("shared_at").not_null())
        .col(time("ended_at").null())
        .primary_key(Index::create().col("patient_id").col("goal_id").col("member_id"))
        .to_owned()
}
