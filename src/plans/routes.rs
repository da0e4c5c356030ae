//! Handlers of plans, their templates, and the clinic's hours.

use axum::{Json, extract::State};
use entity::ids::PlanId;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    clinic,
    dto::{
        ClinicHours, ClinicHoursInput, ClinicPlanTemplates, ClinicPlanTemplatesInput, PlanCreate, PlanList,
        PlanPatch, PlanTemplateList, PlanWithSessions, StartedPlan,
    },
    queries,
    start::{self, For},
    templates,
};
use crate::{
    accounts::{Admin, Patient, Planner, Staff},
    app::AppState,
    care::{self, SharedPatient},
    error::ApiResult,
    extract::{IfMatch, Once, PathPlan, ValidJson, ValidQuery, Versioned},
    idempotency::Answer,
    openapi::Problems,
    page::{Cursor, PageQuery},
    reminders,
};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_plan_templates))
        .routes(routes!(get_clinic_plan_templates, put_clinic_plan_templates))
        .routes(routes!(get_clinic_hours, put_clinic_hours))
        .routes(routes!(create_plan, list_patient_plans))
        .routes(routes!(get_patient_plan, update_patient_plan))
        .routes(routes!(list_plans))
}

/// The templates that plans can be started from: those of the content with the clinic's own over them.
#[utoipa::path(get, path = "/plan-templates", operation_id = "list_plan_templates", tag = "plans",
    responses((status = 200, body = PlanTemplateList), Problems))]
async fn list_plan_templates(State(app): State<AppState>, me: Planner) -> ApiResult<Json<PlanTemplateList>> {
    let own = clinic::own_templates(&app, me.clinic).await?.templates;
    Ok(Json(PlanTemplateList { items: templates::merged(own, &me.locale) }))
}

/// The clinic's own templates; before any were written, an empty list at version 0.
#[utoipa::path(get, path = "/clinic/plan-templates", operation_id = "get_clinic_plan_templates", tag = "plans",
    params(("If-None-Match" = Option<String>, Header, description = "The ETag that the app already has.")),
    responses((status = 200, body = ClinicPlanTemplates), (status = 304, description = "Unchanged"), Problems))]
async fn get_clinic_plan_templates(
    State(app): State<AppState>,
    me: Admin,
) -> ApiResult<Versioned<ClinicPlanTemplates>> {
    let own = clinic::own_templates(&app, me.clinic).await?;
    Ok(Versioned { version: own.version, body: own })
}

/// Write the clinic's own templates as a whole. Plans that were started stay as they are.
#[utoipa::path(put, path = "/clinic/plan-templates", operation_id = "put_clinic_plan_templates", tag = "plans",
    params(("If-Match" = String, Header, description = "The ETag that was read, `\"0\"` for the first.", example = "\"0\"")),
    request_body = ClinicPlanTemplatesInput, responses((status = 200, body = ClinicPlanTemplates), Problems))]
async fn put_clinic_plan_templates(
    State(app): State<AppState>,
    me: Admin,
    IfMatch(version): IfMatch,
    ValidJson(input): ValidJson<ClinicPlanTemplatesInput>,
) -> ApiResult<Versioned<ClinicPlanTemplates>> {
    clinic::check_measures(&app, &input.templates)?;
    let key = care::clinic_key(&app, me.clinic).await?;
    let own = app
        .db
        .write(&me.writing(), async |tx| clinic::put_templates(tx, &me, &key, version, input.templates).await)
        .await?;
    Ok(Versioned { version: own.version, body: own })
}

/// When the clinic is open in a week.
#[utoipa::path(get, path = "/clinic/hours", operation_id = "get_clinic_hours", tag = "plans",
    params(("If-None-Match" = Option<String>, Header, description = "The ETag that the app already has.")),
    responses((status = 200, body = ClinicHours), (status = 304, description = "Unchanged"), Problems))]
async fn get_clinic_hours(State(app): State<AppState>, me: Staff) -> ApiResult<Versioned<ClinicHours>> {
    let ground = clinic::ground(app.db.reader(), me.clinic).await?;
    Ok(Versioned { version: ground.version, body: ground.view() })
}

/// Set when the clinic is open. Sessions that are planned already stay where they are.
#[utoipa::path(put, path = "/clinic/hours", operation_id = "put_clinic_hours", tag = "plans",
    params(("If-Match" = String, Header, description = "The ETag that was read.", example = "\"1\"")),
    request_body = ClinicHoursInput, responses((status = 200, body = ClinicHours), Problems))]
async fn put_clinic_hours(
    State(app): State<AppState>,
    me: Admin,
    IfMatch(version): IfMatch,
    ValidJson(input): ValidJson<ClinicHoursInput>,
) -> ApiResult<Versioned<ClinicHours>> {
    let ground = app
        .db
        .write(&me.writing(), async |tx| clinic::put_hours(tx, &me, version, input.openings).await)
        .await?;
    Ok(Versioned { version: ground.version, body: ground.view() })
}

