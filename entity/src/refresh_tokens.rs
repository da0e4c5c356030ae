//! Hashes of the refresh tokens of a login; found by the hash of what a client presents.

use sea_orm::entity::prelude::*;

use crate::data_map::{Class, ColumnRule, Erasure, Export, Form, Owner, TableRule};
use crate::ids::LoginId;

/// Hashes of the refresh tokens of a login; found by the hash of what a client presents.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "refresh_tokens")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub token_hash: Vec<u8>,
    pub login_id: LoginId,
    pub counter: i64,
}

impl ActiveModelBehavior for ActiveModel {}

/// How each column is classed, stored, exported and erased.
pub const RULES: TableRule = TableRule {
    table: "refresh_tokens",
    owner: Owner::Login("login_id"),
    erasure: Erasure::RowsGo,
    columns: &[
        ColumnRule::new("token_hash", Class::Secret, Form::Hashed, Export::No("a secret")),
        ColumnRule::new("login_id", Class::Reference, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("counter", Class::Bookkeeping, Form::Clear, Export::No("internal bookkeeping")),
    ],
};
