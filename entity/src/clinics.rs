//! A clinic: where its people work and the zone its days are counted in.

use sea_orm::entity::prelude::*;

use crate::data_map::{Class, ColumnRule, Erasure, Export, Form, KeyOwner, Owner, TableRule};
use crate::ids::{AccountId, ClinicId};

/// A clinic: where its people work and the zone its days are counted in.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "clinics")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ClinicId,
    pub name_sealed: Vec<u8>,
    #[sea_orm(column_type = "Text")]
    pub country: String,
    #[sea_orm(column_type = "Text")]
    pub zone: String,
    pub phone_sealed: Option<Vec<u8>>,
    pub version: i32,
    pub created_at: DateTimeUtc,
    /// How and when the clinic answers alerts; without it no measure is assigned that may raise an urgent one.
    pub response_policy_sealed: Option<Vec<u8>>,
    /// When a clinician signed the thresholds of our own forms; until then they raise nothing.
    pub form_thresholds_signed_at: Option<DateTimeUtc>,
    pub form_thresholds_signed_by: Option<AccountId>,
    #[sea_orm(column_type = "Text")]
    pub form_thresholds_content: Option<String>,
    /// When the clinic is open in a week, as JSON; without it Monday to Friday, 09:00 to 17:00.
    #[sea_orm(column_type = "Text")]
    pub hours: Option<String>,
    /// What the clinic changed of the reminders around sessions, as JSON.
    #[sea_orm(column_type = "Text")]
    pub timeline: Option<String>,
    /// Rises with every change of the timeline.
    pub timeline_version: i32,
}

impl ActiveModelBehavior for ActiveModel {}

/// How each column is classed, stored, exported and erased.
pub const RULES: TableRule = TableRule {
    table: "clinics",
    owner: Owner::Clinic("id"),
    erasure: Erasure::Stays("belongs to the clinic"),
    columns: &[
        ColumnRule::new("id", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("name_sealed", Class::Identity, Form::Sealed(KeyOwner::Clinic), Export::Yes),
        ColumnRule::new("country", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new("zone", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new("phone_sealed", Class::Identity, Form::Sealed(KeyOwner::Clinic), Export::Yes),
        ColumnRule::new("version", Class::Bookkeeping, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new("created_at", Class::Time, Form::Clear, Export::No("internal bookkeeping")),
        ColumnRule::new(
            "response_policy_sealed",
            Class::Setting,
            Form::Sealed(KeyOwner::Clinic),
            Export::Yes,
        ),
        ColumnRule::new("form_thresholds_signed_at", Class::Time, Form::Clear, Export::Yes),
        ColumnRule::new("form_thresholds_signed_by", Class::Reference, Form::Clear, Export::Yes),
        ColumnRule::new("form_thresholds_content", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new("hours", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new("timeline", Class::Setting, Form::Clear, Export::Yes),
        ColumnRule::new(
            "timeline_version",
            Class::Bookkeeping,
            Form::Clear,
            Export::No("internal bookkeeping"),
        ),
    ],
};
