//! Work that must happen later: mail, export, erasure, retention.

use sea_orm::entity::prelude::*;

use crate::data_map::{Class, ColumnRule, Erasure, Export, Form, KeyOwner, Owner, TableRule};
use crate::ids::JobId;

/// Work that must happen later: mail, export, erasure, retention.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "jobs")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: JobId,
    #[sea_orm(column_type = "Text")]
    pub kind: String,
    pub owner_id: Uuid,
    pub payload_sealed: Option<Vec<u8>>,
    #[sea_orm(column_type = "Text")]
    pub state: String,
    pub run_at: DateTimeUtc,
    pub lease_until: Option<DateTimeUtc>,
    pub fence: i64,
    pub attempts: i32,
    pub created_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// How each column is classed, stored, exported and erased.
pub const RULES: TableRule = TableRule {
    table: "jobs",
    owner: Owner::KeyOwner("owner_id"),
    erasure: Erasure::RowsGo,
    columns: &[
        ColumnRule::new("id", Class::Reference, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("kind", Class::Bookkeeping, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("owner_id", Class::Reference, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new(
            "payload_sealed",
            Class::Health,
            Form::Sealed(KeyOwner::Account),
            Export::No("internal bookkeeping"),
        ),
        ColumnRule::new("state", Class::Bookkeeping, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("run_at", Class::Time, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("lease_until", Class::Bookkeeping, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("fence", Class::Bookkeeping, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("attempts", Class::Bookkeeping, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("created_at", Class::Time, Form::Clear, Export::No("internal bookkeeping")),
    ],
};
