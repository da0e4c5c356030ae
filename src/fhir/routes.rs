//! The handlers of FHIR.

use axum::{
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Bundle, Keys, Reader, load, metadata};
use crate::{
    accounts::wrapped,
    app::AppState,
    care::{self, TreatedPatient},
    error::{ApiError, ApiResult},
    etag::tag_of,
    openapi::Problems,
    vault::{KeyOwner, OwnerKind},
};

const FHIR_JSON: HeaderValue = HeaderValue::from_static("application/fhir+json");

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(get_patient_fhir)).routes(routes!(get_fhir_metadata))
}

fn bytes(body: &impl Serialize) -> ApiResult<Vec<u8>> {
    serde_json::to_vec(body).map_err(ApiError::internal)
}

/// What I may read of a patient in my care, as one FHIR R4 Bundle: what they shared with me, their appointments and
/// alerts, for therapists also questionnaires, check-ins (numbers only), shared goals, plans and session reminders, for
/// medical staff what was given and vital signs.
#[utoipa::path(get, path = "/patients/{patient_id}/fhir", operation_id = "get_patient_fhir", tag = "review",
    params(("patient_id" = Uuid, Path)),
    responses((status = 200, body = Bundle, content_type = "application/fhir+json"), Problems))]
async fn get_patient_fhir(State(app): State<AppState>, patient: TreatedPatient) -> ApiResult<Response> {
    let me = patient.therapist();
    let bundle = patient
        .read(&app, "review.fhir", "fhir".into(), async |conn, scope| {
            let owner = KeyOwner::new(OwnerKind::ClinicRecord, scope.patient);
            let record = app.vault.unwrap(&wrapped(conn, owner).await?)?;
            let clinic = care::clinic_key(&app, me.clinic).await?;
            let keys = Keys { patient: &scope.key, record: Some(&record), clinic: &clinic };
            let facts = load(&app, conn, (scope.patient, keys), (Reader::Member(me), &me.locale)).await?;
            bytes(&Bundle::of(&facts))
        })
        .await?;
    Ok(([(header::CONTENT_TYPE, FHIR_JSON)], bundle).into_response())
}

/// What there is in FHIR here: a CapabilityStatement of FHIR R4 (4.0.1). Everything is read as one Bundle; nothing is
/// searched or written.
#[utoipa::path(get, path = "/fhir/metadata", operation_id = "get_fhir_metadata", tag = "operations", security(()),
    params(("If-None-Match" = Option<String>, Header, description = "The ETag that the client already has.")),
    responses((status = 200, body = metadata::CapabilityStatement, content_type = "application/fhir+json"),
        (status = 304, description = "Unchanged"), Problems))]
async fn get_fhir_metadata() -> ApiResult<Response> {
    let statement = bytes(&metadata::CapabilityStatement::new())?;
    let caching = HeaderValue::from_static("public, max-age=3600");
    let headers = [
        (header::CONTENT_TYPE, FHIR_JSON),
        (header::CACHE_CONTROL, caching),
        (header::ETAG, tag_of(&statement)?),
    ];
    Ok((headers, statement).into_response())
}
