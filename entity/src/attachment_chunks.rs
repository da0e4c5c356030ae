//! The content of attachments, piece by piece; each is sealed for its number and for the length of the whole.

use sea_orm::entity::prelude::*;

use crate::data_map::{Class, ColumnRule, Erasure, Export, Form, KeyOwner, Owner, TableRule};
use crate::ids::{AttachmentId, PatientId};

/// The content of attachments, piece by piece; each is sealed for its number and for the length of the whole.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "attachment_chunks")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub patient_id: PatientId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub attachment_id: AttachmentId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub number: i32,
    pub content_sealed: Vec<u8>,
}

impl ActiveModelBehavior for ActiveModel {}

/// How each column is classed, stored, exported and erased.
pub const RULES: TableRule = TableRule {
    table: "attachment_chunks",
    owner: Owner::Patient("patient_id"),
    erasure: Erasure::RowsGo,
    columns: &[
        ColumnRule::new("patient_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("attachment_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("number", Class::Bookkeeping, Form::Clear, Export::Yes),
        ColumnRule::new("content_sealed", Class::Health, Form::Sealed(KeyOwner::Patient), Export::Yes),
    ],
};
