//! When an alert climbs to the next who are told, when a mail told them, and who stands in for whom.

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
        let column = time("next_at").null().take();
        manager.alter_table(Table::alter().table("alerts").add_column(column).to_owned()).await?;
        let mailed = time("mailed_at").null().take();
        manager.alter_table(Table::alter().table("notifications").add_column(mailed).to_owned()).await?;
        let conn = manager.get_connection();
        // Nobody was told of those that are open: their ladder begins now.
        conn.execute_unprepared(
            "UPDATE alerts SET next_at = raised_at WHERE acknowledged_at IS NULL AND level <> 'info'",
        )
        .await?;
        conn.execute_unprepared(
            "CREATE INDEX alerts_due ON alerts (next_at) WHERE acknowledged_at IS NULL AND next_at IS NOT NULL",
        )
        .await?;
        conn.execute_unprepared(
            "CREATE INDEX notifications_alerts ON notifications (origin_id, recipient_id) WHERE origin_kind = 'alert'",
        )
        .await?;
        manager.create_table(covers()).await?;
        manager.create_index(index("covers", &["covering_id", "ends_at"])).await?;
        manager.create_index(index("covers", &["member_id", "ends_at"])).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("covers").to_owned()).await?;
        manager.get_connection().execute_unprepared("DROP INDEX notifications_alerts").await?;
        manager.get_connection().execute_unprepared("DROP INDEX alerts_due").await?;
        manager
            .alter_table(Table::alter().table("notifications").drop_column("mailed_at").to_owned())
            .await?;
        manager.alter_table(Table::alter().table("alerts").drop_column("next_at").to_owned()).await
    }
}

fn covers() -> TableCreateStatement {
    Table::create()
        .table("covers")
        .col(uuid("id").not_null())
        .col(uuid("clinic_id").not_null())
        .col(uuid("member_id").not_null())
        .col(uuid("covering_id").not_null())
        .col(time("starts_at").not_null())
        .col(time("ends_at").not_null())
        .col(uuid("set_by").not_null())
        .col(time("created_at").not_null())
        .col(time("ended_at").null())
        .primary_key(Index::create().col("id"))
        .to_owned()
}
