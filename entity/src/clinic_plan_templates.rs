//! A clinic's own templates of treatment plans, laid over those of the content.

use sea_orm::entity::prelude::*;

use crate::data_map::{Class, ColumnRule, Erasure, Export, Form, KeyOwner, Owner, TableRule};
use crate::ids::{AccountId, ClinicId};

/// A clinic's own templates of treatment plans, laid over those of the content.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "clinic_plan_templates")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub clinic_id: ClinicId,
    pub version: i32,
    pub templates_sealed: Vec<u8>,
    pub updated_by: AccountId,
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// How each column is classed, stored, exported and erased.
pub const RULES: TableRule = TableRule {
    table: "clinic_plan_templates",
    owner: Owner::Clinic("clinic_id"),
    erasure: Erasure::Stays("belongs to the clinic"),
    columns: &[
        ColumnRule::new("clinic_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("version", Class::Bookkeeping, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("templates_sealed", Class::Setting, Form::Sealed(KeyOwner::Clinic), Export::Yes),
        ColumnRule::new("updated_by", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("updated_at", Class::Time, Form::Clear, Export::Yes),
    ],
};
