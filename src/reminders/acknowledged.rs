//! Reminders around a session that ask to be confirmed, and whether they were: what stands beside the check-list.

use chrono::{DateTime, Utc};
use entity::{notifications, sessions};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    SNOOZE,
    rules::{policy::Reason, session::session_slot},
};
use crate::{
    content::{ReminderTemplate, protocols},
    error::ApiResult,
};

/// A reminder that asks to be confirmed.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Acknowledgement {
    #[schema(example = "dosing-ride")]
    pub template_id: String,
    #[schema(example = "Your way home")]
    pub title: String,
    /// The line of the ledger to mark as done.
    pub notification_id: Uuid,
    pub due_at: DateTime<Utc>,
    #[schema(example = false)]
    pub done: bool,
}

/// Those of a session as it is placed now, earliest first. One that was put off counts with the first.
pub async fn acknowledgements(
    conn: &impl ConnectionTrait,
    session: &sessions::Model,
    locale: &str,
) -> ApiResult<Vec<Acknowledgement>> {
    use notifications::Column;
    let asking = protocols().reminders.iter().filter(|one| one.requires_acknowledgement);
    let rows = notifications::Entity::find()
        .filter(Column::RecipientId.eq(session.patient_id.0))
        .filter(Column::OriginId.eq(session.id.0))
        .filter(Column::TemplateId.is_in(asking.clone().map(|one| one.id.as_str())))
        .order_by_asc(Column::DueAt)
        .order_by_asc(Column::Id)
        .all(conn)
        .await?;
    let one = |template: &ReminderTemplate| {
        let slot = session_slot(session.id.0, &template.id, session.placement);
        let row = rows.iter().find(|row| row.slot == slot)?;
        let begin = format!("{SNOOZE}:{}:", row.id);
        let again = |other: &notifications::Model| other.slot.starts_with(&begin) && other.done_at.is_some();
        let needless = row.reason.as_deref() == Some(Reason::AlreadyDone.as_str());
        let done = needless || row.done_at.is_some() || rows.iter().any(again);
        // What planning took away again is not asked for.
        (done || row.state != "cancelled").then(|| Acknowledgement {
            template_id: template.id.clone(),
            title: template.text(locale).0.to_owned(),
            notification_id: row.id.0,
            due_at: row.due_at,
            done,
        })
    };
    let mut found: Vec<Acknowledgement> = asking.filter_map(one).collect();
    found.sort_by_key(|one| one.due_at);
    Ok(found)
}
