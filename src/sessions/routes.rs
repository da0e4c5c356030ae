//! Handlers of sessions.

use axum::{Json, extract::State};
use entity::ids::SessionId;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    dto::{CompletionQuery, ScheduledSession, Session, SessionCreate, SessionList, SessionPatch},
    moves, queries,
    rules::Step,
};
use crate::{
    accounts::{Patient, Therapist},
    alerts,
    app::AppState,
    care::{SharedPatient, TreatedPatient},
    error::ApiResult,
    extract::{IfMatch, Once, PathId, ValidJson, ValidQuery, Versioned},
    idempotency::Answer,
    openapi::Problems,
    page::{Cursor, PageQuery},
    plans, reminders,
};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(create_session, list_patient_sessions))
        .routes(routes!(list_sessions))
        .routes(routes!(get_session, update_session))
        .routes(routes!(start_session))
        .routes(routes!(complete_session))
        .routes(routes!(cancel_session))
        .routes(routes!(mark_session_no_show))
}

/// Schedule a session for a patient in my care. Its reminders are planned with it and listed in the answer.
#[utoipa::path(post, path = "/patients/{patient_id}/sessions", operation_id = "create_session", tag = "sessions",
    params(("patient_id" = Uuid, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeated request have one effect.")),
    request_body = SessionCreate, responses((status = 201, body = ScheduledSession), Problems))]
async fn create_session(
    State(app): State<AppState>,
    shared: SharedPatient,
    Once { input, replay }: Once<SessionCreate>,
) -> ApiResult<Answer> {
    let id = SessionId(app.random.uuid_v7(app.clock.now()));
    let (me, resource) = (shared.therapist(), format!("sessions/{id}"));
    shared
        .write_once(&app, "sessions.schedule", resource, replay.as_ref(), async |tx, scope| {
            let with = (me.clinic, me.account, me.zone.clone());
            let row = queries::insert(tx, scope.patient, id, with, input).await?;
            let reminders = reminders::of_new_session(id, reminders::replan(tx, scope.patient).await?);
            let version = row.version;
            Answer::created(&ScheduledSession { session: queries::view(row), reminders }, Some(version))
        })
        .await
}

/// List the sessions of a patient in my care, latest start first.
#[utoipa::path(get, path = "/patients/{patient_id}/sessions", operation_id = "list_patient_sessions",
    tag = "sessions", params(("patient_id" = Uuid, Path), PageQuery),
    responses((status = 200, body = SessionList), Problems))]
async fn list_patient_sessions(
    State(app): State<AppState>,
    shared: TreatedPatient,
    ValidQuery(query): ValidQuery<PageQuery>,
) -> ApiResult<Json<SessionList>> {
    let page =
        query.page(&app.cursor_mac, shared.therapist().account.0, &shared.list("list_patient_sessions"))?;
    let list = shared
        .read(&app, "sessions.list", "sessions".into(), async |conn, scope| {
            let mut rows = queries::list(conn, scope.patient, &page).await?;
            let next_cursor =
                page.finish(&mut rows, &app.cursor_mac, |row| Cursor { at: row.starts_at, id: row.id.0 });
            Ok(SessionList { items: rows.into_iter().map(queries::view).collect(), next_cursor })
        })
        .await?;
    Ok(Json(list))
}

/// List my sessions, latest start first.
#[utoipa::path(get, path = "/sessions", operation_id = "list_sessions", tag = "sessions", params(PageQuery),
    responses((status = 200, body = SessionList), Problems))]
async fn list_sessions(
    State(app): State<AppState>,
    me: Patient,
    ValidQuery(query): ValidQuery<PageQuery>,
) -> ApiResult<Json<SessionList>> {
    let page = query.page(&app.cursor_mac, me.account.0, "list_sessions")?;
    let mut rows = queries::list(app.db.reader(), me.id(), &page).await?;
    let next_cursor =
        page.finish(&mut rows, &app.cursor_mac, |row| Cursor { at: row.starts_at, id: row.id.0 });
    Ok(Json(SessionList { items: rows.into_iter().map(queries::view).collect(), next_cursor }))
}

/// Read one of my sessions.
#[utoipa::path(get, path = "/sessions/{id}", operation_id = "get_session", tag = "sessions",
    params(("id" = Uuid, Path),
        ("If-None-Match" = Option<String>, Header, description = "The ETag that the app already has.")), responses((status = 200, body = Session), (status = 304, description = "Unchanged"), Problems))]
