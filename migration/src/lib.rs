//! Schema changes, one file each; they never import the entities, so that an old change keeps meaning what it meant.

pub use sea_orm_migration::prelude::*;

mod columns;
mod m20261122_000001_people;
mod m20261122_000002_records;
mod m20261122_000003_reminders;
mod m20261122_000009_measures;
mod m20261122_000010_prompts;
mod m20261122_000011_plans;

pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261122_000001_people::Migration),
            Box::new(m20261122_000002_records::Migration),
            Box::new(m20261122_000003_reminders::Migration),
            Box::new(m20261122_000009_measures::Migration),
            Box::new(m20261122_000010_prompts::Migration),
            Box::new(m20261122_000011_plans::Migration),
        ]
    }
}