/// Start a plan for a patient in my care: its sessions, questionnaires and reminders, all of it or nothing.
#[utoipa::path(post, path = "/patients/{patient_id}/plans", operation_id = "create_plan", tag = "plans",
    params(("patient_id" = Uuid, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeated request have one effect.")),
    request_body = PlanCreate, responses((status = 201, body = StartedPlan), Problems))]
async fn create_plan(
    State(app): State<AppState>,
    shared: SharedPatient,
    Once { input, replay }: Once<PlanCreate>,
) -> ApiResult<Answer> {
    let me = shared.therapist();
    let ground = clinic::ground(app.db.reader(), me.clinic).await?;
    let own = clinic::own_templates(&app, me.clinic).await?.templates;
    let template = start::pick(templates::merged(own, &me.locale), &input.template_id)?;
    let draft = start::draft(&template, input, &ground, app.clock.now())?;
    let plan = PlanId(app.random.uuid_v7(app.clock.now()));
    shared
        .write_once(&app, "plans.start", format!("plans/{plan}"), replay.as_ref(), async |tx, scope| {
            let who = For { patient: scope.patient, clinic: me.clinic, me: me.account, plan };
            let started = start::write(&app, tx, who, ground.zone.name(), draft).await?;
            Answer::created(&started, Some(1))
        })
        .await
}

/// List the plans of a patient in my care, newest first.
#[utoipa::path(get, path = "/patients/{patient_id}/plans", operation_id = "list_patient_plans", tag = "plans",
    params(("patient_id" = Uuid, Path), PageQuery), responses((status = 200, body = PlanList), Problems))]
async fn list_patient_plans(
    State(app): State<AppState>,
    shared: SharedPatient,
    ValidQuery(query): ValidQuery<PageQuery>,
) -> ApiResult<Json<PlanList>> {
    let page =
        query.page(&app.cursor_mac, shared.therapist().account.0, &shared.list("list_patient_plans"))?;
    let list = shared
        .read(&app, "plans.list", "plans".into(), async |conn, scope| {
            let mut rows = queries::list(conn, scope.patient, &page).await?;
            let next_cursor =
                page.finish(&mut rows, &app.cursor_mac, |row| Cursor { at: row.created_at, id: row.id.0 });
            Ok(PlanList { items: rows.into_iter().map(queries::view).collect(), next_cursor })
        })
        .await?;
    Ok(Json(list))
}

/// Read a plan of a patient in my care, with its sessions.
#[utoipa::path(get, path = "/patients/{patient_id}/plans/{plan_id}", operation_id = "get_patient_plan", tag = "plans",
    params(("patient_id" = Uuid, Path), ("plan_id" = Uuid, Path)),
    responses((status = 200, body = PlanWithSessions), Problems))]
async fn get_patient_plan(
    State(app): State<AppState>,
    shared: SharedPatient,
    PathPlan(id): PathPlan,
) -> ApiResult<Versioned<PlanWithSessions>> {
    let id = PlanId(id);
    let plan = shared
        .read(&app, "plans.read", format!("plans/{id}"), async |conn, scope| {
            queries::read(conn, scope.patient, id).await
        })
        .await?;
    Ok(Versioned { version: plan.plan.version, body: plan })
}

/// Cancel a plan with all of it that is still to come, or note that it is completed.
#[utoipa::path(patch, path = "/patients/{patient_id}/plans/{plan_id}", operation_id = "update_patient_plan", tag = "plans",
    params(("patient_id" = Uuid, Path), ("plan_id" = Uuid, Path),
        ("If-Match" = String, Header, description = "The ETag that was read.", example = "\"1\"")),
    request_body = PlanPatch, responses((status = 200, body = PlanWithSessions), Problems))]
async fn update_patient_plan(
    State(app): State<AppState>,
    shared: SharedPatient,
    PathPlan(id): PathPlan,
    IfMatch(version): IfMatch,
    ValidJson(patch): ValidJson<PlanPatch>,
) -> ApiResult<Versioned<PlanWithSessions>> {
    let id = PlanId(id);
    let plan = shared
        .write(&app, "plans.end", format!("plans/{id}"), async |tx, scope| {
            queries::end(tx, scope.patient, (id, version), patch.state).await?;
            reminders::replan_patient(tx, scope.patient).await?;
            queries::read(tx.conn(), scope.patient, id).await
        })
        .await?;
    Ok(Versioned { version: plan.plan.version, body: plan })
}

/// List my plans, newest first.
#[utoipa::path(get, path = "/plans", operation_id = "list_plans", tag = "plans", params(PageQuery),
    responses((status = 200, body = PlanList), Problems))]
async fn list_plans(
    State(app): State<AppState>,
    me: Patient,
    ValidQuery(query): ValidQuery<PageQuery>,
) -> ApiResult<Json<PlanList>> {
    let page = query.page(&app.cursor_mac, me.account.0, "list_plans")?;
    let mut rows = queries::list(app.db.reader(), me.id(), &page).await?;
    let next_cursor =
        page.finish(&mut rows, &app.cursor_mac, |row| Cursor { at: row.created_at, id: row.id.0 });
    Ok(Json(PlanList { items: rows.into_iter().map(queries::view).collect(), next_cursor }))
}
