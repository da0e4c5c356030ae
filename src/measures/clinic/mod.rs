//! What a clinic has to have decided before its questionnaires may call for somebody: a response policy, and the
//! thresholds of our own forms, signed by a clinician.

mod policy;
mod routes;
mod thresholds;

use entity::{clinics, ids::ClinicId};
use sea_orm::{ConnectionTrait, EntityTrait};

pub use self::{
    policy::{Responder, ResponsePolicyContent, ResponseStep, open as response_policy},
    routes::router,
};
use crate::error::{ApiError, ApiResult};

/// What a clinic has decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClinicFacts {
    /// It has written down who answers alerts, and when.
    pub has_response_policy: bool,
    /// A clinician has signed the thresholds of our own forms as this version of the program has them.
    pub form_thresholds_signed: bool,
}

/// What the clinic has decided so far.
pub async fn clinic_facts(conn: &impl ConnectionTrait, clinic: ClinicId) -> ApiResult<ClinicFacts> {
    let row = find(conn, clinic).await?;
    Ok(ClinicFacts {
        has_response_policy: row.response_policy_sealed.is_some(),
        form_thresholds_signed: thresholds::signed(&row),
    })
}

async fn find(conn: &impl ConnectionTrait, clinic: ClinicId) -> ApiResult<clinics::Model> {
    clinics::Entity::find_by_id(clinic).one(conn).await?.ok_or(ApiError::NotFound)
}
