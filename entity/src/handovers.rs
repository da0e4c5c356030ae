//! A therapist's proposal to hand a patient over to another, and the patient's answer.

use sea_orm::entity::prelude::*;

use crate::data_map::{Class, ColumnRule, Erasure, Export, Form, Owner, TableRule};
use crate::ids::{AccountId, HandoverId, PatientId};

/// A therapist's proposal to hand a patient over to another, and the patient's answer.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "handovers")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub patient_id: PatientId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: HandoverId,
    pub from_member: AccountId,
    pub to_member: AccountId,
    pub proposed_at: DateTimeUtc,
    pub answered_at: Option<DateTimeUtc>,
    /// `accepted`, `declined` or `withdrawn`.
    #[sea_orm(column_type = "Text")]
    pub outcome: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}

/// How each column is classed, stored, exported and erased.
pub const RULES: TableRule = TableRule {
    table: "handovers",
    owner: Owner::Patient("patient_id"),
    erasure: Erasure::RowsGo,
    columns: &[
        ColumnRule::new("patient_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("from_member", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("to_member", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("proposed_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("answered_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("outcome", Class::Setting, Form::Clear, Export::Yes),
    ],
};
