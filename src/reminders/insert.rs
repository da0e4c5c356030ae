//! New rows of the ledger, many in one statement whose text never changes.

use chrono::{DateTime, Utc};
use entity::notifications;
use sea_orm::{ConnectionTrait, Statement};

use crate::{
    db::{
        Engine,
        many::{Cell, Kind, Rows},
    },
    error::ApiResult,
};

const COLUMNS: &[(&str, Kind)] = &[
    ("recipient", Kind::Uuid),
    ("notification", Kind::Uuid),
    ("subject", Kind::Uuid),
    ("origin_kind", Kind::Text),
    ("origin", Kind::Uuid),
    ("template", Kind::Text),
    ("category", Kind::Text),
    ("priority", Kind::Text),
    ("routine", Kind::Bool),
    ("day", Kind::Date),
    ("slot", Kind::Text),
    ("due_at", Kind::Time),
    ("expires_at", Kind::Time),
    ("state", Kind::Text),
    ("reason", Kind::Text),
];

/// Adds what nobody has claimed yet; a slot that exists stays as it is.
pub async fn insert(
    conn: &impl ConnectionTrait,
    added: &[notifications::Model],
    now: DateTime<Utc>,
) -> ApiResult<()> {
    let mut rows = Rows::new(Engine::of(conn), COLUMNS);
    for row in added {
        rows.push([
            Cell::Uuid(row.recipient_id.0),
            Cell::Uuid(row.id.0),
            Cell::Uuid(row.subject_patient_id.0),
            Cell::Text(&row.origin_kind),
            Cell::Uuid(row.origin_id),
            row.template_id.as_deref().into(),
            Cell::Text(&row.category),
            Cell::Text(&row.priority),
            Cell::Bool(row.routine),
            Cell::Date(row.local_date),
            Cell::Text(&row.slot),
            Cell::Time(row.due_at),
            Cell::Time(row.expires_at),
            Cell::Text(&row.state),
            row.reason.as_deref().into(),
        ]);
    }
    if rows.is_empty() {
        return Ok(());
    }
    let (source, mut values) = rows.source(2);
    values.insert(0, now.into());
    // "WHERE true" tells SQLite that the conflict is the insert's, not a join's.
    let sql = format!(
        "INSERT INTO notifications (recipient_id, id, subject_patient_id, origin_kind, origin_id, template_id, category, \
         priority, routine, local_date, slot, due_at, expires_at, state, reason, fence, attempts, next_attempt_at, \
         created_at, updated_at) \
         SELECT r.recipient, r.notification, r.subject, r.origin_kind, r.origin, r.template, r.category, r.priority, \
         r.routine, r.day, r.slot, r.due_at, r.expires_at, r.state, r.reason, 0, 0, r.due_at, $1, $1 FROM {source} \
         WHERE true ON CONFLICT DO NOTHING"
    );
    conn.execute_raw(Statement::from_sql_and_values(conn.get_database_backend(), sql, values)).await?;
    Ok(())
}
