//! Addresses that somebody asked a new password for. Looked up later, by a worker, so that the answer to whoever asks
//! is the same for addresses that have an account and for those that have none.

use sea_orm::entity::prelude::*;

use crate::data_map::{Class, ColumnRule, Erasure, Export, Form, Owner, TableRule};

/// Addresses that somebody asked a new password for, known or not.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "reset_requests")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub email_index: Vec<u8>,
    pub requested_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// How each column is classed, stored, exported and erased.
pub const RULES: TableRule = TableRule {
    table: "reset_requests",
    owner: Owner::Nobody,
    erasure: Erasure::Stays("a keyed hash that a worker takes out within seconds"),
    columns: &[
        ColumnRule::new(
            "email_index",
            Class::Identity,
            Form::Hashed,
            Export::No("a keyed hash of an address"),
        ),
        ColumnRule::new("requested_at", Class::Time, Form::Clear, Export::No("internal bookkeeping")),
    ],
};
