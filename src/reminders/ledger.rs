//! The ledger: what was planned for somebody, and what became of it. Its words are put together when it is read; the
//! rows themselves hold none.

use std::collections::HashMap;

use chrono::{DateTime, Duration, Utc};
use entity::{
    alerts,
    ids::{AccountId, NotificationId, PatientId},
    notifications, reminders,
};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, sea_query::Expr,
};
use uuid::Uuid;

use super::{ACCOUNT, RECORD, RULE, SESSION, SNOOZE, dto::Notification, queries, words};
use crate::{
    accounts::Patient,
    content::protocols,
    error::{ApiError, ApiResult},
    page::Page,
    vault::DataKey,
};

/// How long after an answer that called for help routine prompts stay away in any case, and at most.
pub const SUPPORT: Duration = Duration::hours(24);
pub const LONGEST_SUPPORT: Duration = Duration::days(7);

/// Alerts that somebody is told of the same day, which climb; the others wait for the next review and change nothing for
/// the patient.
pub const CALLED_FOR_HELP: &str = "(next_at IS NOT NULL OR step > 0)";

/// A page, latest due first.
pub async fn list(
    conn: &impl ConnectionTrait,
    recipient: AccountId,
    page: &Page,
) -> ApiResult<Vec<notifications::Model>> {
    let query = notifications::Entity::find().filter(notifications::Column::RecipientId.eq(recipient));
    Ok(page.newest_first(query, notifications::Column::DueAt, notifications::Column::Id).all(conn).await?)
}

/// The latest reminders of a patient, earliest first: those around sessions, which their care team plans, or with all
/// they set themselves.
pub async fn reminders_of(
    conn: &impl ConnectionTrait,
    patient: PatientId,
    (own, most): (bool, u64),
) -> ApiResult<Vec<notifications::Model>> {
    use notifications::Column;
    let kinds: &[&str] = if own { &[SESSION, RULE, SNOOZE] } else { &[SESSION] };
    let mut rows = notifications::Entity::find()
        .filter(Column::RecipientId.eq(patient.0))
        .filter(Column::OriginKind.is_in(kinds.iter().copied()))
        .order_by_desc(Column::DueAt)
        .order_by_desc(Column::Id)
        .limit(most)
        .all(conn)
        .await?;
    rows.reverse();
    Ok(rows)
}

/// One line, 404 unless it is the recipient's.
pub async fn find(
    conn: &impl ConnectionTrait,
    recipient: AccountId,
    id: NotificationId,
) -> ApiResult<notifications::Model> {
    notifications::Entity::find_by_id((recipient, id)).one(conn).await?.ok_or(ApiError::NotFound)
}

/// What is still to come, earliest first.
pub async fn upcoming(
    conn: &impl ConnectionTrait,
    recipient: AccountId,
    most: u64,
) -> ApiResult<Vec<notifications::Model>> {
    Ok(notifications::Entity::find()
        .filter(notifications::Column::RecipientId.eq(recipient))
        .filter(notifications::Column::State.is_in(["planned", "claimed", "retrying"]))
        .order_by_asc(notifications::Column::DueAt)
        .order_by_asc(notifications::Column::Id)
        .limit(most)
        .all(conn)
        .await?)
}

/// How many lines have a slot that begins so.
pub async fn count_slots(conn: &impl ConnectionTrait, recipient: AccountId, begin: &str) -> ApiResult<i64> {
    let count = notifications::Entity::find()
        .filter(notifications::Column::RecipientId.eq(recipient))
        .filter(notifications::Column::Slot.starts_with(begin))
        .count(conn)
        .await?;
    Ok(i64::try_from(count).unwrap_or(i64::MAX))
}

