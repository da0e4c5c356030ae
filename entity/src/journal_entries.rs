//! The head of a journal entry; its words live in its revisions.

use sea_orm::entity::prelude::*;

use crate::data_map::{Class, ColumnRule, Erasure, Export, Form, KeyOwner, Owner, TableRule};
use crate::ids::{JournalEntryId, PatientId};

/// The head of a journal entry; its words live in its revisions.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "journal_entries")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub patient_id: PatientId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: JournalEntryId,
    pub version: i32,
    pub sync_seq: i64,
    #[sea_orm(column_type = "Text")]
    pub state: String,
    #[sea_orm(column_type = "Text")]
    pub template_id: String,
    #[sea_orm(column_type = "Text")]
    pub template_version: String,
    pub head_revision: i32,
    pub to_talk_about: bool,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
    /// The entry or check-in that was changed elsewhere while these words were written offline.
    pub conflict_of: Option<Uuid>,
    pub tags_sealed: Option<Vec<u8>>,
}

impl ActiveModelBehavior for ActiveModel {}

/// How each column is classed, stored, exported and erased.
pub const RULES: TableRule = TableRule {
    table: "journal_entries",
    owner: Owner::Patient("patient_id"),
    erasure: Erasure::RowsGo,
    columns: &[
        ColumnRule::new("patient_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("version", Class::Bookkeeping, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("sync_seq", Class::Bookkeeping, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("state", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new("template_id", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new("template_version", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new("head_revision", Class::Bookkeeping, Form::Clear, Export::Yes),
        ColumnRule::new("to_talk_about", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new("created_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("updated_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("conflict_of", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("tags_sealed", Class::Health, Form::Sealed(KeyOwner::Patient), Export::Yes),
    ],
};
