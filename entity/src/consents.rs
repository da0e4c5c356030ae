//! A patient's answers to consent texts: appended, never changed. The latest for a purpose decides.

use sea_orm::entity::prelude::*;

use crate::data_map::{Class, ColumnRule, Erasure, Export, Form, Owner, TableRule};
use crate::ids::{ConsentId, PatientId};

/// One answer to a consent text: it gives the consent, or withdraws it.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "consents")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub patient_id: PatientId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ConsentId,
    #[sea_orm(column_type = "Text")]
    pub purpose: String,
    #[sea_orm(column_type = "Text")]
    pub text_version: String,
    #[sea_orm(column_type = "Text")]
    pub locale: String,
    /// When the answer was given; no two for one purpose have the same instant.
    pub given_at: DateTimeUtc,
    /// The same instant when the answer withdraws.
    pub withdrawn_at: Option<DateTimeUtc>,
    /// Of the words that were shown.
    #[sea_orm(column_type = "Text")]
    pub text_hash: String,
    /// `restore` when not the patient but a restored backup ended the consent.
    #[sea_orm(column_type = "Text", nullable)]
    pub ended_by: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}

/// How each column is classed, stored, exported and erased.
pub const RULES: TableRule = TableRule {
    table: "consents",
    owner: Owner::Patient("patient_id"),
    erasure: Erasure::Stays("proof that was asked and answered, kept for the clinic's retention"),
    columns: &[
        ColumnRule::new("patient_id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("purpose", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new("text_version", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new("locale", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new("given_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("withdrawn_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("text_hash", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new("ended_by", Class::Setting, Form::Clear, Export::Yes),
    ],
};
