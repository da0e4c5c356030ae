//! The row every write about a patient locks first; it holds the sync counter.

use sea_orm::entity::prelude::*;

use crate::data_map::{Class, ColumnRule, Erasure, Export, Form, Owner, TableRule};
use crate::ids::PatientId;

/// The row every write about a patient locks first; it holds the sync counter.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "patients")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub patient_id: PatientId,
    pub sync_seq: i64,
    /// The sync number up to which tombstones are gone.
    pub sync_floor: i64,
    /// The version of the clinic's timeline by which reminders are planned.
    pub timeline_version: i32,
}

impl ActiveModelBehavior for ActiveModel {}

/// How each column is classed, stored, exported and erased.
pub const RULES: TableRule = TableRule {
    table: "patients",
    owner: Owner::Patient("patient_id"),
    erasure: Erasure::RowsGo,
    columns: &[
        ColumnRule::new("patient_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("sync_seq", Class::Bookkeeping, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("sync_floor", Class::Bookkeeping, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new(
            "timeline_version",
            Class::Bookkeeping,
            Form::Clear,
            Export::No("internal bookkeeping"),
        ),
    ],
};
