//! What a therapist has reviewed, and a number on each care relation by which they learn that something is new.

use sea_orm_migration::prelude::*;

use crate::columns::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const INDEXES: [(&str, &str); 3] = [
    (
        "journal_shares_waiting",
        "ON journal_shares (member_id, shared_at, entry_id) WHERE ended_at IS NULL AND reviewed_at IS NULL",
    ),
    ("journal_shares_until", "ON journal_shares (member_id, until) WHERE until IS NOT NULL"),
    ("alerts_open", "ON alerts (patient_id, raised_at) WHERE acknowledged_at IS NULL"),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let add = |table: &'static str, column: ColumnDef| {
            Table::alter().table(table).add_column(column).to_owned()
        };
        manager.alter_table(add("care_relations", big("review_seq").not_null().default(0).take())).await?;
        manager.alter_table(add("journal_shares", time("reviewed_at").null().take())).await?;
        manager.alter_table(add("journal_shares", int("reviewed_revision").null().take())).await?;
        for (name, on) in INDEXES {
            manager.get_connection().execute_unprepared(&format!("CREATE INDEX {name} {on}")).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (name, _) in INDEXES {
            manager.get_connection().execute_unprepared(&format!("DROP INDEX {name}")).await?;
        }
        let drop = |table: &'static str, column: &'static str| {
            Table::alter().table(table).drop_column(column).to_owned()
        };
        manager.alter_table(drop("journal_shares", "reviewed_revision")).await?;
        manager.alter_table(drop("journal_shares", "reviewed_at")).await?;
        manager.alter_table(drop("care_relations", "review_seq")).await
    }
}
