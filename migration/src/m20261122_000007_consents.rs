//! Which words were shown when a consent was answered, and answers that nothing can change any more.

use sea_orm_migration::{prelude::*, sea_orm::DatabaseBackend};

use crate::columns::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const SQLITE: [&str; 1] = ["CREATE TRIGGER consents_are_kept BEFORE UPDATE ON consents \
     BEGIN SELECT RAISE(ABORT, 'consents are never changed'); END"];
const POSTGRES: [&str; 2] = [
    "CREATE FUNCTION consents_are_kept() RETURNS trigger LANGUAGE plpgsql AS \
     $$ BEGIN RAISE EXCEPTION 'consents are never changed'; END $$",
    "CREATE TRIGGER consents_are_kept BEFORE UPDATE ON consents \
     FOR EACH ROW EXECUTE FUNCTION consents_are_kept()",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let hash = text("text_hash").not_null().default("").take();
        manager.alter_table(Table::alter().table("consents").add_column(hash).to_owned()).await?;
        let statements: &[&str] = match manager.get_database_backend() {
            DatabaseBackend::Postgres => &POSTGRES,
            _ => &SQLITE,
        };
        for statement in statements {
            manager.get_connection().execute_unprepared(statement).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let postgres = manager.get_database_backend() == DatabaseBackend::Postgres;
        let on = if postgres { " ON consents" } else { "" };
        manager.get_connection().execute_unprepared(&format!("DROP TRIGGER consents_are_kept{on}")).await?;
        if postgres {
            manager.get_connection().execute_unprepared("DROP FUNCTION consents_are_kept()").await?;
        }
        manager.alter_table(Table::alter().table("consents").drop_column("text_hash").to_owned()).await
    }
}
