//! What opens the choice of a new password, once: sent by mail, or given at the front desk.

use sea_orm::entity::prelude::*;

use crate::data_map::{Class, ColumnRule, Erasure, Export, Form, Owner, TableRule};
use crate::ids::AccountId;

/// What opens the choice of a new password, once: sent by mail, or given at the front desk.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "reset_tokens")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: AccountId,
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub kind: String,
    pub token_hash: Vec<u8>,
    pub made_by: Option<AccountId>,
    pub created_at: DateTimeUtc,
    pub expires_at: DateTimeUtc,
    /// From when on a code of the front desk works by itself; none until that was asked for.
    pub ready_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}

/// How each column is classed, stored, exported and erased.
pub const RULES: TableRule = TableRule {
    table: "reset_tokens",
    owner: Owner::Account("account_id"),
    erasure: Erasure::RowsGo,
    columns: &[
        ColumnRule::new("account_id", Class::Reference, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("kind", Class::Bookkeeping, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("token_hash", Class::Secret, Form::Hashed, Export::No("a secret")),
        ColumnRule::new("made_by", Class::Reference, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("created_at", Class::Time, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("expires_at", Class::Time, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("ready_at", Class::Time, Form::Clear, Export::No("internal bookkeeping")),
    ],
};
