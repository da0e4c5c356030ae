//! Handlers of passwords and other factors.

use axum::{Json, extract::State, http::StatusCode};
use secrecy::ExposeSecret;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    AnyLogin, Caller,
    factor_dto::{
        PassphraseSuggestion, PasswordChange, Reauthentication, RecoveryCodes, TotpConfirmation,
        TotpEnrolment,
    },
    passphrases, recovery, step_up, totp,
};
use crate::{
    app::AppState,
    error::ApiResult,
    extract::ValidJson,
    language::{InLanguage, ReaderLocale},
    openapi::Problems,
};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(reauthenticate))
        .routes(routes!(change_password))
        .routes(routes!(get_passphrase_suggestion))
        .routes(routes!(begin_totp, disable_totp))
        .routes(routes!(confirm_totp))
        .routes(routes!(create_recovery_codes))
}

/// Prove again who I am. What asks for a fresh factor works for five minutes on this device afterwards.
#[utoipa::path(post, path = "/auth/reauthenticate", operation_id = "reauthenticate", tag = "accounts",
    request_body = Reauthentication,
    responses((status = 204, description = "Proved"), Problems))]
async fn reauthenticate(
    State(app): State<AppState>,
    me: Caller,
    ValidJson(input): ValidJson<Reauthentication>,
) -> ApiResult<StatusCode> {
    step_up::reauthenticate(&app, &me, input).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Change my password. Every other device is logged out. Needs a factor from within the last five minutes.
#[utoipa::path(post, path = "/auth/password", operation_id = "change_password", tag = "accounts",
    request_body = PasswordChange,
    responses((status = 204, description = "Changed"), Problems))]
async fn change_password(
    State(app): State<AppState>,
    me: Caller,
    ValidJson(input): ValidJson<PasswordChange>,
) -> ApiResult<StatusCode> {
    step_up::change_password(&app, &me, input).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A password made of five words by chance, in the reader's language.
#[utoipa::path(get, path = "/auth/passphrase", operation_id = "get_passphrase_suggestion", tag = "accounts",
    security(()), responses((status = 200, body = PassphraseSuggestion), Problems))]
async fn get_passphrase_suggestion(
    State(app): State<AppState>,
    ReaderLocale(locale): ReaderLocale,
) -> InLanguage<Json<PassphraseSuggestion>> {
    let passphrase = passphrases::draw(app.random.as_ref(), &locale);
    InLanguage(locale, Json(PassphraseSuggestion { passphrase }))
}

/// Begin to set up codes of an authenticator app as my second factor, or those of another phone. They count once
/// confirmed. Needs a factor from within the last five minutes.
#[utoipa::path(post, path = "/auth/totp", operation_id = "begin_totp", tag = "accounts",
    responses((status = 200, body = TotpEnrolment), Problems))]
async fn begin_totp(State(app): State<AppState>, me: AnyLogin) -> ApiResult<Json<TotpEnrolment>> {
    Ok(Json(totp::begin(&app, &me).await?))
}

/// Switch the second factor on with a first code. Every other device is logged out; the recovery codes are shown this
/// once, and earlier ones no longer work.
#[utoipa::path(post, path = "/auth/totp/confirm", operation_id = "confirm_totp", tag = "accounts",
    request_body = TotpConfirmation, responses((status = 200, body = RecoveryCodes), Problems))]
async fn confirm_totp(
    State(app): State<AppState>,
    me: AnyLogin,
    ValidJson(input): ValidJson<TotpConfirmation>,
) -> ApiResult<Json<RecoveryCodes>> {
    Ok(Json(totp::confirm(&app, &me, input.code.expose_secret()).await?))
}

/// Switch my second factor off. Patients only, and only with a password that may stand alone. Needs a factor from
/// within the last five minutes.
#[utoipa::path(delete, path = "/auth/totp", operation_id = "disable_totp", tag = "accounts",
    responses((status = 204, description = "Off"), Problems))]
async fn disable_totp(State(app): State<AppState>, me: Caller) -> ApiResult<StatusCode> {
    totp::disable(&app, &me).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Make my recovery codes anew: the app asks for them right after registration, and a patient writes them down. They are
/// shown this once, and earlier ones no longer work. Needs a factor from within the last five minutes.
#[utoipa::path(post, path = "/auth/recovery-codes", operation_id = "create_recovery_codes", tag = "accounts",
    responses((status = 201, body = RecoveryCodes), Problems))]
async fn create_recovery_codes(
    State(app): State<AppState>,
    me: Caller,
) -> ApiResult<(StatusCode, Json<RecoveryCodes>)> {
    Ok((StatusCode::CREATED, Json(recovery::renew(&app, &me).await?)))
}
