//! Hashes of the codes that stand in for a lost second factor; each goes when it is used.

use sea_orm::entity::prelude::*;

use crate::data_map::{Class, ColumnRule, Erasure, Export, Form, Owner, TableRule};
use crate::ids::AccountId;

/// Hashes of the codes that stand in for a lost second factor; each goes when it is used.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "recovery_codes")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: AccountId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub code_hash: Vec<u8>,
    pub created_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// How each column is classed, stored, exported and erased.
pub const RULES: TableRule = TableRule {
    table: "recovery_codes",
    owner: Owner::Account("account_id"),
    erasure: Erasure::RowsGo,
    columns: &[
        ColumnRule::new("account_id", Class::Reference, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("code_hash", Class::Secret, Form::Hashed, Export::No("a secret")),
        ColumnRule::new("created_at", Class::Time, Form::Clear, Export::Yes),
    ],
};
