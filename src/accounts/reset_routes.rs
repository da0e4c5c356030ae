//! Handlers of new passwords for those who lost theirs.

use axum::{Json, extract::State, http::StatusCode};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Patient, desk, reset,
    reset_dto::{PasswordReset, PasswordResetRequest, Recovery, RecoveryOutcome},
};
use crate::{
    app::AppState,
    error::ApiResult,
    extract::{Network, ValidJson},
    openapi::Problems,
    telemetry::RequestId,
};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(request_password_reset))
        .routes(routes!(confirm_password_reset))
        .routes(routes!(recover_account, cancel_recovery))
}

/// Ask for a mail by which to choose a new password. The answer is the same whether the address has an account or not.
#[utoipa::path(post, path = "/auth/password-reset", operation_id = "request_password_reset", tag = "accounts",
    security(()), request_body = PasswordResetRequest,
    responses((status = 202, description = "If the address has an account, a mail is on its way"), Problems))]
async fn request_password_reset(
    State(app): State<AppState>,
    network: Network,
    ValidJson(input): ValidJson<PasswordResetRequest>,
) -> ApiResult<StatusCode> {
    reset::ask(&app, &input, network.as_str()).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Choose a new password with the token of the mail. Every device is logged out; log in afterwards.
#[utoipa::path(post, path = "/auth/password-reset/confirm", operation_id = "confirm_password_reset",
    tag = "accounts", security(()), request_body = PasswordReset,
    responses((status = 204, description = "Changed"), Problems))]
async fn confirm_password_reset(
    State(app): State<AppState>,
    network: Network,
    request: RequestId,
    ValidJson(input): ValidJson<PasswordReset>,
) -> ApiResult<StatusCode> {
    reset::reset(&app, &input, network.as_str(), &request.0).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Choose a new password with a code of the front desk, for whoever lost their only phone. With one of the patient's own
/// recovery codes it counts at once: every device is logged out and the second factor is switched off; log in afterwards.
/// Without one nothing is changed yet, and the same request counts from `ready_at` on.
#[utoipa::path(post, path = "/auth/recovery", operation_id = "recover_account", tag = "accounts", security(()),
    request_body = Recovery, responses((status = 200, body = RecoveryOutcome), Problems))]
async fn recover_account(
    State(app): State<AppState>,
    network: Network,
    request: RequestId,
    ValidJson(input): ValidJson<Recovery>,
) -> ApiResult<Json<RecoveryOutcome>> {
    Ok(Json(desk::recover(&app, &input, network.as_str(), &request.0).await?))
}

/// Stop a recovery of my account that the front desk has begun: its code works no more. 404 when there is none.
#[utoipa::path(delete, path = "/auth/recovery", operation_id = "cancel_recovery", tag = "accounts",
    responses((status = 204, description = "Stopped"), Problems))]
async fn cancel_recovery(State(app): State<AppState>, me: Patient) -> ApiResult<StatusCode> {
    desk::cancel(&app, &me).await?;
    Ok(StatusCode::NO_CONTENT)
}
