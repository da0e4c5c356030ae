//! Handlers of accounts.

use axum::{Json, extract::State, http::StatusCode, http::header, response::IntoResponse};
use entity::{ids::LoginId, logins as login_rows};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use secrecy::ExposeSecret;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    AnyLogin, Caller, Issued, devices,
    dto::{Credentials, Device, DeviceList, Jwks, Me, MePatch, RefreshRequest, Registration, TokenPair},
    login, logins, me, register,
};
use crate::{
    app::AppState,
    db::WriteTx,
    error::{ApiError, ApiResult},
    extract::{Network, PathId, ValidJson},
    openapi::Problems,
    telemetry::RequestId,
};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(register_account))
        .routes(routes!(create_login))
        .routes(routes!(refresh_login))
        .routes(routes!(delete_login))
        .routes(routes!(list_devices))
        .routes(routes!(delete_device))
        .routes(routes!(get_me, update_me))
        .merge(super::factor_routes::router())
        .merge(super::reset_routes::router())
}

/// What lives outside `/v1`.
pub fn well_known() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_signing_keys))
}

fn pair(app: &AppState, issued: Issued) -> ApiResult<impl IntoResponse + use<>> {
    let now = app.clock.now();
    let access_token = app
        .tokens
        .sign(issued.account, issued.login, app.random.uuid_v7(now), now)
        .map_err(ApiError::internal)?;
    let body = TokenPair {
        access_token,
        token_type: "Bearer",
        expires_in: app.tokens.seconds(),
        refresh_token: issued.refresh_token,
        refresh_expires_at: issued.refresh_expires_at,
        account_id: issued.account,
        totp_required: issued.totp_required,
        device_secret: issued.device_secret,
    };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(body)))
}

/// Make an account with an invitation code, and log this device in.
#[utoipa::path(post, path = "/auth/register", operation_id = "register_account", tag = "accounts", security(()),
    request_body = Registration, responses((status = 201, body = TokenPair), Problems))]
async fn register_account(
    State(app): State<AppState>,
    network: Network,
    request: RequestId,
    ValidJson(input): ValidJson<Registration>,
) -> ApiResult<impl IntoResponse> {
    let issued = register::register(&app, input, network.as_str(), &request.0).await?;
    Ok((StatusCode::CREATED, pair(&app, issued)?))
}

/// Log this device in.
#[utoipa::path(post, path = "/auth/login", operation_id = "create_login", tag = "accounts", security(()),
    request_body = Credentials, responses((status = 200, body = TokenPair), Problems))]
async fn create_login(
    State(app): State<AppState>,
    network: Network,
    request: RequestId,
    ValidJson(input): ValidJson<Credentials>,
) -> ApiResult<impl IntoResponse> {
    let issued = login::login(&app, input, network.as_str(), &request.0).await?;
    pair(&app, issued)
}

/// Exchange the refresh token for a new pair. The old one works no more; if it comes back later, the device is logged out.
#[utoipa::path(post, path = "/auth/refresh", operation_id = "refresh_login", tag = "accounts", security(()),
    request_body = RefreshRequest, responses((status = 200, body = TokenPair), Problems))]
async fn refresh_login(
    State(app): State<AppState>,
    request: RequestId,
    ValidJson(input): ValidJson<RefreshRequest>,
) -> ApiResult<impl IntoResponse> {
    let issued = logins::refresh(&app, input.refresh_token.expose_secret(), &request.0).await?;
    pair(&app, issued)
}

/// Log this device out.
#[utoipa::path(post, path = "/auth/logout", operation_id = "delete_login", tag = "accounts",
    responses((status = 204, description = "Logged out"), Problems))]
async fn delete_login(State(app): State<AppState>, me: AnyLogin) -> ApiResult<StatusCode> {
    let writing = me.writing();
    app.db.write(&writing, async |tx| logins::revoke(tx, me.login, "logged_out").await).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List the devices that are logged in.
#[utoipa::path(get, path = "/auth/devices", operation_id = "list_devices", tag = "accounts",
    responses((status = 200, body = DeviceList), Problems))]
async fn list_devices(State(app): State<AppState>, me: Caller) -> ApiResult<Json<DeviceList>> {
    let rows = login_rows::Entity::find()
        .filter(login_rows::Column::AccountId.eq(me.account))
        .filter(login_rows::Column::RevokedAt.is_null())
        .filter(login_rows::Column::IdleExpiresAt.gt(app.clock.now()))
        .order_by_desc(login_rows::Column::LastUsedAt)
        .limit(100)
        .all(app.db.reader())
        .await?;
    let items = rows
        .iter()
        .map(|row| {
            Ok(Device {
                id: row.id,
                name: logins::device_name(row, &me.key)?,
                current: row.id == me.login,
                logged_in_at: row.created_at,
                last_used_at: row.last_used_at,
            })
        })
        .collect::<ApiResult<_>>()?;
    Ok(Json(DeviceList { items }))
}

/// Log another device out; it stops receiving pushes too, and is a new device when it comes back.
#[utoipa::path(delete, path = "/auth/devices/{id}", operation_id = "delete_device", tag = "accounts",
    params(("id" = uuid::Uuid, Path)), responses((status = 204, description = "Logged out"), Problems))]
async fn delete_device(
    State(app): State<AppState>,
    me: Caller,
    PathId(id): PathId<LoginId>,
) -> ApiResult<StatusCode> {
    login_rows::Entity::find_by_id(id)
        .filter(login_rows::Column::AccountId.eq(me.account))
        .filter(login_rows::Column::RevokedAt.is_null())
        .one(app.db.reader())
        .await?
        .ok_or(ApiError::NotFound)?;
    let end = async |tx: &WriteTx| {
        logins::revoke(tx, id, "ended_from_other_device").await?;
        devices::forget_of(tx, me.account, id).await
    };
    app.db.write(&me.writing(), end).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Who am I?
#[utoipa::path(get, path = "/me", operation_id = "get_me", tag = "me",
    responses((status = 200, body = Me), Problems))]
async fn get_me(State(app): State<AppState>, me: Caller) -> ApiResult<Json<Me>> {
    Ok(Json(me::read(&app, &me).await?))
}

/// Change my name, zone or language.
#[utoipa::path(patch, path = "/me", operation_id = "update_me", tag = "me", request_body = MePatch,
    responses((status = 200, body = Me), Problems))]
async fn update_me(
    State(app): State<AppState>,
    me: Caller,
    ValidJson(patch): ValidJson<MePatch>,
) -> ApiResult<Json<Me>> {
    me::update(&app, &me, patch).await?;
    Ok(Json(me::read(&app, &me).await?))
}

/// The public keys that verify access tokens.
#[utoipa::path(get, path = "/.well-known/jwks.json", operation_id = "list_signing_keys", tag = "accounts",
    security(()), responses((status = 200, body = Jwks)))]
async fn list_signing_keys(State(app): State<AppState>) -> impl IntoResponse {
    ([(header::CACHE_CONTROL, "public, max-age=300")], Json(app.tokens.jwks()))
}
