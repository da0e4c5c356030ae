//! Which exercise was offered on which day, so that none comes again too soon.

use sea_orm::entity::prelude::*;

use crate::data_map::{Class, ColumnRule, Erasure, Export, Form, Owner, TableRule};
use crate::ids::PatientId;

/// Which exercise was offered on which day, so that none comes again too soon.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "prompt_offers")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub patient_id: PatientId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub local_date: Date,
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub prompt_id: String,
    pub offered_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// How each column is classed, stored, exported and erased.
pub const RULES: TableRule = TableRule {
    table: "prompt_offers",
    owner: Owner::Patient("patient_id"),
    erasure: Erasure::RowsGo,
    columns: &[
        ColumnRule::new("patient_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("local_date", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("prompt_id", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new("offered_at", Class::Time, Form::Clear, Export::Yes),
    ],
};
