//! Mood check-ins: the one home of the daily form.

use sea_orm::entity::prelude::*;

use crate::data_map::{Class, ColumnRule, Erasure, Export, Form, KeyOwner, Owner, TableRule};
use crate::ids::{CheckinId, PatientId};

/// Mood check-ins: the one home of the daily form.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "checkins")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub patient_id: PatientId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: CheckinId,
    pub version: i32,
    pub sync_seq: i64,
    pub local_date: Date,
    #[sea_orm(column_type = "Text")]
    pub local_time: String,
    #[sea_orm(column_type = "Text")]
    pub zone: String,
    pub scheduled_at: Option<DateTimeUtc>,
    pub started_at: Option<DateTimeUtc>,
    pub taken_at: DateTimeUtc,
    pub mood: i32,
    pub anxiety: Option<i32>,
    pub energy: Option<i32>,
    pub sleep_hours: Option<f64>,
    pub detail_sealed: Option<Vec<u8>>,
    pub flagged: bool,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// How each column is classed, stored, exported and erased.
pub const RULES: TableRule = TableRule {
    table: "checkins",
    owner: Owner::Patient("patient_id"),
    erasure: Erasure::RowsGo,
    columns: &[
        ColumnRule::new("patient_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("version", Class::Bookkeeping, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("sync_seq", Class::Bookkeeping, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("local_date", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("local_time", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("zone", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new("scheduled_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("started_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("taken_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("mood", Class::Health, Form::Clear, Export::Yes),
        ColumnRule::new("anxiety", Class::Health, Form::Clear, Export::Yes),
        ColumnRule::new("energy", Class::Health, Form::Clear, Export::Yes),
        ColumnRule::new("sleep_hours", Class::Health, Form::Clear, Export::Yes),
        ColumnRule::new("detail_sealed", Class::Health, Form::Sealed(KeyOwner::Patient), Export::Yes),
        ColumnRule::new("flagged", Class::Health, Form::Clear, Export::Yes),
        ColumnRule::new("created_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("updated_at", Class::Time, Form::Clear, Export::Yes),
    ],
};
