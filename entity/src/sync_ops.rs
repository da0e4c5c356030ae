//! Which operations of offline devices were done, so that one that is sent again is done once.

use sea_orm::entity::prelude::*;

use crate::data_map::{Class, ColumnRule, Erasure, Export, Form, Owner, TableRule};
use crate::ids::PatientId;

/// Which operations of offline devices were done, so that one that is sent again is done once.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "sync_ops")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub patient_id: PatientId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub op_id: Uuid,
    pub fingerprint: Vec<u8>,
    /// The version that the row got, if nothing had been written meanwhile.
    pub version: Option<i32>,
    /// The copy that was made of what this operation wrote, if something else had been written meanwhile.
    pub copy_id: Option<Uuid>,
    pub applied_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// How each column is classed, stored, exported and erased.
pub const RULES: TableRule = TableRule {
    table: "sync_ops",
    owner: Owner::Patient("patient_id"),
    erasure: Erasure::RowsGo,
    columns: &[
        ColumnRule::new("patient_id", Class::Reference, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("op_id", Class::Bookkeeping, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("fingerprint", Class::Bookkeeping, Form::Hashed, Export::No("internal bookkeeping")),
        ColumnRule::new("version", Class::Bookkeeping, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("copy_id", Class::Reference, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("applied_at", Class::Time, Form::Clear, Export::No("internal bookkeeping")),
    ],
};
