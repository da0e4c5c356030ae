//! Standing reminders, the ledger of notifications, devices, and later work.

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
        manager.create_table(reminders()).await?;
        manager.create_table(delivery_policies()).await?;
        manager.create_table(zone_history()).await?;
        manager.create_table(notifications()).await?;
        manager.create_table(deliveries()).await?;
        manager.create_table(push_subscriptions()).await?;
        manager.create_table(jobs()).await?;
        for index in indexes() {
            manager.create_index(index).await?;
        }
        manager.get_connection().execute_unprepared(
            "CREATE INDEX notifications_open ON notifications (next_attempt_at, recipient_id, id) WHERE state IN ('planned','claimed','retrying')",
        ).await?;
        manager
            .get_connection()
            .execute_unprepared(
                "CREATE INDEX jobs_open ON jobs (run_at, id) WHERE state IN ('planned','claimed')",
            )
            .await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [
            "jobs",
            "push_subscriptions",
            "deliveries",
            "notifications",
            "zone_history",
            "delivery_policies",
            "reminders",
        ] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}

fn reminders() -> TableCreateStatement {
    Table::create()
        .table("reminders")
        .col(uuid("patient_id").not_null())
        .col(uuid("id").not_null())
        .col(int("version").not_null())
        .col(big("sync_seq").not_null())
        .col(text("category").not_null())
        .col(text("recurrence").not_null())
        .col(boolean("active").not_null())
        .col(blob("text_sealed").null())
        .col(uuid("set_by").not_null())
        .col(time("created_at").not_null())
        .col(time("updated_at").not_null())
        .primary_key(Index::create().col("patient_id").col("id"))
        .to_owned()
}

fn delivery_policies() -> TableCreateStatement {
    Table::create()
        .table("delivery_policies")
        .col(uuid("patient_id").not_null())
        .col(int("version").not_null())
        .col(big("sync_seq").not_null())
        .col(text("policy").not_null())
        .col(time("paused_until").null())
        .col(time("updated_at").not_null())
        .primary_key(Index::create().col("patient_id"))
        .to_owned()
}

fn zone_history() -> TableCreateStatement {
    Table::create()
        .table("zone_history")
        .col(uuid("patient_id").not_null())
        .col(time("from_at").not_null())
        .col(text("zone").not_null())
        .primary_key(Index::create().col("patient_id").col("from_at"))
        .to_owned()
}

fn notifications() -> TableCreateStatement {
    Table::create()
        .table("notifications")
        .col(uuid("recipient_id").not_null())
        .col(uuid("id").not_null())
        .col(uuid("subject_patient_id").not_null())
        .col(text("origin_kind").not_null())
        .col(uuid("origin_id").not_null())
        .col(text("template_id").null())
        .col(text("category").not_null())
        .col(text("priority").not_null())
        .col(boolean("routine").not_null())
        .col(date("local_date").not_null())
        .col(text("slot").not_null())
        .col(time("due_at").not_null())
        .col(time("expires_at").not_null())
        .col(text("state").not_null())
        .col(text("reason").null())
        .col(time("lease_until").null())
        .col(big("fence").not_null())
        .col(int("attempts").not_null())
        .col(time("next_attempt_at").not_null())
        .col(time("accepted_at").null())
        .col(time("shown_at").null())
        .col(time("opened_at").null())
        .col(time("done_at").null())
        .col(time("snoozed_at").null())
        .col(time("created_at").not_null())
        .col(time("updated_at").not_null())
        .primary_key(Index::create().col("recipient_id").col("id"))
        .to_owned()
}

fn deliveries() -> TableCreateStatement {
    Table::create()
        .table("deliveries")
        .col(uuid("recipient_id").not_null())
        .col(uuid("notification_id").not_null())
        .col(uuid("subscription_id").not_null())
        .col(text("outcome").not_null())
        .col(int("status").null())
        .col(int("attempts").not_null())
        .col(time("at").not_null())
        .primary_key(Index::create().col("recipient_id").col("notification_id").col("subscription_id"))
        .to_owned()
}

fn push_subscriptions() -> TableCreateStatement {
    Table::create()
        .table("push_subscriptions")
        .col(uuid("account_id").not_null())
        .col(uuid("id").not_null())
        .col(uuid("login_id").not_null())
        .col(text("vapid_kid").not_null())
        .col(blob("endpoint_index").not_null())
        .col(text("endpoint_index_kid").not_null())
        .col(blob("subscription_sealed").not_null())
        .col(text("platform").null())
        .col(text("state").not_null())
        .col(int("revision").not_null())
        .col(time("last_accepted_at").null())
        .col(time("last_shown_at").null())
        .col(time("last_failure_at").null())
        .col(text("last_failure").null())
        .col(time("created_at").not_null())
        .col(time("updated_at").not_null())
        .primary_key(Index::create().col("account_id").col("id"))
        .to_owned()
}

fn jobs() -> TableCreateStatement {
    Table::create()
        .table("jobs")
        .col(uuid("id").not_null())
        .col(text("kind").not_null())
        .col(uuid("owner_id").not_null())
        .col(blob("payload_sealed").null())
        .col(text("state").not_null())
        .col(time("run_at").not_null())
        .col(time("lease_until").null())
        .col(big("fence").not_null())
        .col(int("attempts").not_null())
        .col(time("created_at").not_null())
        .primary_key(Index::create().col("id"))
        .to_owned()
}

fn indexes() -> Vec<IndexCreateStatement> {
    vec![
        index("reminders", &["patient_id", "sync_seq"]),
        unique("notifications", &["recipient_id", "slot"]),
        index("notifications", &["recipient_id", "due_at", "id"]),
        index("notifications", &["recipient_id", "origin_id"]),
        unique("push_subscriptions", &["endpoint_index"]),
        index("push_subscriptions", &["login_id"]),
    ]
}
