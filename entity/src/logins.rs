//! One device that is logged in: a family of refresh tokens.

use sea_orm::entity::prelude::*;

use crate::data_map::{Class, ColumnRule, Erasure, Export, Form, KeyOwner, Owner, TableRule};
use crate::ids::{AccountId, LoginId};

/// One device that is logged in: a family of refresh tokens.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "logins")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: LoginId,
    pub account_id: AccountId,
    pub epoch: i32,
    #[sea_orm(column_type = "Text")]
    pub assurance: String,
    pub factor_at: DateTimeUtc,
    pub counter: i64,
    pub rotated_at: DateTimeUtc,
    pub device_name_sealed: Vec<u8>,
    pub created_at: DateTimeUtc,
    pub last_used_at: DateTimeUtc,
    pub idle_expires_at: DateTimeUtc,
    pub expires_at: DateTimeUtc,
    pub revoked_at: Option<DateTimeUtc>,
    #[sea_orm(column_type = "Text")]
    pub revoke_reason: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}

/// How each column is classed, stored, exported and erased.
pub const RULES: TableRule = TableRule {
    table: "logins",
    owner: Owner::Account("account_id"),
    erasure: Erasure::RowsGo,
    columns: &[
        ColumnRule::new("id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("account_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("epoch", Class::Bookkeeping, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("assurance", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new("factor_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("counter", Class::Bookkeeping, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("rotated_at", Class::Time, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("device_name_sealed", Class::Identity, Form::Sealed(KeyOwner::Account), Export::Yes),
        ColumnRule::new("created_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("last_used_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("idle_expires_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("expires_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("revoked_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("revoke_reason", Class::Setting, Form::Clear, Export::Yes),
    ],
};
