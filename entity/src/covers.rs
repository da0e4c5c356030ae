//! Who stands in for a member of staff, and for how long.

use sea_orm::entity::prelude::*;

use crate::data_map::{Class, ColumnRule, Erasure, Export, Form, Owner, TableRule};
use crate::ids::{AccountId, ClinicId, CoverId};

/// Who stands in for a member of staff, and for how long.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "covers")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: CoverId,
    pub clinic_id: ClinicId,
    pub member_id: AccountId,
    pub covering_id: AccountId,
    pub starts_at: DateTimeUtc,
    pub ends_at: DateTimeUtc,
    pub set_by: AccountId,
    pub created_at: DateTimeUtc,
    /// When it was ended before its time.
    pub ended_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}

/// How each column is classed, stored, exported and erased.
pub const RULES: TableRule = TableRule {
    table: "covers",
    owner: Owner::Clinic("clinic_id"),
    erasure: Erasure::Stays("the clinic's record of who stood in for whom; it names no patient"),
    columns: &[
        ColumnRule::new("id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("clinic_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("member_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("covering_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("starts_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("ends_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("set_by", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("created_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("ended_at", Class::Time, Form::Clear, Export::Yes),
    ],
};
