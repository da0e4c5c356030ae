//! Handlers of reminders and of the ledger.

use axum::{Json, extract::State, http::StatusCode};
use entity::ids::{NotificationId, ReminderId};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    clinic,
    dto::{
        Notification, NotificationList, Reminder, ReminderCreate, ReminderList, ReminderPatch, UpcomingList,
    },
    ledger,
    marks::{Mark, mark},
    queries,
    snooze::{NotificationSnooze, snooze},
    staff,
};
use crate::{
    accounts::Patient,
    app::AppState,
    error::{ApiError, ApiResult},
    extract::{IfMatch, Once, PathId, ValidJson, ValidQuery, Versioned},
    idempotency::Answer,
    language::InLanguage,
    openapi::Problems,
    page::{Cursor, PageQuery},
};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(create_reminder, list_reminders))
        .routes(routes!(get_reminder, update_reminder, delete_reminder))
        .routes(routes!(list_upcoming_reminders))
        .routes(routes!(list_notifications))
        .routes(routes!(mark_notification_opened))
        .routes(routes!(mark_notification_done))
        .routes(routes!(snooze_notification))
        .merge(staff::router())
        .merge(clinic::router())
}

fn reader(me: &Patient) -> queries::Reader<'_> {
    queries::Reader { key: &me.key, zone: &me.zone, locale: &me.locale }
}

/// Set a standing reminder.
#[utoipa::path(post, path = "/reminders", operation_id = "create_reminder", tag = "reminders",
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repeated request have one effect.")),
    request_body = ReminderCreate, responses((status = 201, body = Reminder), Problems))]
async fn create_reminder(
    State(app): State<AppState>,
    me: Patient,
    Once { input, replay }: Once<ReminderCreate>,
) -> ApiResult<Answer> {
    let id = ReminderId(app.random.uuid_v7(app.clock.now()));
    app.db
        .write_once(&me.writing(), replay.as_ref(), &me.key, async |tx| {
            let row = queries::insert(tx, me.id(), &me.key, (id, me.account), input).await?;
            super::replan_patient(tx, me.id()).await?;
            Answer::created(&queries::view(row, reader(&me), tx.now())?, Some(1))
        })
        .await
}

/// List my standing reminders, oldest first.
#[utoipa::path(get, path = "/reminders", operation_id = "list_reminders", tag = "reminders",
    responses((status = 200, body = ReminderList), Problems))]
async fn list_reminders(State(app): State<AppState>, me: Patient) -> ApiResult<Json<ReminderList>> {
    let now = app.clock.now();
    let rows = queries::list(app.db.reader(), me.id()).await?;
    let view = |row| queries::view(row, reader(&me), now);
    let items = rows.into_iter().map(view).collect::<ApiResult<_>>()?;
    Ok(Json(ReminderList { items }))
}

/// Read one of my reminders.
#[utoipa::path(get, path = "/reminders/{id}", operation_id = "get_reminder", tag = "reminders",
    params(("id" = Uuid, Path),
        ("If-None-Match" = Option<String>, Header, description = "The ETag that the app already has.")), responses((status = 200, body = Reminder), (status = 304, description = "Unchanged"), Problems))]
async fn get_reminder(
    State(app): State<AppState>,
    me: Patient,
    PathId(id): PathId<ReminderId>,
) -> ApiResult<Versioned<Reminder>> {
    let row = queries::find(app.db.reader(), me.id(), id).await?;
    Ok(Versioned { version: row.version, body: queries::view(row, reader(&me), app.clock.now())? })
}

/// Change one of my reminders; its next occurrence is planned anew.
#[utoipa::path(patch, path = "/reminders/{id}", operation_id = "update_reminder", tag = "reminders",
    params(("id" = Uuid, Path), ("If-Match" = String, Header, description = "The ETag that was read.", example = "\"1\"")),
    request_body = ReminderPatch, responses((status = 200, body = Reminder), Problems))]
async fn update_reminder(
    State(app): State<AppState>,
    me: Patient,
    PathId(id): PathId<ReminderId>,
    IfMatch(version): IfMatch,
    ValidJson(patch): ValidJson<ReminderPatch>,
) -> ApiResult<Versioned<Reminder>> {
    let row = app
        .db
        .write(&me.writing(), async |tx| {
            let row = queries::update(tx, me.id(), &me.key, (id, version, me.account), patch).await?;
            super::replan_patient(tx, me.id()).await?;
            Ok(row)
        })
        .await?;
    Ok(Versioned { version: row.version, body: queries::view(row, reader(&me), app.clock.now())? })
}

