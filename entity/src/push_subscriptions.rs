//! Where a device can be reached by Web Push.

use sea_orm::entity::prelude::*;

use crate::data_map::{Class, ColumnRule, Erasure, Export, Form, KeyOwner, Owner, TableRule};
use crate::ids::{AccountId, LoginId, SubscriptionId};

/// Where a device can be reached by Web Push.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "push_subscriptions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: AccountId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SubscriptionId,
    pub login_id: LoginId,
    #[sea_orm(column_type = "Text")]
    pub vapid_kid: String,
    pub endpoint_index: Vec<u8>,
    #[sea_orm(column_type = "Text")]
    pub endpoint_index_kid: String,
    pub subscription_sealed: Vec<u8>,
    #[sea_orm(column_type = "Text")]
    pub platform: Option<String>,
    #[sea_orm(column_type = "Text")]
    pub state: String,
    pub revision: i32,
    pub last_accepted_at: Option<DateTimeUtc>,
    pub last_shown_at: Option<DateTimeUtc>,
    pub last_failure_at: Option<DateTimeUtc>,
    #[sea_orm(column_type = "Text")]
    pub last_failure: Option<String>,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// How each column is classed, stored, exported and erased.
pub const RULES: TableRule = TableRule {
    table: "push_subscriptions",
    owner: Owner::Account("account_id"),
    erasure: Erasure::RowsGo,
    columns: &[
        ColumnRule::new("account_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("login_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("vapid_kid", Class::Bookkeeping, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new(
            "endpoint_index",
            Class::Secret,
            Form::Hashed,
            Export::No("the endpoint itself is exported"),
        ),
        ColumnRule::new(
            "endpoint_index_kid",
            Class::Bookkeeping,
            Form::Clear,
            Export::No("internal bookkeeping"),
        ),
        ColumnRule::new("subscription_sealed", Class::Secret, Form::Sealed(KeyOwner::Account), Export::Yes),
        ColumnRule::new("platform", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new("state", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new("revision", Class::Bookkeeping, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("last_accepted_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("last_shown_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("last_failure_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("last_failure", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new("created_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("updated_at", Class::Time, Form::Clear, Export::Yes),
    ],
};
