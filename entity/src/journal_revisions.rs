//! Every version of an entry that was ever saved.

use sea_orm::entity::prelude::*;

use crate::data_map::{Class, ColumnRule, Erasure, Export, Form, KeyOwner, Owner, TableRule};
use crate::ids::{JournalEntryId, PatientId};

/// Every version of an entry that was ever saved.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "journal_revisions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub patient_id: PatientId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub entry_id: JournalEntryId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub revision: i32,
    pub body_sealed: Vec<u8>,
    pub created_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// How each column is classed, stored, exported and erased.
pub const RULES: TableRule = TableRule {
    table: "journal_revisions",
    owner: Owner::Patient("patient_id"),
    erasure: Erasure::RowsGo,
    columns: &[
        ColumnRule::new("patient_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("entry_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("revision", Class::Bookkeeping, Form::Clear, Export::Yes),
        ColumnRule::new("body_sealed", Class::Health, Form::Sealed(KeyOwner::Patient), Export::Yes),
        ColumnRule::new("created_at", Class::Time, Form::Clear, Export::Yes),
    ],
};
