//! What was given on the day of a dosing session, one row a version.

use sea_orm::entity::prelude::*;

use crate::data_map::{Class, ColumnRule, Erasure, Export, Form, KeyOwner, Owner, TableRule};
use crate::ids::{AccountId, PatientId, SessionId};

/// What was given on the day of a dosing session, one row a version.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "administrations")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub patient_id: PatientId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub session_id: SessionId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub version: i32,
    pub recorded_by: AccountId,
    pub recorded_at: DateTimeUtc,
    pub record_sealed: Vec<u8>,
}

impl ActiveModelBehavior for ActiveModel {}

/// How each column is classed, stored, exported and erased.
pub const RULES: TableRule = TableRule {
    table: "administrations",
    owner: Owner::Patient("patient_id"),
    erasure: Erasure::Stays("the clinic's record, kept for its retention"),
    columns: &[
        ColumnRule::new("patient_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("session_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("version", Class::Bookkeeping, Form::Clear, Export::Yes),
        ColumnRule::new("recorded_by", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("recorded_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("record_sealed", Class::Health, Form::Sealed(KeyOwner::ClinicRecord), Export::Yes),
    ],
};
