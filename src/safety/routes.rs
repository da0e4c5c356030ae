//! Handlers of crisis resources and the safety plan.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, header},
    response::IntoResponse,
};
use entity::safety_plans;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    dto::{CrisisQuery, CrisisResources, SafetyPlan, SafetyPlanContent},
    queries,
};
use crate::{
    accounts::Patient,
    app::AppState,
    error::ApiResult,
    extract::{IfMatch, ValidJson, ValidQuery, Versioned},
    language,
    openapi::Problems,
};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(get_crisis_resources))
        .routes(routes!(get_safety_plan, put_safety_plan))
}

/// Whom to call in a crisis. Works for everybody, without login, database or limit, and asking is never recorded.
#[utoipa::path(get, path = "/crisis-resources", operation_id = "get_crisis_resources", tag = "safety", security(()),
    params(CrisisQuery), responses((status = 200, body = CrisisResources), Problems))]
async fn get_crisis_resources(
    State(app): State<AppState>,
    headers: HeaderMap,
    ValidQuery(query): ValidQuery<CrisisQuery>,
) -> impl IntoResponse {
    let locale = query.locale.as_deref().unwrap_or_else(|| language::preferred(&headers));
    let answer = app.crisis.of(query.country.as_deref(), locale);
    // A phone may keep it for the hour without a network.
    let caching = [(header::CACHE_CONTROL, "public, max-age=86400"), (header::VARY, "Accept-Language")];
    (caching, Json(answer))
}

/// Read my safety plan; before I have written one, an empty plan at version 0.
#[utoipa::path(get, path = "/safety-plan", operation_id = "get_safety_plan", tag = "safety",
    params(("If-None-Match" = Option<String>, Header, description = "The ETag that the app already has.")),
    responses((status = 200, body = SafetyPlan), (status = 304, description = "Unchanged"), Problems))]
async fn get_safety_plan(State(app): State<AppState>, me: Patient) -> ApiResult<Versioned<SafetyPlan>> {
    let row = queries::find_plan(app.db.reader(), me.id()).await?;
    let content = match &row {
        Some(row) => me.key.open_json(queries::plan_place(me.id()), &row.plan_sealed)?,
        None => SafetyPlanContent::default(),
    };
    Ok(view(&app, &me, row, content))
}

/// Write my safety plan. Send the ETag that was read, `"0"` for the first plan, so that two phones do not undo
/// each other.
#[utoipa::path(put, path = "/safety-plan", operation_id = "put_safety_plan", tag = "safety",
    params(("If-Match" = String, Header, description = "The ETag that was read.", example = "\"0\"")),
    request_body = SafetyPlanContent, responses((status = 200, body = SafetyPlan), Problems))]
async fn put_safety_plan(
    State(app): State<AppState>,
    me: Patient,
    IfMatch(version): IfMatch,
    ValidJson(content): ValidJson<SafetyPlanContent>,
) -> ApiResult<Versioned<SafetyPlan>> {
    let row = app
        .db
        .write(&me.writing(), async |tx| queries::put_plan(tx, me.id(), &me.key, version, &content).await)
        .await?;
    Ok(view(&app, &me, Some(row), content))
}

fn view(
    app: &AppState,
    me: &Patient,
    row: Option<safety_plans::Model>,
    plan: SafetyPlanContent,
) -> Versioned<SafetyPlan> {
    let version = row.as_ref().map_or(0, |row| row.version);
    let notice = app.crisis.of(None, &me.locale).not_monitored;
    Versioned {
        version,
        body: SafetyPlan { version, plan, updated_at: row.map(|row| row.updated_at), notice },
    }
}
