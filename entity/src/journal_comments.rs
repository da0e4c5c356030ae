//! What the patient and those an entry is shared with write below it.

use sea_orm::entity::prelude::*;

use crate::data_map::{Class, ColumnRule, Erasure, Export, Form, KeyOwner, Owner, TableRule};
use crate::ids::{AccountId, CommentId, JournalEntryId, PatientId};

/// What the patient and those an entry is shared with write below it.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "journal_comments")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub patient_id: PatientId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: CommentId,
    pub entry_id: JournalEntryId,
    pub author_id: AccountId,
    pub body_sealed: Vec<u8>,
    pub created_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// How each column is classed, stored, exported and erased.
pub const RULES: TableRule = TableRule {
    table: "journal_comments",
    owner: Owner::Patient("patient_id"),
    erasure: Erasure::RowsGo,
    columns: &[
        ColumnRule::new("patient_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("entry_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("author_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("body_sealed", Class::Health, Form::Sealed(KeyOwner::ClinicRecord), Export::Yes),
        ColumnRule::new("created_at", Class::Time, Form::Clear, Export::Yes),
    ],
};
