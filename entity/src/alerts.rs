//! Safety alerts raised by an answer, open until a named person acknowledges them.

use sea_orm::entity::prelude::*;

use crate::data_map::{Class, ColumnRule, Erasure, Export, Form, KeyOwner, Owner, TableRule};
use crate::ids::{AccountId, AlertId, PatientId};

/// Safety alerts raised by an answer, open until a named person acknowledges them.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "alerts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub patient_id: PatientId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AlertId,
    #[sea_orm(column_type = "Text")]
    pub rule: String,
    #[sea_orm(column_type = "Text")]
    pub level: String,
    #[sea_orm(column_type = "Text")]
    pub source_kind: String,
    pub source_id: Uuid,
    pub step: i32,
    pub raised_at: DateTimeUtc,
    pub acknowledged_at: Option<DateTimeUtc>,
    pub acknowledged_by: Option<AccountId>,
    pub note_sealed: Option<Vec<u8>>,
    /// When the next step of the ladder is told; empty for what waits for the next review.
    pub next_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}

/// How each column is classed, stored, exported and erased.
pub const RULES: TableRule = TableRule {
    table: "alerts",
    owner: Owner::Patient("patient_id"),
    erasure: Erasure::Stays("the clinic's record, kept for its retention"),
    columns: &[
        ColumnRule::new("patient_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("rule", Class::Health, Form::Clear, Export::Yes),
        ColumnRule::new("level", Class::Health, Form::Clear, Export::Yes),
        ColumnRule::new("source_kind", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("source_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("step", Class::Bookkeeping, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("raised_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("acknowledged_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("acknowledged_by", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new(
            "note_sealed",
            Class::Health,
            Form::Sealed(KeyOwner::ClinicRecord),
            Export::No("the clinic's record"),
        ),
        ColumnRule::new("next_at", Class::Bookkeeping, Form::Clear, Export::No("internal bookkeeping")),
    ],
};
