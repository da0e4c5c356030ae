//! Handlers of new passwords for those who lost theirs.

use axum::{extract::State, http::StatusCode};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    reset,
    reset_dto::{PasswordReset, PasswordResetRequest, Recovery},
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
        .routes(routes!(recover_account))
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

/// Choose a new password with a code of the front desk, for whoever lost their only phone. Every device is logged out
/// and the second factor is switched off; log in afterwards.
#[utoipa::path(post, path = "/auth/recovery", operation_id = "recover_account", tag = "accounts", security(()),
    request_body = Recovery, responses((status = 204, description = "Changed"), Problems))]
async fn recover_account(
    State(app): State<AppState>,
    network: Network,
    request: RequestId,
    ValidJson(input): ValidJson<Recovery>,
) -> ApiResult<StatusCode> {
    reset::recover(&app, &input, network.as_str(), &request.0).await?;
    Ok(StatusCode::NO_CONTENT)
}
