//! Handlers of what a clinic decides about its questionnaires.

use axum::{Json, extract::State, http::StatusCode};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    find,
    policy::{self, ResponsePolicy, ResponsePolicyContent},
    thresholds::{self, FormThresholds, FormThresholdsSignature},
};
use crate::{
    accounts::{Admin, Clinician, Staff},
    app::AppState,
    care,
    error::ApiResult,
    extract::{IfMatch, ValidJson, Versioned},
    openapi::Problems,
};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(get_response_policy, put_response_policy, delete_response_policy))
        .routes(routes!(get_form_thresholds, sign_form_thresholds, withdraw_form_thresholds))
}

/// Who answers alerts in my clinic, and when.
#[utoipa::path(get, path = "/clinic/response-policy", operation_id = "get_response_policy", tag = "measures",
    params(("If-None-Match" = Option<String>, Header, description = "The ETag that the app already has.")),
    responses((status = 200, body = ResponsePolicy), (status = 304, description = "Unchanged"), Problems))]
async fn get_response_policy(State(app): State<AppState>, me: Staff) -> ApiResult<Versioned<ResponsePolicy>> {
    let row = find(app.db.reader(), me.clinic).await?;
    let body = policy::view(&row, &care::clinic_key(&app, me.clinic).await?)?;
    Ok(Versioned { version: body.version, body })
}

/// Write who answers alerts, and when. Questionnaires that may call for somebody can be asked for from then on.
#[utoipa::path(put, path = "/clinic/response-policy", operation_id = "put_response_policy", tag = "measures",
    params(("If-Match" = String, Header, description = "The clinic's ETag that was read.", example = "\"1\"")),
    request_body = ResponsePolicyContent, responses((status = 200, body = ResponsePolicy), Problems))]
async fn put_response_policy(
    State(app): State<AppState>,
    me: Admin,
    IfMatch(version): IfMatch,
    ValidJson(policy): ValidJson<ResponsePolicyContent>,
) -> ApiResult<Versioned<ResponsePolicy>> {
    let key = care::clinic_key(&app, me.clinic).await?;
    app.db.write(&me.writing(), async |tx| policy::put(tx, &me, &key, (version, &policy)).await).await?;
    Ok(Versioned {
        version: version + 1,
        body: ResponsePolicy { version: version + 1, policy: Some(policy) },
    })
}

/// Take the response policy away. Not possible while questionnaires are open that need one.
#[utoipa::path(delete, path = "/clinic/response-policy", operation_id = "delete_response_policy", tag = "measures",
    params(("If-Match" = String, Header, description = "The clinic's ETag that was read.", example = "\"1\"")),
    responses((status = 204, description = "There is none"), Problems))]
async fn delete_response_policy(
    State(app): State<AppState>,
    me: Admin,
    IfMatch(version): IfMatch,
) -> ApiResult<StatusCode> {
    app.db.write(&me.writing(), async |tx| policy::delete(tx, &app, &me, version).await).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The thresholds of our own forms, and whether a clinician has signed them. Until then they raise no flag.
#[utoipa::path(get, path = "/clinic/form-thresholds", operation_id = "get_form_thresholds", tag = "measures",
    responses((status = 200, body = FormThresholds), Problems))]
async fn get_form_thresholds(State(app): State<AppState>, me: Staff) -> ApiResult<Json<FormThresholds>> {
    Ok(Json(thresholds::view(&find(app.db.reader(), me.clinic).await?, &me.locale)))
}

/// Sign the thresholds of our own forms as a clinician: they are right for the patients of this clinic.
#[utoipa::path(put, path = "/clinic/form-thresholds/signature", operation_id = "sign_form_thresholds", tag = "measures",
    request_body = FormThresholdsSignature, responses((status = 200, body = FormThresholds), Problems))]
async fn sign_form_thresholds(
    State(app): State<AppState>,
    me: Clinician,
    ValidJson(signature): ValidJson<FormThresholdsSignature>,
) -> ApiResult<Json<FormThresholds>> {
    app.db.write(&me.writing(), async |tx| thresholds::sign(tx, &me, &signature.content).await).await?;
    Ok(Json(thresholds::view(&find(app.db.reader(), me.clinic).await?, &me.locale)))
}

/// Take the signature back; the thresholds are silent from now on.
#[utoipa::path(delete, path = "/clinic/form-thresholds/signature", operation_id = "withdraw_form_thresholds", tag = "measures",
    responses((status = 204, description = "Nobody has signed"), Problems))]
async fn withdraw_form_thresholds(State(app): State<AppState>, me: Clinician) -> ApiResult<StatusCode> {
    app.db.write(&me.writing(), async |tx| thresholds::withdraw(tx, &me).await).await?;
    Ok(StatusCode::NO_CONTENT)
}
