//! Starting a plan: a template and a date become sessions, questionnaires and reminders, all of it or nothing.

use chrono::{DateTime, Duration, NaiveDate, Utc};
use entity::{
    ids::{AccountId, ClinicId, PatientId, PlanId, SessionId},
    notifications, plans, sessions,
};
use sea_orm::{ActiveModelTrait, ConnectionTrait, EntityTrait, Statement};
use uuid::Uuid;

use super::{
    assignments::{Ask, asks},
    clinic::Ground,
    dto::{PlanCreate, PlanState, PlanWithSessions, StartedPlan, UnsentReminder, escaped},
    fit::{Fitted, Unfit, Wanted, fit, plus},
    queries,
    templates::{PlanTemplate, TemplateSession},
};
use crate::{
    app::AppState,
    content::protocols,
    db::WriteTx,
    error::{ApiError, ApiResult},
    measures::{self, PlannedMeasure},
    reminders::{self, rules::localtime::to_civil_date, rules::session::SessionState},
    sessions::{Slot, refuse_overlaps, view as session_view},
    validate::Checks,
};

/// How far ahead a plan may reach.
const FURTHEST: Duration = Duration::days(731);

/// A session of a plan before it is written.
#[derive(Debug, Clone)]
struct DraftSession {
    key: String,
    kind: String,
    route: Option<String>,
    location: String,
    group_id: Option<Uuid>,
    time: Fitted,
}

/// A plan before it is written.
#[derive(Debug, Clone)]
pub struct Draft {
    template_id: String,
    route: Option<String>,
    member: Option<AccountId>,
    first_dosing_on: NaiveDate,
    sessions: Vec<DraftSession>,
    asks: Vec<Ask>,
}

/// For whom, where, and on whose behalf.
#[derive(Debug, Clone, Copy)]
pub struct For {
    pub patient: PatientId,
    pub clinic: ClinicId,
    pub me: AccountId,
    pub plan: PlanId,
}

/// Picks the template, 422 when there is none of this id.
pub fn pick(templates: Vec<PlanTemplate>, id: &str) -> ApiResult<PlanTemplate> {
    let template = templates.into_iter().find(|one| one.id == id).ok_or_else(|| {
        let detail = "is no template of this clinic; GET /plan-templates lists them";
        ApiError::invalid_field("/template_id", "unknown_template", detail)
    })?;
    if !template.enabled {
        return Err(ApiError::conflict(
            "template_switched_off",
            "Your clinic has not switched this template on. An admin does so by writing it as the clinic's own.",
        ));
    }
    Ok(template)
}

/// Fits the template to the clinic's calendar and refuses what cannot be meant. Pure.
pub fn draft(
    template: &PlanTemplate,
    input: PlanCreate,
    ground: &Ground,
    now: DateTime<Utc>,
) -> ApiResult<Draft> {
    check_keys(template, &input)?;
    let kept: Vec<&TemplateSession> =
        template.sessions.iter().filter(|one| !input.leave_out.contains(&one.key)).collect();
    check_route(&kept, input.route.as_deref())?;
    let route = input.route.as_deref();
    let wanted: Vec<Wanted> = kept
        .iter()
        .map(|one| Wanted {
            day_offset: one.day_offset,
            minutes: minutes(one, route),
            dosing: one.kind == "dosing",
            time: input.time,
        })
        .collect();
    let near = (now - Duration::days(1)).date_naive()..=(now + FURTHEST).date_naive();
    let date = to_civil_date(input.first_dosing_on).filter(|_| near.contains(&input.first_dosing_on));
    let date = date.ok_or_else(|| {
        ApiError::invalid_field("/first_dosing_on", "impossible_time", "must lie within the next two years")
    })?;
    let times = fit(ground.calendar(), &wanted, date, input.time).map_err(|error| unfit(error, &kept))?;
    check_times(&kept, &times, now)?;
    // Forms are counted from the day of the first one also where that one is left out.
    let dosing = kept.iter().zip(&times).find(|(one, _)| one.kind == "dosing");
    let first =
        dosing.map_or(date, |(one, time)| plus(ground.zone.local(time.starts_at).date(), -one.day_offset));
    let measures = if input.without_measures { &[][..] } else { &template.measures };
    Ok(Draft {
        template_id: template.id.clone(),
        member: input.member_id,
        first_dosing_on: crate::reminders::rules::localtime::to_naive_date(first),
        asks: asks(measures, first, &ground.zone, now),
        sessions: kept.iter().zip(times).map(|(one, time)| drafted(one, time, &input)).collect(),
        route: input.route,
    })
}

