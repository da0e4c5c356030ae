//! Appointments of a treatment: evaluation, preparation, dosing, integration, follow-up, group.

use sea_orm::entity::prelude::*;

use crate::data_map::{Class, ColumnRule, Erasure, Export, Form, KeyOwner, Owner, TableRule};
use crate::ids::{AccountId, ClinicId, PatientId, SessionId};

/// Appointments of a treatment: evaluation, preparation, dosing, integration, follow-up, group.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "sessions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub patient_id: PatientId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SessionId,
    pub version: i32,
    pub sync_seq: i64,
    pub clinic_id: ClinicId,
    pub member_id: AccountId,
    #[sea_orm(column_type = "Text")]
    pub kind: String,
    #[sea_orm(column_type = "Text")]
    pub route: Option<String>,
    #[sea_orm(column_type = "Text")]
    pub location: String,
    pub starts_at: DateTimeUtc,
    pub ends_at: DateTimeUtc,
    #[sea_orm(column_type = "Text")]
    pub zone: String,
    pub placement: i32,
    #[sea_orm(column_type = "Text")]
    pub state: String,
    pub started_at: Option<DateTimeUtc>,
    pub ended_at: Option<DateTimeUtc>,
    pub plan_id: Option<Uuid>,
    #[sea_orm(column_type = "Text")]
    pub plan_key: Option<String>,
    pub group_id: Option<Uuid>,
    pub intention_sealed: Option<Vec<u8>>,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// How each column is classed, stored, exported and erased.
pub const RULES: TableRule = TableRule {
    table: "sessions",
    owner: Owner::Patient("patient_id"),
    erasure: Erasure::RowsGo,
    columns: &[
        ColumnRule::new("patient_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("version", Class::Bookkeeping, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("sync_seq", Class::Bookkeeping, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("clinic_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("member_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("kind", Class::Health, Form::Clear, Export::Yes),
        ColumnRule::new("route", Class::Health, Form::Clear, Export::Yes),
        ColumnRule::new("location", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new("starts_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("ends_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("zone", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new("placement", Class::Bookkeeping, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("state", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new("started_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("ended_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("plan_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("plan_key", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("group_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("intention_sealed", Class::Health, Form::Sealed(KeyOwner::Patient), Export::Yes),
        ColumnRule::new("created_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("updated_at", Class::Time, Form::Clear, Export::Yes),
    ],
};
