//! A person who logs in: patient, staff or supporter.

use sea_orm::entity::prelude::*;

use crate::data_map::{Class, ColumnRule, Erasure, Export, Form, KeyOwner, Owner, TableRule};
use crate::ids::{AccountId, ClinicId};

/// A person who logs in: patient, staff or supporter.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "accounts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AccountId,
    #[sea_orm(column_type = "Text")]
    pub kind: String,
    pub clinic_id: ClinicId,
    #[sea_orm(column_type = "Text")]
    pub state: String,
    pub epoch: i32,
    #[sea_orm(column_type = "Text")]
    pub capabilities: String,
    #[sea_orm(column_type = "Text")]
    pub profession: Option<String>,
    #[sea_orm(column_type = "Text")]
    pub locale: String,
    #[sea_orm(column_type = "Text")]
    pub zone: String,
    #[sea_orm(column_type = "Text")]
    pub zone_mode: String,
    pub email_index: Vec<u8>,
    #[sea_orm(column_type = "Text")]
    pub email_index_kid: String,
    pub email_sealed: Vec<u8>,
    pub name_sealed: Vec<u8>,
    #[sea_orm(column_type = "Text")]
    pub password_hash: String,
    pub password_short: bool,
    pub totp_seed_sealed: Option<Vec<u8>>,
    pub totp_pending_sealed: Option<Vec<u8>>,
    pub totp_last_step: Option<i64>,
    pub totp_confirmed_at: Option<DateTimeUtc>,
    pub version: i32,
    pub created_at: DateTimeUtc,
    pub closed_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}

/// How each column is classed, stored, exported and erased.
pub const RULES: TableRule = TableRule {
    table: "accounts",
    owner: Owner::Account("id"),
    erasure: Erasure::RowsGo,
    columns: &[
        ColumnRule::new("id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("kind", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new("clinic_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("state", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new("epoch", Class::Bookkeeping, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("capabilities", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new("profession", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new("locale", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new("zone", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new("zone_mode", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new(
            "email_index",
            Class::Identity,
            Form::Hashed,
            Export::No("the e-mail itself is exported"),
        ),
        ColumnRule::new(
            "email_index_kid",
            Class::Bookkeeping,
            Form::Clear,
            Export::No("internal bookkeeping"),
        ),
        ColumnRule::new("email_sealed", Class::Identity, Form::Sealed(KeyOwner::Account), Export::Yes),
        ColumnRule::new("name_sealed", Class::Identity, Form::Sealed(KeyOwner::Account), Export::Yes),
        ColumnRule::new("password_hash", Class::Secret, Form::Hashed, Export::No("a secret")),
        ColumnRule::new("password_short", Class::Setting, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new(
            "totp_pending_sealed",
            Class::Secret,
            Form::Sealed(KeyOwner::Account),
            Export::No("a secret"),
        ),
        ColumnRule::new(
            "totp_seed_sealed",
            Class::Secret,
            Form::Sealed(KeyOwner::Account),
            Export::No("a secret"),
        ),
        ColumnRule::new(
            "totp_last_step",
            Class::Bookkeeping,
            Form::Clear,
            Export::No("internal bookkeeping"),
        ),
        ColumnRule::new("totp_confirmed_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("version", Class::Bookkeeping, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("created_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("closed_at", Class::Time, Form::Clear, Export::Yes),
    ],
};
