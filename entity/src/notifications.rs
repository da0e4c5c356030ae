//! The ledger: each planned occurrence and how it ended.

use sea_orm::entity::prelude::*;

use crate::data_map::{Class, ColumnRule, Erasure, Export, Form, Owner, TableRule};
use crate::ids::{AccountId, NotificationId, PatientId};

/// The ledger: each planned occurrence and how it ended.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "notifications")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub recipient_id: AccountId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: NotificationId,
    pub subject_patient_id: PatientId,
    #[sea_orm(column_type = "Text")]
    pub origin_kind: String,
    pub origin_id: Uuid,
    #[sea_orm(column_type = "Text")]
    pub template_id: Option<String>,
    #[sea_orm(column_type = "Text")]
    pub category: String,
    #[sea_orm(column_type = "Text")]
    pub priority: String,
    pub routine: bool,
    pub local_date: Date,
    #[sea_orm(column_type = "Text")]
    pub slot: String,
    pub due_at: DateTimeUtc,
    pub expires_at: DateTimeUtc,
    #[sea_orm(column_type = "Text")]
    pub state: String,
    #[sea_orm(column_type = "Text")]
    pub reason: Option<String>,
    pub lease_until: Option<DateTimeUtc>,
    pub fence: i64,
    pub attempts: i32,
    pub next_attempt_at: DateTimeUtc,
    pub accepted_at: Option<DateTimeUtc>,
    /// When a mail with the same word left, for what goes by mail too.
    pub mailed_at: Option<DateTimeUtc>,
    pub shown_at: Option<DateTimeUtc>,
    pub opened_at: Option<DateTimeUtc>,
    pub done_at: Option<DateTimeUtc>,
    pub snoozed_at: Option<DateTimeUtc>,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// How each column is classed, stored, exported and erased.
pub const RULES: TableRule = TableRule {
    table: "notifications",
    owner: Owner::Account("recipient_id"),
    erasure: Erasure::RowsGo,
    columns: &[
        ColumnRule::new("recipient_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("subject_patient_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("origin_kind", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("origin_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("template_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("category", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new("priority", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new("routine", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new("local_date", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("slot", Class::Bookkeeping, Form::Clear, Export::Yes),
        ColumnRule::new("due_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("expires_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("state", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new("reason", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new("lease_until", Class::Bookkeeping, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("fence", Class::Bookkeeping, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("attempts", Class::Bookkeeping, Form::Clear, Export::Yes),
        ColumnRule::new(
            "next_attempt_at",
            Class::Bookkeeping,
            Form::Clear,
            Export::No("internal bookkeeping"),
        ),
        ColumnRule::new("accepted_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("mailed_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("shown_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("opened_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("done_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("snoozed_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("created_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("updated_at", Class::Time, Form::Clear, Export::Yes),
    ],
};
