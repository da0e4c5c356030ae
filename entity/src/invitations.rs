//! One-use codes by which a clinic lets people in.

use sea_orm::entity::prelude::*;

use crate::data_map::{Class, ColumnRule, Erasure, Export, Form, KeyOwner, Owner, TableRule};
use crate::ids::{AccountId, ClinicId, InvitationId};

/// One-use codes by which a clinic lets people in.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "invitations")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: InvitationId,
    pub clinic_id: ClinicId,
    #[sea_orm(column_type = "Text")]
    pub kind: String,
    pub code_hash: Vec<u8>,
    pub code_sealed: Option<Vec<u8>>,
    pub invited_by: AccountId,
    pub member_id: Option<AccountId>,
    #[sea_orm(column_type = "Text")]
    pub capabilities: String,
    #[sea_orm(column_type = "Text")]
    pub profession: Option<String>,
    pub label_sealed: Option<Vec<u8>>,
    pub attempts: i32,
    pub created_at: DateTimeUtc,
    pub expires_at: DateTimeUtc,
    pub used_at: Option<DateTimeUtc>,
    pub used_by: Option<AccountId>,
    pub revoked_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}

/// How each column is classed, stored, exported and erased.
pub const RULES: TableRule = TableRule {
    table: "invitations",
    owner: Owner::Clinic("clinic_id"),
    erasure: Erasure::Stays("names nobody once its label is destroyed with the clinic key"),
    columns: &[
        ColumnRule::new("id", Class::Reference, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("clinic_id", Class::Reference, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("kind", Class::Setting, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("code_hash", Class::Secret, Form::Hashed, Export::No("a secret")),
        ColumnRule::new("code_sealed", Class::Secret, Form::Sealed(KeyOwner::Clinic), Export::No("a secret")),
        ColumnRule::new("invited_by", Class::Reference, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("member_id", Class::Reference, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("capabilities", Class::Setting, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("profession", Class::Setting, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new(
            "label_sealed",
            Class::Identity,
            Form::Sealed(KeyOwner::Clinic),
            Export::No("the clinic's own note"),
        ),
        ColumnRule::new("attempts", Class::Bookkeeping, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("created_at", Class::Time, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("expires_at", Class::Time, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("used_at", Class::Time, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("used_by", Class::Reference, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("revoked_at", Class::Time, Form::Clear, Export::No("internal bookkeeping")),
    ],
};
