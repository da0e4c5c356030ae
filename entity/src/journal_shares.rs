//! Which member of the care team may read which entry, until when, and in which revision.

use sea_orm::entity::prelude::*;

use crate::data_map::{Class, ColumnRule, Erasure, Export, Form, Owner, TableRule};
use crate::ids::{AccountId, JournalEntryId, PatientId};

/// Which member of the care team may read which entry, until when, and in which revision.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "journal_shares")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub patient_id: PatientId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub entry_id: JournalEntryId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub member_id: AccountId,
    pub until: Option<DateTimeUtc>,
    pub frozen_revision: Option<i32>,
    pub shared_at: DateTimeUtc,
    pub ended_at: Option<DateTimeUtc>,
    /// When the member marked what is shown as reviewed; empty again when live words change.
    pub reviewed_at: Option<DateTimeUtc>,
    pub reviewed_revision: Option<i32>,
}

impl ActiveModelBehavior for ActiveModel {}

/// How each column is classed, stored, exported and erased.
pub const RULES: TableRule = TableRule {
    table: "journal_shares",
    owner: Owner::Patient("patient_id"),
    erasure: Erasure::RowsGo,
    columns: &[
        ColumnRule::new("patient_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("entry_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("member_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("until", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("frozen_revision", Class::Bookkeeping, Form::Clear, Export::Yes),
        ColumnRule::new("shared_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("ended_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("reviewed_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("reviewed_revision", Class::Bookkeeping, Form::Clear, Export::Yes),
    ],
};
