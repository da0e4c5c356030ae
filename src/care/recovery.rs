//! The front desk helps a patient who lost the only phone: a code, read aloud or printed, with which the patient
//! chooses a new password. It logs nobody in, and without the patient's address and one of their own recovery codes it
//! is worth nothing for three days.

use axum::{
    Json,
    extract::{FromRequestParts, State},
    http::{StatusCode, request::Parts},
};
use chrono::{DateTime, Utc};
use entity::{accounts as rows, ids::PatientId};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::SharedPatient;
use crate::{
    accounts::{self, Caller, Capability, Staff},
    app::AppState,
    audit::Event,
    db::Writing,
    error::{ApiError, ApiResult},
    extract::path_id,
    openapi::Problems,
};

/// A member of staff who may help this patient at the front desk: a coordinator or an admin of their clinic, or a
/// therapist of their care team.
pub struct Desk {
    me: Caller,
    patient: PatientId,
}

impl FromRequestParts<AppState> for Desk {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> ApiResult<Self> {
        let staff = Staff::from_request_parts(parts, app).await?;
        let patient = PatientId(path_id(parts, app, "patient_id").await?);
        if [Capability::Coordinator, Capability::Admin].iter().any(|one| staff.capabilities().has(*one)) {
            rows::Entity::find_by_id(patient.0)
                .filter(rows::Column::ClinicId.eq(staff.clinic))
                .filter(rows::Column::Kind.eq("patient"))
                .filter(rows::Column::State.eq("active"))
                .one(app.db.reader())
                .await?
                .ok_or(ApiError::NotFound)?;
            return Ok(Self { me: staff.into_caller(), patient });
        }
        let shared = SharedPatient::find(app, staff.into_therapist()?, patient).await?;
        Ok(Self { me: shared.therapist().clone(), patient })
    }
}

/// A code for the patient in front of you.
#[derive(Debug, Serialize, ToSchema)]
pub struct RecoveryCode {
    /// Read it aloud or print it. It works once, with the patient's own e-mail address and one of their recovery codes;
    /// typed without one it works three days later.
    #[schema(example = "7K3M9-QX2VB-4")]
    pub code: String,
    pub expires_at: DateTime<Utc>,
}

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(create_patient_recovery))
}

/// Give a patient in front of you a code for a new password, when they lost their only phone. Check who they are first.
/// An earlier code works no more; the patient is told on every device and address we know, and reads it in their log.
#[utoipa::path(post, path = "/patients/{patient_id}/recovery", operation_id = "create_patient_recovery", tag = "care",
    params(("patient_id" = uuid::Uuid, Path)), responses((status = 201, body = RecoveryCode), Problems))]
async fn create_patient_recovery(
    State(app): State<AppState>,
    desk: Desk,
) -> ApiResult<(StatusCode, Json<RecoveryCode>)> {
    let (me, patient) = (&desk.me, desk.patient);
    let writing = Writing { patient: Some(patient), ..me.writing() };
    let (code, expires_at) = app
        .db
        .write(&writing, async |tx| {
            tx.audit(Event::new("accounts.recovery_begun", patient, format!("patients/{patient}")));
            accounts::draw_desk_code(&app, tx, patient.into(), me.account).await
        })
        .await?;
    Ok((StatusCode::CREATED, Json(RecoveryCode { code: code.shown(), expires_at })))
}
