//! Archives of everything that is a patient's, made on request and kept for a short time.

use sea_orm::entity::prelude::*;

use crate::data_map::{Class, ColumnRule, Erasure, Export, Form, Owner, TableRule};
use crate::ids::{ExportId, PatientId};

/// Archives of everything that is a patient's, made on request and kept for a short time.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "exports")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub patient_id: PatientId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ExportId,
    #[sea_orm(column_type = "Text")]
    pub state: String,
    #[sea_orm(column_type = "Text")]
    pub locale: String,
    pub requested_at: DateTimeUtc,
    pub ready_at: Option<DateTimeUtc>,
    pub expires_at: DateTimeUtc,
    pub bytes: i64,
    pub chunks: i32,
}

impl ActiveModelBehavior for ActiveModel {}

const ITSELF: Export = Export::No("the archive itself");

/// How each column is classed, stored, exported and erased.
pub const RULES: TableRule = TableRule {
    table: "exports",
    owner: Owner::Patient("patient_id"),
    erasure: Erasure::RowsGo,
    columns: &[
        ColumnRule::new("patient_id", Class::Reference, Form::Clear, ITSELF),
        ColumnRule::new("id", Class::Reference, Form::Clear, ITSELF),
        ColumnRule::new("state", Class::Bookkeeping, Form::Clear, ITSELF),
        ColumnRule::new("locale", Class::Setting, Form::Clear, ITSELF),
        ColumnRule::new("requested_at", Class::Time, Form::Clear, ITSELF),
        ColumnRule::new("ready_at", Class::Time, Form::Clear, ITSELF),
        ColumnRule::new("expires_at", Class::Time, Form::Clear, ITSELF),
        ColumnRule::new("bytes", Class::Bookkeeping, Form::Clear, ITSELF),
        ColumnRule::new("chunks", Class::Bookkeeping, Form::Clear, ITSELF),
    ],
};
