//! Recordings and pictures of journal entries, and how far their upload is; their content lives in chunks.

use sea_orm::entity::prelude::*;

use crate::data_map::{Class, ColumnRule, Erasure, Export, Form, KeyOwner, Owner, TableRule};
use crate::ids::{AttachmentId, JournalEntryId, PatientId};

/// Recordings and pictures of journal entries, and how far their upload is; their content lives in chunks.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "attachments")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub patient_id: PatientId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AttachmentId,
    pub entry_id: JournalEntryId,
    #[sea_orm(column_type = "Text")]
    pub field_id: String,
    #[sea_orm(column_type = "Text")]
    pub kind: String,
    #[sea_orm(column_type = "Text")]
    pub media_type: String,
    pub bytes: i32,
    pub received: i32,
    #[sea_orm(column_type = "Text")]
    pub state: String,
    pub hash_sealed: Option<Vec<u8>>,
    pub created_at: DateTimeUtc,
    pub expires_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}

/// How each column is classed, stored, exported and erased.
pub const RULES: TableRule = TableRule {
    table: "attachments",
    owner: Owner::Patient("patient_id"),
    erasure: Erasure::RowsGo,
    columns: &[
        ColumnRule::new("patient_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("entry_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("field_id", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new("kind", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new("media_type", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new("bytes", Class::Bookkeeping, Form::Clear, Export::Yes),
        ColumnRule::new("received", Class::Bookkeeping, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("state", Class::Bookkeeping, Form::Clear, Export::Yes),
        ColumnRule::new(
            "hash_sealed",
            Class::Health,
            Form::Sealed(KeyOwner::Patient),
            Export::No("only until the upload is complete"),
        ),
        ColumnRule::new("created_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("expires_at", Class::Time, Form::Clear, Export::No("internal bookkeeping")),
    ],
};