/// Delete one of my reminders.
#[utoipa::path(delete, path = "/reminders/{id}", operation_id = "delete_reminder", tag = "reminders",
    params(("id" = Uuid, Path), ("If-Match" = String, Header, description = "The ETag that was read.", example = "\"1\"")),
    responses((status = 204, description = "Deleted"), Problems))]
async fn delete_reminder(
    State(app): State<AppState>,
    me: Patient,
    PathId(id): PathId<ReminderId>,
    IfMatch(version): IfMatch,
) -> ApiResult<StatusCode> {
    app.db
        .write(&me.writing(), async |tx| {
            queries::delete(tx, me.id(), id, version).await?;
            super::replan_patient(tx, me.id()).await
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Most of what is to come that one answer shows.
const UPCOMING: u64 = 100;

/// What is planned for me now, earliest first, at most a hundred: the next occurrence of each standing reminder, and what
/// belongs to my sessions.
#[utoipa::path(get, path = "/reminders/upcoming", operation_id = "list_upcoming_reminders", tag = "reminders",
    responses((status = 200, body = UpcomingList), Problems))]
async fn list_upcoming_reminders(
    State(app): State<AppState>,
    me: Patient,
) -> ApiResult<InLanguage<Json<UpcomingList>>> {
    let rows = ledger::upcoming(app.db.reader(), me.account, UPCOMING).await?;
    let items = ledger::view(app.db.reader(), rows, &me, app.clock.now()).await?;
    Ok(InLanguage(me.locale.clone(), Json(UpcomingList { items })))
}

/// The ledger: every reminder that was planned for me and what became of it, latest due first.
#[utoipa::path(get, path = "/notifications", operation_id = "list_notifications", tag = "reminders",
    params(PageQuery), responses((status = 200, body = NotificationList), Problems))]
async fn list_notifications(
    State(app): State<AppState>,
    me: Patient,
    ValidQuery(query): ValidQuery<PageQuery>,
) -> ApiResult<InLanguage<Json<NotificationList>>> {
    let page = query.page(&app.cursor_mac, me.account.0, "list_notifications")?;
    let mut rows = ledger::list(app.db.reader(), me.account, &page).await?;
    let next_cursor = page.finish(&mut rows, &app.cursor_mac, |row| Cursor { at: row.due_at, id: row.id.0 });
    let items = ledger::view(app.db.reader(), rows, &me, app.clock.now()).await?;
    Ok(InLanguage(me.locale.clone(), Json(NotificationList { items, next_cursor })))
}

/// I opened this notification.
#[utoipa::path(post, path = "/notifications/{id}/opened", operation_id = "mark_notification_opened",
    tag = "reminders", params(("id" = Uuid, Path)), responses((status = 204, description = "Noted"), Problems))]
async fn mark_notification_opened(
    State(app): State<AppState>,
    me: Patient,
    PathId(id): PathId<NotificationId>,
) -> ApiResult<StatusCode> {
    mark(&app, me.account, id, Mark::Opened).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// I did what this notification asked for.
#[utoipa::path(post, path = "/notifications/{id}/done", operation_id = "mark_notification_done", tag = "reminders",
    params(("id" = Uuid, Path)), responses((status = 204, description = "Noted"), Problems))]
async fn mark_notification_done(
    State(app): State<AppState>,
    me: Patient,
    PathId(id): PathId<NotificationId>,
) -> ApiResult<StatusCode> {
    mark(&app, me.account, id, Mark::Done).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Remind me of this later: a new line of the ledger, which the answer shows.
#[utoipa::path(post, path = "/notifications/{id}/snooze", operation_id = "snooze_notification", tag = "reminders",
    params(("id" = Uuid, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeated request have one effect.")),
    request_body = NotificationSnooze, responses((status = 201, body = Notification), Problems))]
async fn snooze_notification(
    State(app): State<AppState>,
    me: Patient,
    PathId(id): PathId<NotificationId>,
    Once { input, replay }: Once<NotificationSnooze>,
) -> ApiResult<Answer> {
    app.db
        .write_once(&me.writing(), replay.as_ref(), &me.key, async |tx| {
            let row = snooze(tx, me.id(), id, input.wait).await?;
            let shown = ledger::view(tx.conn(), vec![row], &me, tx.now()).await?.pop();
            Answer::created(&shown.ok_or(ApiError::NotFound)?, None)
        })
        .await
}
