//! Wire types of care.

use chrono::{DateTime, Utc};
use entity::ids::{AccountId, ClinicId, InvitationId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    accounts::{Capability, check_zone},
    extract::Patch,
    validate::{Checks, Validate},
};

/// A clinic.
#[derive(Debug, Serialize, ToSchema)]
pub struct Clinic {
    #[schema(value_type = Uuid)]
    pub id: ClinicId,
    #[schema(example = "Praxis am Park")]
    pub name: String,
    /// ISO 3166-1 alpha-2.
    #[schema(example = "DE")]
    pub country: String,
    #[schema(example = "Europe/Berlin")]
    pub time_zone: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "+49 30 901820")]
    pub phone: Option<String>,
    /// Rises with every change; the ETag.
    #[schema(example = 1)]
    pub version: i32,
}

/// What to change of the clinic; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClinicPatch {
    #[schema(example = "Praxis am Park", min_length = 1, max_length = 120)]
    pub name: Option<String>,
    /// ISO 3166-1 alpha-2.
    #[schema(example = "DE", min_length = 2, max_length = 2, pattern = "^[A-Z]{2}$")]
    pub country: Option<String>,
    /// IANA name.
    #[schema(example = "Europe/Berlin", max_length = 64)]
    pub time_zone: Option<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "+49 30 901820", min_length = 3, max_length = 40)]
    pub phone: Patch<String>,
}

impl Validate for ClinicPatch {
    fn validate(&self, checks: &mut Checks) {
        checks.text("/name", self.name.as_deref().map(str::trim), 1, 120);
        checks.text("/phone", self.phone.value().map(String::as_str), 3, 40);
        let letters =
            |code: &String| code.len() == 2 && code.bytes().all(|letter| letter.is_ascii_uppercase());
        checks.require(
            self.country.as_ref().is_none_or(letters),
            "/country",
            "invalid_country",
            "must be a country code of two capital letters, such as DE",
        );
        if let Some(zone) = &self.time_zone {
            check_zone(checks, "/time_zone", zone);
        }
    }
}

/// An invitation that a patient who has an account takes up.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CareTeamJoin {
    /// As printed or read aloud; case, blanks, dashes and O for 0 are forgiven.
    #[schema(example = "7K3M9-QX2VB-4", min_length = 1, max_length = 64)]
    pub invitation_code: String,
}

impl Validate for CareTeamJoin {
    fn validate(&self, checks: &mut Checks) {
        checks.text("/invitation_code", Some(&self.invitation_code), 1, 64);
    }
}

/// Whom an invitation is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum InvitationKind {
    Patient,
    Staff,
}

impl InvitationKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Patient => "patient",
            Self::Staff => "staff",
        }
    }
}

/// Whom to invite.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InvitationCreate {
    pub kind: InvitationKind,
    /// What a new member of staff may do; only with `kind` `staff`.
    #[serde(default)]
    pub capabilities: Vec<Capability>,
    /// Shown to patients beside the name; only with `kind` `staff`.
    #[schema(example = "Psychotherapist", min_length = 1, max_length = 80)]
    pub profession: Option<String>,
    /// Whose care the patient comes into, a therapist or medical staff of the clinic; only with `kind` `patient`. Left
    /// out, mine; a coordinator has to say.
    #[schema(value_type = Option<Uuid>)]
    pub member_id: Option<AccountId>,
    /// Your own note on whom it is for; nobody else sees it.
    #[schema(example = "Tuesday's new patient", min_length = 1, max_length = 120)]
    pub label: Option<String>,
}

impl Validate for InvitationCreate {
    fn validate(&self, checks: &mut Checks) {
        let staff = self.kind == InvitationKind::Staff;
        checks.require(
            staff != self.capabilities.is_empty(),
            "/capabilities",
            "wrong_capabilities",
            "staff need at least one capability, patients none",
        );
        checks.items("/capabilities", &self.capabilities, 4);
        checks.require(
            staff || self.profession.is_none(),
            "/profession",
            "staff_only",
            "leave it out for a patient",
        );
        checks.text("/profession", self.profession.as_deref(), 1, 80);
        let detail = "leave it out for a member of staff";
        checks.require(!staff || self.member_id.is_none(), "/member_id", "patients_only", detail);
        checks.text("/label", self.label.as_deref(), 1, 120);
    }
}

/// An invitation. The code is in the answer to its creation, and on its page as long as it is open.
#[derive(Debug, Serialize, ToSchema)]
pub struct Invitation {
    #[schema(value_type = Uuid)]
    pub id: InvitationId,
    pub kind: InvitationKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "7K3M9-QX2VB-4")]
    pub code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Tuesday's new patient")]
    pub label: Option<String>,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<DateTime<Utc>>,
}

/// The latest hundred invitations, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct InvitationList {
    pub items: Vec<Invitation>,
}

/// What somebody with a code may know before registering.
#[derive(Debug, Serialize, ToSchema)]
pub struct InvitationPreview {
    pub kind: InvitationKind,
    #[schema(example = "Praxis am Park")]
    pub clinic_name: String,
    pub expires_at: DateTime<Utc>,
}

/// One who takes part in a patient's care.
#[derive(Debug, Serialize, ToSchema)]
pub struct CareTeamMember {
    #[schema(value_type = Uuid)]
    pub member_id: AccountId,
    #[schema(example = "Bo Lindqvist")]
    pub display_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Psychotherapist")]
    pub profession: Option<String>,
    pub since: DateTime<Utc>,
}

/// Everybody who takes part in a patient's care now.
#[derive(Debug, Serialize, ToSchema)]
pub struct CareTeam {
    pub items: Vec<CareTeamMember>,
}