fn drafted(session: &TemplateSession, time: Fitted, input: &PlanCreate) -> DraftSession {
    DraftSession {
        key: session.key.clone(),
        kind: session.kind.clone(),
        route: input.route.clone().filter(|_| session.kind == "dosing"),
        location: input.locations.get(&session.key).unwrap_or(&session.location).clone(),
        group_id: input.groups.get(&session.key).copied(),
        time,
    }
}

/// A visit with medicine takes as long as its route needs.
fn minutes(session: &TemplateSession, route: Option<&str>) -> i64 {
    let visit = route.filter(|_| session.kind == "dosing").and_then(|id| protocols().route(id));
    let usual = protocols().session_kind(&session.kind).map_or(60, |kind| kind.default_duration_minutes);
    i64::from(visit.map_or(usual, |route| route.default_visit_minutes))
}

fn check_keys(template: &PlanTemplate, input: &PlanCreate) -> ApiResult<()> {
    let mut checks = Checks::default();
    let known = |key: &str| template.sessions.iter().any(|one| one.key == key);
    let detail = "is no session of this template";
    for (field, keys) in
        [("locations", input.locations.keys().collect::<Vec<_>>()), ("groups", input.groups.keys().collect())]
    {
        for key in keys {
            checks.require(known(key), &format!("/{field}/{}", escaped(key)), "unknown_session", detail);
        }
    }
    for (index, key) in input.leave_out.iter().enumerate() {
        checks.require(known(key), &format!("/leave_out/{index}"), "unknown_session", detail);
    }
    let left = template.sessions.iter().any(|one| !input.leave_out.contains(&one.key));
    checks.require(left, "/leave_out", "nothing_left", "leaves no session at all; keep at least one");
    checks.finish()
}

fn check_route(sessions: &[&TemplateSession], route: Option<&str>) -> ApiResult<()> {
    let refuse = |code: &str, detail: String| Err(ApiError::invalid_field("/route", code, detail));
    let mut dosing = sessions.iter().filter(|one| one.kind == "dosing").peekable();
    let Some(first) = dosing.peek() else {
        return match route {
            Some(_) => refuse("dosing_only", "leave it out: this plan has no dosing session".into()),
            None => Ok(()),
        };
    };
    let Some(route) = route else {
        return refuse("required", format!("must be one of: {}", first.routes.join(", ")));
    };
    match dosing.find(|one| !one.routes.iter().any(|offered| offered == route)) {
        Some(other) => refuse("route_not_offered", format!("must be one of: {}", other.routes.join(", "))),
        None => Ok(()),
    }
}

fn unfit(error: Unfit, sessions: &[&TemplateSession]) -> ApiError {
    match error {
        Unfit::Gap => ApiError::invalid_field(
            "/time",
            "local_time_gap",
            "does not exist on that day: clocks are put forward over it; choose another time or day",
        ),
        Unfit::OutsideHours => ApiError::invalid_field(
            "/time",
            "outside_hours",
            "the clinic is not open for all of the first dosing session then; choose a time within its hours",
        ),
        Unfit::NoRoom(index) => {
            let key = sessions.get(index).map_or("a session", |one| one.key.as_str());
            ApiError::conflict(
                "no_opening_fits",
                format!(
                    "No opening of the clinic within two months is long enough for {key}. Widen its hours."
                ),
            )
        }
    }
}

fn check_times(sessions: &[&TemplateSession], times: &[Fitted], now: DateTime<Utc>) -> ApiResult<()> {
    let past: Vec<&str> = sessions
        .iter()
        .zip(times)
        .filter(|(_, time)| time.starts_at < now)
        .map(|(one, _)| &*one.key)
        .collect();
    if !past.is_empty() {
        let detail = format!(
            "is too soon: {} would lie in the past; choose a later day, or name what has taken place in leave_out",
            past.join(", ")
        );
        return Err(ApiError::invalid_field("/first_dosing_on", "too_soon", detail));
    }
    if times.iter().any(|time| time.starts_at > now + FURTHEST) {
        let detail = "is too late: every session must lie within the next two years";
        return Err(ApiError::invalid_field("/first_dosing_on", "impossible_time", detail));
    }
    Ok(())
}

