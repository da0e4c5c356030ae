//! One notification to one device, and what its push service answered.

use sea_orm::entity::prelude::*;

use crate::data_map::{Class, ColumnRule, Erasure, Export, Form, Owner, TableRule};
use crate::ids::{AccountId, NotificationId, SubscriptionId};

/// One notification to one device, and what its push service answered.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "deliveries")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub recipient_id: AccountId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub notification_id: NotificationId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub subscription_id: SubscriptionId,
    #[sea_orm(column_type = "Text")]
    pub outcome: String,
    pub status: Option<i32>,
    pub attempts: i32,
    pub at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// How each column is classed, stored, exported and erased.
pub const RULES: TableRule = TableRule {
    table: "deliveries",
    owner: Owner::Account("recipient_id"),
    erasure: Erasure::RowsGo,
    columns: &[
        ColumnRule::new("recipient_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("notification_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("subscription_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("outcome", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new("status", Class::Bookkeeping, Form::Clear, Export::Yes),
        ColumnRule::new("attempts", Class::Bookkeeping, Form::Clear, Export::Yes),
        ColumnRule::new("at", Class::Time, Form::Clear, Export::Yes),
    ],
};
