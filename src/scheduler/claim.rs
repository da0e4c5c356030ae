//! Claiming: one statement takes a batch, earliest first, leases it and raises each row's fence.

use chrono::Duration;
use entity::notifications;
use sea_orm::{FromQueryResult, Statement};

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

/// Takes up to a batch of what is due.
pub async fn claim(app: &AppState) -> ApiResult<Vec<notifications::Model>> {
    let now = app.clock.now();
    let lease = now + Duration::seconds(app.config.scheduler.lease_seconds);
    let size = i64::from(app.config.push.batch_size);
    let conn = app.db.writer();
    let statement = Statement::from_sql_and_values(
        conn.get_database_backend(),
        statement(app.db.engine()),
        [now.into(), lease.into(), size.into()],
    );
    let mut batch = notifications::Model::find_by_statement(statement).all(conn).await?;
    batch.sort_by_key(|row| (row.due_at, row.recipient_id, row.id));
    Ok(batch)
}
