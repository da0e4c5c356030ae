//! The ledger: what was planned for somebody, and what became of it. Its words are put together when it is read; the
//! rows themselves hold none.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use entity::{
    ids::{AccountId, NotificationId, PatientId},
    notifications, reminders,
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::Expr,
};
use uuid::Uuid;

use super::{RULE, dto::Notification, queries};
use crate::{
    app::AppState,
    content::protocols,
    error::{ApiError, ApiResult},
    page::Page,
    vault::DataKey,
};

/// A page, latest due first.
pub async fn list(
    conn: &impl ConnectionTrait,
    recipient: AccountId,
    page: &Page,
) -> ApiResult<Vec<notifications::Model>> {
    let query = notifications::Entity::find().filter(notifications::Column::RecipientId.eq(recipient));
    Ok(page.newest_first(query, notifications::Column::DueAt, notifications::Column::Id).all(conn).await?)
}

/// A line of the ledger about a session, without its words.
#[derive(Debug, sea_orm::FromQueryResult)]
pub struct SessionLine {
    pub origin_id: Uuid,
    pub template_id: Option<String>,
    pub due_at: DateTime<Utc>,
    pub state: String,
    pub reason: Option<String>,
}

/// What is planned around some sessions of a patient, earliest first.
pub async fn of_sessions(
    conn: &impl ConnectionTrait,
    patient: PatientId,
    sessions: Vec<Uuid>,
) -> ApiResult<Vec<SessionLine>> {
    use notifications::Column;
    Ok(notifications::Entity::find()
        .select_only()
        .columns([Column::OriginId, Column::TemplateId, Column::DueAt, Column::State, Column::Reason])
        .filter(Column::RecipientId.eq(patient.0))
        .filter(Column::OriginId.is_in(sessions))
        .order_by_asc(Column::DueAt)
        .order_by_asc(Column::Id)
        .into_model()
        .all(conn)
        .await?)
}

/// The rows with their words.
pub async fn view(
    conn: &impl ConnectionTrait,
    rows: Vec<notifications::Model>,
    patient: PatientId,
    key: &DataKey,
    locale: &str,
) -> ApiResult<Vec<Notification>> {
    let mut rules: HashMap<Uuid, reminders::Model> = HashMap::new();
    if rows.iter().any(|row| row.origin_kind == RULE) {
        rules = queries::list(conn, patient).await?.into_iter().map(|rule| (rule.id.0, rule)).collect();
    }
    rows.into_iter()
        .map(|row| {
            let (title, body) = in_app_text(&row, rules.get(&row.origin_id), key, locale)?;
            Ok(Notification {
                id: row.id,
                category: row.category,
                priority: row.priority,
                title,
                body,
                state: row.state,
                reason: row.reason,
                due_at: row.due_at,
                expires_at: row.expires_at,
                local_date: row.local_date,
                accepted_at: row.accepted_at,
                opened_at: row.opened_at,
                done_at: row.done_at,
                attempts: row.attempts,
            })
        })
        .collect()
}

/// Title and body inside the app: the template's for a session, the patient's own for a standing rule.
pub fn in_app_text(
    row: &notifications::Model,
    rule: Option<&reminders::Model>,
    key: &DataKey,
    locale: &str,
) -> ApiResult<(String, String)> {
    if let Some(template) = row.template_id.as_deref().and_then(|id| protocols().template(id)) {
        let (title, body) = template.text(locale);
        return Ok((title.to_owned(), body.to_owned()));
    }
    let (title, body) = protocols().lock_screen(lock_screen_key(row), locale);
    let own = rule.map(|rule| queries::words(rule, key)).transpose()?.unwrap_or_default();
    Ok((own.title.unwrap_or_else(|| title.to_owned()), own.body.unwrap_or_else(|| body.to_owned())))
}

/// Which discreet text a lock screen shows for a notification.
pub fn lock_screen_key(row: &notifications::Model) -> &str {
    if let Some(template) = row.template_id.as_deref().and_then(|id| protocols().template(id)) {
        return &template.lock_screen;
    }
    match row.category.as_str() {
        category if category.starts_with("alert_") => "staff",
        "measure" => "form",
        "integration" => "note",
        "appointment" | "follow-up" => "follow",
        _ => "moment",
    }
}

/// What the patient did with a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    Shown,
    Opened,
    Done,
}

/// Notes it, once; 404 unless the notification is the caller's.
pub async fn mark(app: &AppState, recipient: AccountId, id: NotificationId, mark: Mark) -> ApiResult<()> {
    let column = match mark {
        Mark::Shown => notifications::Column::ShownAt,
        Mark::Opened => notifications::Column::OpenedAt,
        Mark::Done => notifications::Column::DoneAt,
    };
    let conn = app.db.writer();
    let noted = notifications::Entity::update_many()
        .col_expr(column, Expr::value(app.clock.now()))
        .filter(notifications::Column::RecipientId.eq(recipient))
        .filter(notifications::Column::Id.eq(id))
        .filter(column.is_null())
        .exec(conn)
        .await?;
    if noted.rows_affected == 1 {
        return Ok(());
    }
    let known = notifications::Entity::find_by_id((recipient, id)).one(conn).await?;
    known.map(drop).ok_or(ApiError::NotFound)
}
