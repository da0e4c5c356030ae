//! Is it alive, is it ready, and what can it do: health checks, the contract, and a page to try it.

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use serde::Serialize;
use utoipa::{ToSchema, openapi::OpenApi};
use utoipa_axum::{router::OpenApiRouter, routes};
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::{
    app::AppState,
    db,
    error::{ApiError, ApiResult},
    openapi::Problems,
};

/// State of the service.
#[derive(Serialize, ToSchema)]
struct Health {
    #[schema(example = "ok")]
    status: &'static str,
}

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(get_health)).routes(routes!(get_readiness))
}

/// Alive: the process answers.
#[utoipa::path(get, path = "/healthz", operation_id = "get_health", tag = "operations", security(()),
    responses((status = 200, body = Health)))]
async fn get_health() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Ready: the database answers and has every migration.
#[utoipa::path(get, path = "/readyz", operation_id = "get_readiness", tag = "operations", security(()),
    responses((status = 200, body = Health), Problems))]
async fn get_readiness(State(app): State<AppState>) -> ApiResult<Json<Health>> {
    if db::pending_migrations(app.db.reader()).await? == 0 {
        return Ok(Json(Health { status: "ok" }));
    }
    Err(ApiError::Unavailable {
        detail: "The database lacks migrations; run `afterglow migrate`.",
        retry_after: 5,
    })
}

/// `/openapi.json` and `/docs`, with no file from elsewhere. A token that somebody tries there is not kept by the browser.
pub fn documents(document: OpenApi) -> Router<AppState> {
    let text = document.to_json().unwrap_or_default();
    let json = get(move || {
        let text = text.clone();
        async move { (StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], text).into_response() }
    });
    let ui = SwaggerUi::new("/docs").config(Config::new(["/openapi.json"]));
    Router::new().route("/openapi.json", json).merge(ui)
}
