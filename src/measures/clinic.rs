//! What a clinic has to have decided before its questionnaires may call for somebody.

use entity::{clinics, ids::ClinicId};
use sea_orm::{ConnectionTrait, EntityTrait};

use crate::{
    error::{ApiError, ApiResult},
    vault::Place,
};

/// What a clinic has decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClinicFacts {
    /// It has written down who answers alerts, and when.
    pub has_response_policy: bool,
    /// A clinician has signed the thresholds of our own forms.
    pub form_thresholds_signed: bool,
}

/// Where the sealed response policy of a clinic lives.
pub fn policy_place(clinic: ClinicId) -> Place {
    Place::new("clinics", "response_policy_sealed", clinic)
}

/// What the clinic has decided so far.
pub async fn clinic_facts(conn: &impl ConnectionTrait, clinic: ClinicId) -> ApiResult<ClinicFacts> {
    let row = clinics::Entity::find_by_id(clinic).one(conn).await?.ok_or(ApiError::NotFound)?;
    Ok(ClinicFacts {
        has_response_policy: row.response_policy_sealed.is_some(),
        form_thresholds_signed: row.form_thresholds_signed_at.is_some(),
    })
}
