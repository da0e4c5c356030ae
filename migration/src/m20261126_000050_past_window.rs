//! Finds what is planned for after its own end without looking at everything that is planned: there is hardly ever any.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .get_connection()
            .execute_unprepared(
                "CREATE INDEX notifications_past_window ON notifications (expires_at) \
                 WHERE state IN ('planned','claimed','retrying') AND next_attempt_at > expires_at",
            )
            .await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared("DROP INDEX notifications_past_window").await?;
        Ok(())
    }
}
