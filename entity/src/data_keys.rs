//! Wrapped data keys, one for each owner; destroying a row makes all that it sealed unreadable.

use sea_orm::entity::prelude::*;

use crate::data_map::{Class, ColumnRule, Erasure, Export, Form, Owner, TableRule};

/// Wrapped data keys, one for each owner; destroying a row makes all that it sealed unreadable.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "data_keys")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub owner_kind: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub owner_id: Uuid,
    #[sea_orm(column_type = "Text")]
    pub kek_id: String,
    pub generation: i32,
    pub wrapped: Vec<u8>,
    pub created_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// How each column is classed, stored, exported and erased.
pub const RULES: TableRule = TableRule {
    table: "data_keys",
    owner: Owner::KeyOwner("owner_id"),
    erasure: Erasure::RowsGo,
    columns: &[
        ColumnRule::new("owner_kind", Class::Bookkeeping, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("owner_id", Class::Reference, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("kek_id", Class::Bookkeeping, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("generation", Class::Bookkeeping, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("wrapped", Class::Secret, Form::Hashed, Export::No("a secret")),
        ColumnRule::new("created_at", Class::Time, Form::Clear, Export::No("internal bookkeeping")),
    ],
};
