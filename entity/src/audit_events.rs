//! Who read or changed whose data, when: a chain of HMACs without gaps.

use sea_orm::entity::prelude::*;

use crate::data_map::{Class, ColumnRule, Erasure, Export, Form, Owner, TableRule};

/// Who read or changed whose data, when: a chain of HMACs without gaps.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_events")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub stream: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub seq: i64,
    pub at: DateTimeUtc,
    pub actor_id: Option<Uuid>,
    #[sea_orm(column_type = "Text")]
    pub action: String,
    pub subject_id: Option<Uuid>,
    #[sea_orm(column_type = "Text")]
    pub resource: String,
    #[sea_orm(column_type = "Text")]
    pub outcome: String,
    #[sea_orm(column_type = "Text")]
    pub request_id: String,
    pub mac: Vec<u8>,
}

impl ActiveModelBehavior for ActiveModel {}

/// How each column is classed, stored, exported and erased.
pub const RULES: TableRule = TableRule {
    table: "audit_events",
    owner: Owner::Clinic("stream"),
    erasure: Erasure::Stays("pseudonymous proof of who read what"),
    columns: &[
        ColumnRule::new("stream", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("seq", Class::Bookkeeping, Form::Clear, Export::Yes),
        ColumnRule::new("at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("actor_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("action", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new("subject_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("resource", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new("outcome", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new("request_id", Class::Bookkeeping, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("mac", Class::Bookkeeping, Form::Hashed, Export::No("internal bookkeeping")),
    ],
};
