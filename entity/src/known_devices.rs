//! Devices that somebody has logged in from: strangers who guess at an account cannot shut these out.

use sea_orm::entity::prelude::*;

use crate::data_map::{Class, ColumnRule, Erasure, Export, Form, Owner, TableRule};
use crate::ids::AccountId;

/// Devices that somebody has logged in from: strangers who guess at an account cannot shut these out.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "known_devices")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: AccountId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub device_hash: Vec<u8>,
    pub created_at: DateTimeUtc,
    pub last_used_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// How each column is classed, stored, exported and erased.
pub const RULES: TableRule = TableRule {
    table: "known_devices",
    owner: Owner::Account("account_id"),
    erasure: Erasure::RowsGo,
    columns: &[
        ColumnRule::new("account_id", Class::Reference, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("device_hash", Class::Secret, Form::Hashed, Export::No("a secret")),
        ColumnRule::new("created_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("last_used_at", Class::Time, Form::Clear, Export::Yes),
    ],
};
