//! Answers kept for a day so that a repeated request has one effect.

use sea_orm::entity::prelude::*;

use crate::data_map::{Class, ColumnRule, Erasure, Export, Form, KeyOwner, Owner, TableRule};
use crate::ids::AccountId;

/// Answers kept for a day so that a repeated request has one effect.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "idempotency_keys")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: AccountId,
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub operation: String,
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub key: String,
    pub request_mac: Vec<u8>,
    pub status: i32,
    #[sea_orm(column_type = "Text")]
    pub etag: Option<String>,
    pub answer_sealed: Option<Vec<u8>>,
    pub created_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// How each column is classed, stored, exported and erased.
pub const RULES: TableRule = TableRule {
    table: "idempotency_keys",
    owner: Owner::Account("account_id"),
    erasure: Erasure::RowsGo,
    columns: &[
        ColumnRule::new("account_id", Class::Reference, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("operation", Class::Bookkeeping, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("key", Class::Bookkeeping, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("request_mac", Class::Bookkeeping, Form::Hashed, Export::No("internal bookkeeping")),
        ColumnRule::new("status", Class::Bookkeeping, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("etag", Class::Bookkeeping, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new(
            "answer_sealed",
            Class::Health,
            Form::Sealed(KeyOwner::Account),
            Export::No("a copy of what the request answered"),
        ),
        ColumnRule::new("created_at", Class::Time, Form::Clear, Export::No("internal bookkeeping")),
    ],
};
