//! The second factor: a seed that waits for its first code, recovery codes, and the devices that an account knows.

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
        let pending = blob("totp_pending_sealed").null().take();
        manager.alter_table(Table::alter().table("accounts").add_column(pending).to_owned()).await?;
        let short = boolean("password_short").not_null().default(false).take();
        manager.alter_table(Table::alter().table("accounts").add_column(short).to_owned()).await?;
        manager.create_table(recovery_codes()).await?;
        manager.create_table(known_devices()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("known_devices").to_owned()).await?;
        manager.drop_table(Table::drop().table("recovery_codes").to_owned()).await?;
        manager
            .alter_table(Table::alter().table("accounts").drop_column("password_short").to_owned())
            .await?;
        manager
            .alter_table(Table::alter().table("accounts").drop_column("totp_pending_sealed").to_owned())
            .await
    }
}

fn recovery_codes() -> TableCreateStatement {
    Table::create()
        .table("recovery_codes")
        .col(uuid("account_id").not_null())
        .col(blob("code_hash").not_null())
        .col(time("created_at").not_null())
        .primary_key(Index::create().col("account_id").col("code_hash"))
        .to_owned()
}

fn known_devices() -> TableCreateStatement {
    Table::create()
        .table("known_devices")
        .col(uuid("account_id").not_null())
        .col(blob("device_hash").not_null())
        .col(time("created_at").not_null())
        .col(time("last_used_at").not_null())
        .primary_key(Index::create().col("account_id").col("device_hash"))
        .to_owned()
}
