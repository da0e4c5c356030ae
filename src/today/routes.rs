//! Handlers of the day.

use axum::{Json, extract::State, response::Response};
use chrono::{DateTime, NaiveDate, Utc};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    dto::{NextSession, OfflinePack, Today, TodaysTask},
    offline, queries,
    rules::{self, Task},
    texts,
};
use crate::{
    accounts::Patient,
    app::AppState,
    content::{in_locale, protocols},
    error::{ApiError, ApiResult},
    etag::tagged,
    language,
    openapi::Problems,
    prompts::{self, OfferedPrompt},
    reminders::rules::localtime::Zone,
};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(get_today)).routes(routes!(get_offline_pack))
}

/// Today on one screen: where I am in plain words, what comes next, at most three things to do, one exercise, and one
/// to steady myself with.
#[utoipa::path(get, path = "/today", operation_id = "get_today", tag = "me",
    responses((status = 200, body = Today), Problems))]
async fn get_today(State(app): State<AppState>, me: Patient) -> ApiResult<Json<Today>> {
    let (now, zone) = (app.clock.now(), Zone::parse(&me.zone).map_err(ApiError::internal)?);
    let (day, prompt, favourites) = prompts::todays(&app, &me).await?;
    let (facts, upcoming) = queries::facts(app.db.reader(), &me, &zone, (day.alert_open, now)).await?;
    let phase = rules::phase(&facts, now);
    let (title, detail) = texts::phase(phase, &me.locale);
    let tasks = rules::tasks(&facts, phase, now);
    let session = upcoming.as_ref().map(|(row, _)| row.id.to_string());
    Ok(Json(Today {
        local_date: day.date,
        phase,
        title,
        detail,
        to_do: tasks.iter().map(|task| shown(&app, task, session.as_deref(), &me.locale)).collect(),
        next_session: upcoming.map(|upcoming| next_session(upcoming, &zone, &me.locale)),
        prompt: prompts::view(prompt, &favourites, &me.locale),
        grounding: grounding(&me, day.date, &favourites)?,
        support: prompts::support(&app, &me, &day).await?,
    }))
}

/// What my app keeps for hours without a network: whom to call, my safety plan, exercises to steady myself with, and
/// my clinic's number.
#[utoipa::path(get, path = "/offline-pack", operation_id = "get_offline_pack", tag = "me",
    params(("If-None-Match" = Option<String>, Header, description = "The ETag that the app already has.")),
    responses((status = 200, body = OfflinePack), (status = 304, description = "Unchanged"), Problems))]
async fn get_offline_pack(State(app): State<AppState>, me: Patient) -> ApiResult<Response> {
    tagged(&offline::pack(&app, &me).await?, language::of(&me.locale))
}

/// One that steadies, another each day.
fn grounding(
    me: &Patient,
    date: NaiveDate,
    favourites: &std::collections::BTreeSet<String>,
) -> ApiResult<OfferedPrompt> {
    let steadying: Vec<_> = prompts::catalogue().iter().filter(|prompt| prompt.is_grounding()).collect();
    let days = date.signed_duration_since(DateTime::<Utc>::UNIX_EPOCH.date_naive()).num_days();
    let turn = usize::try_from(days).unwrap_or_default() + usize::from(me.id().0.as_bytes()[15]);
    let prompt = steadying
        .get(turn % steadying.len().max(1))
        .ok_or_else(|| ApiError::internal("the catalogue has no grounding exercise"))?;
    Ok(prompts::view(prompt, favourites, &me.locale))
}

fn shown(app: &AppState, task: &Task, session: Option<&str>, locale: &str) -> TodaysTask {
    let (operation, target) = match task {
        Task::Support => ("get_safety_plan", None),
        Task::Readiness => ("list_session_readiness", session.map(str::to_owned)),
        Task::Measure(asked) => ("create_measure_response", Some(asked.measure_id.clone())),
        Task::FirstImpressions => ("create_journal_entry", Some("first-impressions".to_owned())),
        Task::Intention => ("update_session_intention", session.map(str::to_owned)),
        Task::CheckIn => ("create_checkin", None),
    };
    let asked = match task {
        Task::Measure(asked) => Some(asked),
        _ => None,
    };
    let title = asked
        .and_then(|asked| app.measures.find(&asked.measure_id))
        .map(|measure| measure.title_in(locale).to_owned());
    TodaysTask {
        kind: task.id().to_owned(),
        title: title.unwrap_or_else(|| texts::task(task, locale)),
        operation: operation.to_owned(),
        target,
        assignment_id: asked.map(|asked| asked.assignment_id),
    }
}

fn next_session((row, items): queries::Upcoming, zone: &Zone, locale: &str) -> NextSession {
    let kind = protocols().session_kind(&row.kind);
    let title = kind.and_then(|kind| in_locale(&kind.title, locale)).cloned();
    NextSession {
        id: row.id,
        title: title.unwrap_or_else(|| row.kind.clone()),
        kind: row.kind,
        location: row.location,
        local_date: zone.local_date(row.starts_at),
        local_time: zone.local(row.starts_at).strftime("%H:%M").to_string(),
        starts_at: row.starts_at,
        readiness_items: items.len(),
        readiness_done: items.iter().filter(|item| item.done).count(),
    }
}
