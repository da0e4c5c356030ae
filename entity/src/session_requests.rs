//! What patients ask the clinic for, and what it offers.

use sea_orm::entity::prelude::*;

use crate::data_map::{Class, ColumnRule, Erasure, Export, Form, KeyOwner, Owner, TableRule};
use crate::ids::{AccountId, ClinicId, PatientId, SessionId, SessionRequestId};

/// What patients ask the clinic for, and what it offers.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "session_requests")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub patient_id: PatientId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SessionRequestId,
    pub version: i32,
    pub clinic_id: ClinicId,
    #[sea_orm(column_type = "Text")]
    pub kind: String,
    pub session_id: Option<SessionId>,
    pub preferred_sealed: Vec<u8>,
    pub note_sealed: Option<Vec<u8>>,
    #[sea_orm(column_type = "Text")]
    pub state: String,
    pub answer_sealed: Option<Vec<u8>>,
    pub offer_expires_at: Option<DateTimeUtc>,
    pub answered_by: Option<AccountId>,
    pub answered_at: Option<DateTimeUtc>,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// How each column is classed, stored, exported and erased.
pub const RULES: TableRule = TableRule {
    table: "session_requests",
    owner: Owner::Patient("patient_id"),
    erasure: Erasure::RowsGo,
    columns: &[
        ColumnRule::new("patient_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("version", Class::Bookkeeping, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("clinic_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("kind", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new("session_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("preferred_sealed", Class::Time, Form::Sealed(KeyOwner::Patient), Export::Yes),
        ColumnRule::new("note_sealed", Class::Health, Form::Sealed(KeyOwner::Patient), Export::Yes),
        ColumnRule::new("state", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new("answer_sealed", Class::Health, Form::Sealed(KeyOwner::Clinic), Export::Yes),
        ColumnRule::new("offer_expires_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("answered_by", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("answered_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("created_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("updated_at", Class::Time, Form::Clear, Export::Yes),
    ],
};
