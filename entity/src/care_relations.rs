//! Who cares for a patient, and since when.

use sea_orm::entity::prelude::*;

use crate::data_map::{Class, ColumnRule, Erasure, Export, Form, Owner, TableRule};
use crate::ids::{AccountId, ClinicId, PatientId, RelationId};

/// Who cares for a patient, and since when.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "care_relations")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub patient_id: PatientId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: RelationId,
    pub member_id: AccountId,
    pub clinic_id: ClinicId,
    pub started_at: DateTimeUtc,
    pub ended_at: Option<DateTimeUtc>,
    pub ended_by: Option<AccountId>,
    /// Rises with everything that changes what the member finds in the review queue.
    pub review_seq: i64,
}

impl ActiveModelBehavior for ActiveModel {}

/// How each column is classed, stored, exported and erased.
pub const RULES: TableRule = TableRule {
    table: "care_relations",
    owner: Owner::Patient("patient_id"),
    erasure: Erasure::RowsGo,
    columns: &[
        ColumnRule::new("patient_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("member_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("clinic_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("started_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("ended_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("ended_by", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("review_seq", Class::Bookkeeping, Form::Clear, Export::No("internal bookkeeping")),
    ],
};