/// The rows with their words, as the patient reads them. `since` is when they gave an answer that called for help, if
/// that still holds: what comes from then on says where help is.
pub async fn view(
    conn: &impl ConnectionTrait,
    rows: Vec<notifications::Model>,
    me: &Patient,
    now: DateTime<Utc>,
) -> ApiResult<Vec<Notification>> {
    let mut rules: HashMap<Uuid, reminders::Model> = HashMap::new();
    if rows.iter().any(|row| matches!(row.origin_kind.as_str(), RULE | SNOOZE)) {
        rules = queries::list(conn, me.id()).await?.into_iter().map(|rule| (rule.id.0, rule)).collect();
    }
    let answered = open_answer(conn, me.id(), now).await?;
    rows.into_iter()
        .map(|row| {
            let (title, body) = in_app_text(&row, rules.get(&row.origin_id), &me.key, &me.locale)?;
            let gently = answered.is_some_and(|since| row.due_at >= since);
            let body = if gently { format!("{body} {}", words::support(&me.locale)) } else { body };
            Ok(shown(row, (title, body), &me.locale))
        })
        .collect()
}

fn shown(row: notifications::Model, (title, body): (String, String), locale: &str) -> Notification {
    let explanation = words::explain(&row.state, row.reason.as_deref(), locale).to_owned();
    let session = row.template_id.as_deref().is_some_and(|id| protocols().template(id).is_some());
    Notification {
        id: row.id,
        session_id: session.then_some(row.origin_id),
        reminder_id: (row.origin_kind == RULE || row.origin_kind == SNOOZE && !session)
            .then_some(row.origin_id),
        category: row.category,
        priority: row.priority,
        title,
        body,
        state: row.state,
        reason: row.reason,
        explanation,
        due_at: row.due_at,
        expires_at: row.expires_at,
        local_date: row.local_date,
        accepted_at: row.accepted_at,
        shown_at: row.shown_at,
        opened_at: row.opened_at,
        done_at: row.done_at,
        snoozed_at: row.snoozed_at,
        attempts: row.attempts,
    }
}

/// Since when an answer calls for help: from then on for a day, and until somebody has seen it, at most a week.
async fn open_answer(
    conn: &impl ConnectionTrait,
    patient: PatientId,
    now: DateTime<Utc>,
) -> ApiResult<Option<DateTime<Utc>>> {
    use alerts::Column::{AcknowledgedAt, PatientId as Owner, RaisedAt};
    let row = alerts::Entity::find()
        .filter(Owner.eq(patient))
        .filter(RaisedAt.gt(now - LONGEST_SUPPORT))
        .filter(Expr::cust(CALLED_FOR_HELP))
        .filter(Condition::any().add(AcknowledgedAt.is_null()).add(RaisedAt.gt(now - SUPPORT)))
        .order_by_asc(RaisedAt)
        .one(conn)
        .await?;
    Ok(row.map(|row| row.raised_at))
}

/// Title and body inside the app: the template's for a session; the patient's own for a standing rule, or else those of
/// the template it came from.
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
    let template = row.template_id.as_deref().and_then(|id| protocols().recurring_template(id));
    let (title, body) = match template {
        Some(template) => template.text(locale),
        None => protocols().lock_screen(lock_screen_key(row), locale),
    };
    let own = rule.map(|rule| queries::words(rule, key)).transpose()?.unwrap_or_default();
    Ok((own.title.unwrap_or_else(|| title.to_owned()), own.body.unwrap_or_else(|| body.to_owned())))
}

/// Which discreet text a lock screen shows for a notification.
pub fn lock_screen_key(row: &notifications::Model) -> &str {
    if let Some(template) = row.template_id.as_deref().and_then(|id| protocols().template(id)) {
        return &template.lock_screen;
    }
    if let Some(template) = row.template_id.as_deref().and_then(|id| protocols().recurring_template(id)) {
        return &template.lock_screen;
    }
    match row.category.as_str() {
        RECORD => "staff",
        category if category.starts_with("alert_") => "staff",
        ACCOUNT => ACCOUNT,
        "measure" => "form",
        "integration" => "note",
        "appointment" | "follow-up" => "follow",
        _ => "moment",
    }
}
