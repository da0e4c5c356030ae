//! What a patient wants to reach; its words, steps and target are sealed together.

use sea_orm::entity::prelude::*;

use crate::data_map::{Class, ColumnRule, Erasure, Export, Form, KeyOwner, Owner, TableRule};
use crate::ids::{AccountId, GoalId, PatientId};

/// What a patient wants to reach; its words, steps and target are sealed together.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "goals")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub patient_id: PatientId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: GoalId,
    pub version: i32,
    pub sync_seq: i64,
    #[sea_orm(column_type = "Text")]
    pub state: String,
    #[sea_orm(column_type = "Text")]
    pub template_id: Option<String>,
    pub detail_sealed: Vec<u8>,
    pub proposed_by: Option<AccountId>,
    pub agreed_at: Option<DateTimeUtc>,
    pub state_changed_at: DateTimeUtc,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// How each column is classed, stored, exported and erased.
pub const RULES: TableRule = TableRule {
    table: "goals",
    owner: Owner::Patient("patient_id"),
    erasure: Erasure::RowsGo,
    columns: &[
        ColumnRule::new("patient_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("version", Class::Bookkeeping, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("sync_seq", Class::Bookkeeping, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("state", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new("template_id", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new("detail_sealed", Class::Health, Form::Sealed(KeyOwner::Patient), Export::Yes),
        ColumnRule::new("proposed_by", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("agreed_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("state_changed_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("created_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("updated_at", Class::Time, Form::Clear, Export::Yes),
    ],
};
