//! Counted attempts behind the login, registration and invitation limits, shared by all replicas.

use sea_orm::entity::prelude::*;

use crate::data_map::{Class, ColumnRule, Erasure, Export, Form, Owner, TableRule};

/// Counted attempts behind the login, registration and invitation limits, shared by all replicas.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "login_attempts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub bucket: Vec<u8>,
    pub attempts: i32,
    pub window_start: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// How each column is classed, stored, exported and erased.
pub const RULES: TableRule = TableRule {
    table: "login_attempts",
    owner: Owner::Nobody,
    erasure: Erasure::Stays("a keyed hash that expires within a day"),
    columns: &[
        ColumnRule::new(
            "bucket",
            Class::Identity,
            Form::Hashed,
            Export::No("a keyed hash of an address or a network"),
        ),
        ColumnRule::new("attempts", Class::Bookkeeping, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("window_start", Class::Time, Form::Clear, Export::No("internal bookkeeping")),
    ],
};
