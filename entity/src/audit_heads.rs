//! The last link of each audit chain.

use sea_orm::entity::prelude::*;

use crate::data_map::{Class, ColumnRule, Erasure, Export, Form, Owner, TableRule};

/// The last link of each audit chain.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_heads")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub stream: Uuid,
    pub seq: i64,
    pub mac: Vec<u8>,
}

impl ActiveModelBehavior for ActiveModel {}

/// How each column is classed, stored, exported and erased.
pub const RULES: TableRule = TableRule {
    table: "audit_heads",
    owner: Owner::Clinic("stream"),
    erasure: Erasure::Stays("belongs to the audit chain"),
    columns: &[
        ColumnRule::new("stream", Class::Reference, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("seq", Class::Bookkeeping, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("mac", Class::Bookkeeping, Form::Hashed, Export::No("internal bookkeeping")),
    ],
};
