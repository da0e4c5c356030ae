//! The bytes of an archive, piece by piece; each is sealed for its archive and its number.

use sea_orm::entity::prelude::*;

use crate::data_map::{Class, ColumnRule, Erasure, Export, Form, KeyOwner, Owner, TableRule};
use crate::ids::{ExportId, PatientId};

/// The bytes of an archive, piece by piece; each is sealed for its archive and its number.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "export_chunks")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub patient_id: PatientId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub export_id: ExportId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub number: i32,
    pub content_sealed: Vec<u8>,
}

impl ActiveModelBehavior for ActiveModel {}

const ITSELF: Export = Export::No("the archive itself");

/// How each column is classed, stored, exported and erased.
pub const RULES: TableRule = TableRule {
    table: "export_chunks",
    owner: Owner::Patient("patient_id"),
    erasure: Erasure::RowsGo,
    columns: &[
        ColumnRule::new("patient_id", Class::Reference, Form::Clear, ITSELF),
        ColumnRule::new("export_id", Class::Reference, Form::Clear, ITSELF),
        ColumnRule::new("number", Class::Bookkeeping, Form::Clear, ITSELF),
        ColumnRule::new("content_sealed", Class::Health, Form::Sealed(KeyOwner::Patient), ITSELF),
    ],
};
