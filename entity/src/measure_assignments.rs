//! Questionnaires that a member of the care team asked a patient to fill in.

use sea_orm::entity::prelude::*;

use crate::data_map::{Class, ColumnRule, Erasure, Export, Form, Owner, TableRule};
use crate::ids::{AccountId, ClinicId, MeasureAssignmentId, MeasureResponseId, PatientId};

/// Questionnaires that a member of the care team asked a patient to fill in.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "measure_assignments")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub patient_id: PatientId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: MeasureAssignmentId,
    pub version: i32,
    pub sync_seq: i64,
    pub clinic_id: ClinicId,
    pub member_id: AccountId,
    #[sea_orm(column_type = "Text")]
    pub measure_id: String,
    pub opens_at: DateTimeUtc,
    pub due_at: DateTimeUtc,
    #[sea_orm(column_type = "Text")]
    pub state: String,
    pub response_id: Option<MeasureResponseId>,
    pub plan_id: Option<Uuid>,
    pub closed_at: Option<DateTimeUtc>,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// How each column is classed, stored, exported and erased.
pub const RULES: TableRule = TableRule {
    table: "measure_assignments",
    owner: Owner::Patient("patient_id"),
    erasure: Erasure::RowsGo,
    columns: &[
        ColumnRule::new("patient_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("version", Class::Bookkeeping, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("sync_seq", Class::Bookkeeping, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("clinic_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("member_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("measure_id", Class::Health, Form::Clear, Export::Yes),
        ColumnRule::new("opens_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("due_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("state", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new("response_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("plan_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("closed_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("created_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("updated_at", Class::Time, Form::Clear, Export::Yes),
    ],
};