/// Writes a plan with everything that belongs to it. The number of statements does not depend on its length.
pub async fn write(
    app: &AppState,
    tx: &WriteTx,
    who: For,
    zone: &str,
    draft: Draft,
) -> ApiResult<StartedPlan> {
    let member = draft.member.unwrap_or(who.me);
    require_care(tx, who.patient, member).await?;
    let plan = plan_row(tx, who, member, zone, &draft);
    let rows: Vec<sessions::Model> =
        draft.sessions.into_iter().map(|one| session_row(tx, &plan, one)).collect();
    let slots: Vec<Slot> = rows.iter().map(|row| Slot::of(row, "/first_dosing_on")).collect();
    refuse_overlaps(tx, who.patient, member, &slots).await?;
    let active = plans::ActiveModel::from(plan.clone()).reset_all();
    plans::Entity::insert(active).exec_without_returning(tx.conn()).await?;
    let active = rows.iter().cloned().map(|row| sessions::ActiveModel::from(row).reset_all());
    sessions::Entity::insert_many(active).exec_without_returning(tx.conn()).await?;
    let measures_assigned = assign(app, tx, &plan, draft.asks).await?;
    reminders::start_defaults(tx, who.patient, who.me).await?;
    let added = reminders::replan(tx, who.patient).await?;
    let (reminders_planned, reminders_unsent) = reminders_of(&rows, added);
    let sessions = rows.into_iter().map(session_view).collect();
    let plan = PlanWithSessions { plan: queries::view(plan), sessions };
    Ok(StartedPlan { plan, reminders_planned, reminders_unsent, measures_assigned })
}

async fn require_care(tx: &WriteTx, patient: PatientId, member: AccountId) -> ApiResult<()> {
    let statement = Statement::from_sql_and_values(
        tx.conn().get_database_backend(),
        "SELECT 1 AS one FROM care_relations WHERE patient_id = $1 AND member_id = $2 AND ended_at IS NULL",
        [patient.0.into(), member.0.into()],
    );
    tx.conn().query_one_raw(statement).await?.map(drop).ok_or_else(|| {
        let detail = "is nobody of this patient's care team; leave it out to plan with yourself";
        ApiError::invalid_field("/member_id", "not_in_care", detail)
    })
}

fn plan_row(tx: &WriteTx, who: For, member: AccountId, zone: &str, draft: &Draft) -> plans::Model {
    plans::Model {
        patient_id: who.patient,
        id: who.plan,
        version: 1,
        sync_seq: tx.sync_seq(),
        clinic_id: who.clinic,
        member_id: member,
        started_by: who.me,
        template_id: draft.template_id.clone(),
        route: draft.route.clone(),
        first_dosing_on: draft.first_dosing_on,
        zone: zone.to_owned(),
        state: PlanState::Active.as_str().to_owned(),
        created_at: tx.now(),
        updated_at: tx.now(),
    }
}

fn session_row(tx: &WriteTx, plan: &plans::Model, draft: DraftSession) -> sessions::Model {
    sessions::Model {
        patient_id: plan.patient_id,
        id: SessionId(tx.new_id()),
        version: 1,
        sync_seq: tx.sync_seq(),
        clinic_id: plan.clinic_id,
        member_id: plan.member_id,
        kind: draft.kind,
        route: draft.route,
        location: draft.location,
        starts_at: draft.time.starts_at,
        ends_at: draft.time.ends_at,
        zone: plan.zone.clone(),
        placement: 0,
        state: SessionState::Planned.as_str().to_owned(),
        started_at: None,
        ended_at: None,
        plan_id: Some(plan.id.0),
        plan_key: Some(draft.key),
        group_id: draft.group_id,
        intention_sealed: None,
        created_at: tx.now(),
        updated_at: tx.now(),
    }
}

async fn assign(app: &AppState, tx: &WriteTx, plan: &plans::Model, asks: Vec<Ask>) -> ApiResult<usize> {
    let mut wanted = Vec::with_capacity(asks.len());
    for ask in asks {
        let measure = app.measures.find(&ask.measure).ok_or_else(|| {
            let detail = format!("This server has no questionnaire {}. Send without_measures.", ask.measure);
            ApiError::conflict("measure_missing", detail)
        })?;
        wanted.push(PlannedMeasure { measure, opens_at: ask.opens_at, due_at: ask.due_at });
    }
    let by = (plan.clinic_id, plan.member_id, plan.id.0);
    measures::assign_planned(tx, plan.patient_id, by, &wanted).await?;
    Ok(wanted.len())
}

/// How many are planned around these sessions, and those that will not be sent, earliest first.
fn reminders_of(
    sessions: &[sessions::Model],
    mut added: Vec<notifications::Model>,
) -> (usize, Vec<UnsentReminder>) {
    added.retain(|line| sessions.iter().any(|session| session.id.0 == line.origin_id));
    added.sort_by_key(|line| (line.due_at, line.id));
    let planned = added.iter().filter(|line| line.state == "planned").count();
    let unsent = added.into_iter().filter(|line| line.state == "suppressed").map(|line| UnsentReminder {
        session_id: line.origin_id.into(),
        template_id: line.template_id.unwrap_or_default(),
        due_at: line.due_at,
        reason: line.reason.unwrap_or_default(),
    });
    (planned, unsent.collect())
}
