//! Claiming: one statement takes a batch, earliest first, leases it and raises each row's fence.

use chrono::{DateTime, Duration, Utc};
use entity::notifications;
use sea_orm::{ConnectionTrait, FromQueryResult, Statement};

use crate::{app::AppState, db::Engine, error::ApiResult};

/// A lease runs out by `next_attempt_at`: whoever died holding one is followed by the next claim.
fn statement(engine: Engine) -> String {
    let skip = if engine == Engine::Postgres { " FOR UPDATE SKIP LOCKED" } else { "" };
    // Materialised, so that the batch is chosen once whatever plan the database makes.
    format!(
        "WITH due AS MATERIALIZED (SELECT recipient_id, id FROM notifications \
         WHERE state IN ('planned','claimed','retrying') AND next_attempt_at <= $1 \
         ORDER BY next_attempt_at, recipient_id, id LIMIT $3{skip}) \
         UPDATE notifications SET state = 'claimed', fence = fence + 1, attempts = attempts + 1, \
         lease_until = $2, next_attempt_at = $2, updated_at = $1 \
         WHERE (recipient_id, id) IN (SELECT recipient_id, id FROM due) RETURNING *"
    )
}

/// Takes up to `most` of what is due.
pub async fn claim(app: &AppState, most: u32) -> ApiResult<Vec<notifications::Model>> {
    let now = app.clock.now();
    let lease = now + Duration::seconds(app.config.scheduler.lease_seconds);
    let conn = app.db.writer();
    let statement = Statement::from_sql_and_values(
        conn.get_database_backend(),
        statement(app.db.engine()),
        [now.into(), lease.into(), i64::from(most).into()],
    );
    let mut batch = notifications::Model::find_by_statement(statement).all(conn).await?;
    batch.sort_by_key(|row| (row.due_at, row.recipient_id, row.id));
    Ok(batch)
}

/// When the next one is due, or the next lease runs out: the first row of the index that claims use.
pub async fn next_due(app: &AppState) -> ApiResult<Option<DateTime<Utc>>> {
    let conn = app.db.reader();
    let statement = Statement::from_string(
        conn.get_database_backend(),
        "SELECT next_attempt_at FROM notifications WHERE state IN ('planned','claimed','retrying') \
         ORDER BY next_attempt_at, recipient_id, id LIMIT 1",
    );
    match conn.query_one_raw(statement).await? {
        Some(row) => Ok(Some(row.try_get("", "next_attempt_at")?)),
        None => Ok(None),
    }
}
