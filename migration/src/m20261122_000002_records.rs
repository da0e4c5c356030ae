//! What patients keep and what clinics schedule.

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
        manager.create_table(checkins()).await?;
        manager.create_table(journal_entries()).await?;
        manager.create_table(journal_revisions()).await?;
        manager.create_table(journal_shares()).await?;
        manager.create_table(sessions()).await?;
        manager.create_table(alerts()).await?;
        manager.create_table(tombstones()).await?;
        for index in indexes() {
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [
            "tombstones",
            "alerts",
            "sessions",
            "journal_shares",
            "journal_revisions",
            "journal_entries",
            "checkins",
        ] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}

fn checkins() -> TableCreateStatement {
    Table::create()
        .table("checkins")
        .col(uuid("patient_id").not_null())
        .col(uuid("id").not_null())
        .col(int("version").not_null())
        .col(big("sync_seq").not_null())
        .col(date("local_date").not_null())
        .col(text("local_time").not_null())
        .col(text("zone").not_null())
        .col(time("scheduled_at").null())
        .col(time("started_at").null())
        .col(time("taken_at").not_null())
        .col(int("mood").not_null())
        .col(int("anxiety").null())
        .col(int("energy").null())
        .col(double("sleep_hours").null())
        .col(blob("detail_sealed").null())
        .col(boolean("flagged").not_null())
        .col(time("created_at").not_null())
        .col(time("updated_at").not_null())
        .primary_key(Index::create().col("patient_id").col("id"))
        .to_owned()
}

fn journal_entries() -> TableCreateStatement {
    Table::create()
        .table("journal_entries")
        .col(uuid("patient_id").not_null())
        .col(uuid("id").not_null())
        .col(int("version").not_null())
        .col(big("sync_seq").not_null())
        .col(text("state").not_null())
        .col(text("template_id").not_null())
        .col(text("template_version").not_null())
        .col(int("head_revision").not_null())
        .col(boolean("to_talk_about").not_null())
        .col(time("created_at").not_null())
        .col(time("updated_at").not_null())
        .primary_key(Index::create().col("patient_id").col("id"))
        .to_owned()
}

fn journal_revisions() -> TableCreateStatement {
    Table::create()
        .table("journal_revisions")
        .col(uuid("patient_id").not_null())
        .col(uuid("entry_id").not_null())
        .col(int("revision").not_null())
        .col(blob("body_sealed").not_null())
        .col(time("created_at").not_null())
        .primary_key(Index::create().col("patient_id").col("entry_id").col("revision"))
        .to_owned()
}

fn journal_shares() -> TableCreateStatement {
    Table::create()
        .table("journal_shares")
        .col(uuid("patient_id").not_null())
        .col(uuid("entry_id").not_null())
        .col(uuid("member_id").not_null())
        .col(time("until").null())
        .col(int("frozen_revision").null())
        .col(time("shared_at").not_null())
        .col(time("ended_at").null())
        .primary_key(Index::create().col("patient_id").col("entry_id").col("member_id"))
        .to_owned()
}

fn sessions() -> TableCreateStatement {
    Table::create()
        .table("sessions")
        .col(uuid("patient_id").not_null())
        .col(uuid("id").not_null())
        .col(int("version").not_null())
        .col(big("sync_seq").not_null())
        .col(uuid("clinic_id").not_null())
        .col(uuid("member_id").not_null())
        .col(text("kind").not_null())
        .col(text("route").null())
        .col(text("location").not_null())
        .col(time("starts_at").not_null())
        .col(time("ends_at").not_null())
        .col(text("zone").not_null())
        .col(int("placement").not_null())
        .col(text("state").not_null())
        .col(time("started_at").null())
        .col(time("ended_at").null())
        .col(uuid("plan_id").null())
        .col(text("plan_key").null())
        .col(uuid("group_id").null())
        .col(blob("intention_sealed").null())
        .col(time("created_at").not_null())
        .col(time("updated_at").not_null())
        .primary_key(Index::create().col("patient_id").col("id"))
        .to_owned()
}

fn alerts() -> TableCreateStatement {
    Table::create()
        .table("alerts")
        .col(uuid("patient_id").not_null())
        .col(uuid("id").not_null())
        .col(text("rule").not_null())
        .col(text("level").not_null())
        .col(text("source_kind").not_null())
        .col(uuid("source_id").not_null())
        .col(int("step").not_null())
        .col(time("raised_at").not_null())
        .col(time("acknowledged_at").null())
        .col(uuid("acknowledged_by").null())
        .col(blob("note_sealed").null())
        .primary_key(Index::create().col("patient_id").col("id"))
        .to_owned()
}

fn tombstones() -> TableCreateStatement {
    Table::create()
        .table("tombstones")
        .col(uuid("patient_id").not_null())
        .col(text("collection").not_null())
        .col(uuid("id").not_null())
        .col(big("sync_seq").not_null())
        .col(time("deleted_at").not_null())
        .primary_key(Index::create().col("patient_id").col("collection").col("id"))
        .to_owned()
}

fn indexes() -> Vec<IndexCreateStatement> {
    vec![
        index("checkins", &["patient_id", "taken_at", "id"]),
        index("checkins", &["patient_id", "sync_seq"]),
        index("journal_entries", &["patient_id", "created_at", "id"]),
        index("journal_entries", &["patient_id", "sync_seq"]),
        index("journal_shares", &["member_id", "patient_id", "shared_at", "entry_id"]),
        index("sessions", &["patient_id", "starts_at", "id"]),
        index("sessions", &["patient_id", "sync_seq"]),
        index("sessions", &["member_id", "starts_at"]),
        index("tombstones", &["patient_id", "sync_seq"]),
    ]
}
