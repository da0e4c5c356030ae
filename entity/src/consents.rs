//! Consents given and withdrawn; never changed otherwise.

use sea_orm::entity::prelude::*;

use crate::data_map::{Class, ColumnRule, Erasure, Export, Form, Owner, TableRule};
use crate::ids::{ConsentId, PatientId};

/// Consents given and withdrawn; never changed otherwise.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "consents")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub patient_id: PatientId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ConsentId,
    #[sea_orm(column_type = "Text")]
    pub purpose: String,
    #[sea_orm(column_type = "Text")]
    pub text_version: String,
    #[sea_orm(column_type = "Text")]
    pub locale: String,
    pub given_at: DateTimeUtc,
    pub withdrawn_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}

/// How each column is classed, stored, exported and erased.
pub const RULES: TableRule = TableRule {
    table: "consents",
    owner: Owner::Patient("patient_id"),
    erasure: Erasure::RowsGo,
    columns: &[
        ColumnRule::new("patient_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("purpose", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new("text_version", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new("locale", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new("given_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("withdrawn_at", Class::Time, Form::Clear, Export::Yes),
    ],
};
