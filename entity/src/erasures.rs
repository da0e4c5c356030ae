//! Who asked for erasure, and whose was done: the ledger that a restored backup is held against.

use sea_orm::entity::prelude::*;

use crate::data_map::{Class, ColumnRule, Erasure, Export, Form, Owner, TableRule};
use crate::ids::{ClinicId, PatientId};

/// Who asked for erasure, and whose was done: the ledger that a restored backup is held against.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "erasures")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub patient_id: PatientId,
    pub clinic_id: ClinicId,
    pub requested_at: DateTimeUtc,
    pub due_at: DateTimeUtc,
    pub done_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}

/// How each column is classed, stored, exported and erased.
pub const RULES: TableRule = TableRule {
    table: "erasures",
    owner: Owner::Patient("patient_id"),
    erasure: Erasure::Stays("a bare id and three times: a restored backup is erased again by it"),
    columns: &[
        ColumnRule::new("patient_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("clinic_id", Class::Reference, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("requested_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("due_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("done_at", Class::Time, Form::Clear, Export::No("there is no export afterwards")),
    ],
};