async fn get_session(
    State(app): State<AppState>,
    me: Patient,
    PathId(id): PathId<SessionId>,
) -> ApiResult<Versioned<Session>> {
    let row = queries::find(app.db.reader(), me.id(), id).await?;
    Ok(Versioned { version: row.version, body: queries::view(row) })
}

/// Move a planned session of a patient in my care, alone or with all that follow it in its plan. Reminders move along.
#[utoipa::path(patch, path = "/sessions/{id}", operation_id = "update_session", tag = "sessions",
    params(("id" = Uuid, Path), ("If-Match" = String, Header, description = "The ETag that was read.", example = "\"1\"")),
    request_body = SessionPatch, responses((status = 200, body = ScheduledSession), Problems))]
async fn update_session(
    State(app): State<AppState>,
    me: Therapist,
    PathId(id): PathId<SessionId>,
    IfMatch(version): IfMatch,
    ValidJson(patch): ValidJson<SessionPatch>,
) -> ApiResult<Versioned<ScheduledSession>> {
    let ground = match patch.shift_following {
        true => Some(plans::ground(app.db.reader(), me.clinic).await?),
        false => None,
    };
    let shared = shared(&app, me, id).await?;
    shared
        .write(&app, "sessions.move", format!("sessions/{id}"), async |tx, scope| {
            let row = moves::relocate(tx, scope, ground.as_ref(), (id, version), patch).await?;
            let reminders = reminders::of_session(tx.conn(), scope.patient, id).await?;
            Ok(Versioned {
                version: row.version,
                body: ScheduledSession { session: queries::view(row), reminders },
            })
        })
        .await
}

async fn shared(app: &AppState, me: Therapist, id: SessionId) -> ApiResult<SharedPatient> {
    let patient = queries::patient_of(app.db.reader(), me.account, id).await?;
    SharedPatient::find(app, me, patient).await
}

async fn advance(
    app: &AppState,
    me: Therapist,
    (id, version): (SessionId, i32),
    step: Step,
) -> ApiResult<Versioned<ScheduledSession>> {
    let shared = shared(app, me, id).await?;
    shared
        .write(app, step.action(), format!("sessions/{id}"), async |tx, scope| {
            let row = queries::advance(tx, scope.patient, (id, version), step).await?;
            if step == Step::Start && row.kind == "dosing" {
                alerts::refuse_unacknowledged(app, tx, scope.patient).await?;
            }
            reminders::replan_patient(tx, scope.patient).await?;
            let reminders = reminders::of_session(tx.conn(), scope.patient, id).await?;
            Ok(Versioned {
                version: row.version,
                body: ScheduledSession { session: queries::view(row), reminders },
            })
        })
        .await
}

macro_rules! steps {
    ($($(#[$doc:meta])* $name:ident, $path:literal, $id:literal, $step:ident;)*) => {$(
        $(#[$doc])*
        #[utoipa::path(post, path = $path, operation_id = $id, tag = "sessions",
            params(("id" = Uuid, Path),
                ("If-Match" = String, Header, description = "The ETag that was read.", example = "\"1\"")),
            responses((status = 200, body = ScheduledSession), Problems))]
        async fn $name(
            State(app): State<AppState>,
            me: Therapist,
            PathId(id): PathId<SessionId>,
            IfMatch(version): IfMatch,
        ) -> ApiResult<Versioned<ScheduledSession>> {
            advance(&app, me, (id, version), Step::$step).await
        }
    )*};
}

/// The session is over; what follows it counts from its end.
#[utoipa::path(post, path = "/sessions/{id}/complete", operation_id = "complete_session", tag = "sessions",
    params(("id" = Uuid, Path), CompletionQuery,
        ("If-Match" = String, Header, description = "The ETag that was read.", example = "\"1\"")),
    responses((status = 200, body = ScheduledSession), Problems))]
async fn complete_session(
    State(app): State<AppState>,
    me: Therapist,
    PathId(id): PathId<SessionId>,
    IfMatch(version): IfMatch,
    ValidQuery(query): ValidQuery<CompletionQuery>,
) -> ApiResult<Versioned<ScheduledSession>> {
    advance(&app, me, (id, version), Step::Complete(query.ended_at)).await
}

steps! {
    /// The session has begun: until it is completed the patient is left in peace.
    start_session, "/sessions/{id}/start", "start_session", Start;
    /// The session will not take place; its reminders end.
    cancel_session, "/sessions/{id}/cancel", "cancel_session", Cancel;
    /// The patient did not come; nothing that follows a session is sent.
    mark_session_no_show, "/sessions/{id}/no-show", "mark_session_no_show", NoShow;
}
