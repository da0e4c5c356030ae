//! Questionnaires that a patient filled in: the answers sealed, what they come to readable.

use sea_orm::entity::prelude::*;

use crate::data_map::{Class, ColumnRule, Erasure, Export, Form, KeyOwner, Owner, TableRule};
use crate::ids::{MeasureAssignmentId, MeasureResponseId, PatientId};

/// Questionnaires that a patient filled in: the answers sealed, what they come to readable.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "measure_responses")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub patient_id: PatientId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: MeasureResponseId,
    pub version: i32,
    pub sync_seq: i64,
    #[sea_orm(column_type = "Text")]
    pub measure_id: String,
    #[sea_orm(column_type = "Text")]
    pub measure_version: String,
    #[sea_orm(column_type = "Text")]
    pub language: String,
    #[sea_orm(column_type = "Text")]
    pub state: String,
    pub assignment_id: Option<MeasureAssignmentId>,
    pub shared_at: Option<DateTimeUtc>,
    pub started_at: Option<DateTimeUtc>,
    pub taken_at: DateTimeUtc,
    pub total: Option<f64>,
    #[sea_orm(column_type = "Text", nullable)]
    pub band: Option<String>,
    /// Score id to number, as JSON.
    #[sea_orm(column_type = "Text")]
    pub scores: String,
    /// Ids of the safety rules that held, with spaces between.
    #[sea_orm(column_type = "Text")]
    pub flags: String,
    pub answers_sealed: Vec<u8>,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// How each column is classed, stored, exported and erased.
pub const RULES: TableRule = TableRule {
    table: "measure_responses",
    owner: Owner::Patient("patient_id"),
    erasure: Erasure::RowsGo,
    columns: &[
        ColumnRule::new("patient_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("version", Class::Bookkeeping, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("sync_seq", Class::Bookkeeping, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("measure_id", Class::Health, Form::Clear, Export::Yes),
        ColumnRule::new("measure_version", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("language", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new("state", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new("assignment_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("shared_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("started_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("taken_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("total", Class::Health, Form::Clear, Export::Yes),
        ColumnRule::new("band", Class::Health, Form::Clear, Export::Yes),
        ColumnRule::new("scores", Class::Health, Form::Clear, Export::Yes),
        ColumnRule::new("flags", Class::Health, Form::Clear, Export::Yes),
        ColumnRule::new("answers_sealed", Class::Health, Form::Sealed(KeyOwner::Patient), Export::Yes),
        ColumnRule::new("created_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("updated_at", Class::Time, Form::Clear, Export::Yes),
    ],
};
