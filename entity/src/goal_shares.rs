//! Which member of the care team may read which goal, and until when.

use sea_orm::entity::prelude::*;

use crate::data_map::{Class, ColumnRule, Erasure, Export, Form, Owner, TableRule};
use crate::ids::{AccountId, GoalId, PatientId};

/// Which member of the care team may read which goal, and until when.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "goal_shares")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub patient_id: PatientId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub goal_id: GoalId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub member_id: AccountId,
    pub until: Option<DateTimeUtc>,
    pub shared_at: DateTimeUtc,
    pub ended_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}

/// How each column is classed, stored, exported and erased.
pub const RULES: TableRule = TableRule {
    table: "goal_shares",
    owner: Owner::Patient("patient_id"),
    erasure: Erasure::RowsGo,
    columns: &[
        ColumnRule::new("patient_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("goal_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("member_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("until", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("shared_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("ended_at", Class::Time, Form::Clear, Export::Yes),
    ],
};
