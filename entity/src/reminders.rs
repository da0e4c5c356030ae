//! Standing rules: what recurs on the patient's wall clock.

use sea_orm::entity::prelude::*;

use crate::data_map::{Class, ColumnRule, Erasure, Export, Form, KeyOwner, Owner, TableRule};
use crate::ids::{AccountId, PatientId, ReminderId};

/// Standing rules: what recurs on the patient's wall clock.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "reminders")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub patient_id: PatientId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ReminderId,
    pub version: i32,
    pub sync_seq: i64,
    #[sea_orm(column_type = "Text")]
    pub category: String,
    #[sea_orm(column_type = "Text")]
    pub recurrence: String,
    pub active: bool,
    pub text_sealed: Option<Vec<u8>>,
    pub set_by: AccountId,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
    /// The recurring template of the content it came from.
    #[sea_orm(column_type = "Text")]
    pub template_id: Option<String>,
    /// How many were shown since the last reaction; a cheap sign, not the count itself.
    pub unanswered: i32,
    /// Since when it rests, because nobody reacted to it; it waits for the patient's word.
    pub rested_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}

/// How each column is classed, stored, exported and erased.
pub const RULES: TableRule = TableRule {
    table: "reminders",
    owner: Owner::Patient("patient_id"),
    erasure: Erasure::RowsGo,
    columns: &[
        ColumnRule::new("patient_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("version", Class::Bookkeeping, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("sync_seq", Class::Bookkeeping, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("category", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new("recurrence", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new("active", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new("text_sealed", Class::Health, Form::Sealed(KeyOwner::Patient), Export::Yes),
        ColumnRule::new("set_by", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("created_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("updated_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("template_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("unanswered", Class::Bookkeeping, Form::Clear, Export::Yes),
        ColumnRule::new("rested_at", Class::Time, Form::Clear, Export::Yes),
    ],
};
