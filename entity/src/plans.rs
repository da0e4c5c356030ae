//! A course of treatment started from a template; its sessions and assignments name it.

use sea_orm::entity::prelude::*;

use crate::data_map::{Class, ColumnRule, Erasure, Export, Form, Owner, TableRule};
use crate::ids::{AccountId, ClinicId, PatientId, PlanId};

/// A course of treatment started from a template; its sessions and assignments name it.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "plans")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub patient_id: PatientId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PlanId,
    pub version: i32,
    pub sync_seq: i64,
    pub clinic_id: ClinicId,
    pub member_id: AccountId,
    pub started_by: AccountId,
    #[sea_orm(column_type = "Text")]
    pub template_id: String,
    #[sea_orm(column_type = "Text")]
    pub route: Option<String>,
    pub first_dosing_on: Date,
    #[sea_orm(column_type = "Text")]
    pub zone: String,
    #[sea_orm(column_type = "Text")]
    pub state: String,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// How each column is classed, stored, exported and erased.
pub const RULES: TableRule = TableRule {
    table: "plans",
    owner: Owner::Patient("patient_id"),
    erasure: Erasure::RowsGo,
    columns: &[
        ColumnRule::new("patient_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("version", Class::Bookkeeping, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("sync_seq", Class::Bookkeeping, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("clinic_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("member_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("started_by", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("template_id", Class::Health, Form::Clear, Export::Yes),
        ColumnRule::new("route", Class::Health, Form::Clear, Export::Yes),
        ColumnRule::new("first_dosing_on", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("zone", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new("state", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new("created_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("updated_at", Class::Time, Form::Clear, Export::Yes),
    ],
};
