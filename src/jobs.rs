//! Work for later: rows of `jobs`, written in the transaction of their cause. Taken under a lease with a fence, as
//! notifications are, so that a worker that died or overslept neither loses one nor records one that is another's.

use chrono::Duration;
use entity::jobs;
use sea_orm::{FromQueryResult, Statement};

use crate::{app::AppState, db::Engine, error::ApiResult};

/// Takes jobs of a kind that are due, the earliest first. Whatever records their end compares the fence.
pub async fn claim(app: &AppState, kind: &str, lease: Duration, at_most: i64) -> ApiResult<Vec<jobs::Model>> {
    let skip = if app.db.engine() == Engine::Postgres { " FOR UPDATE SKIP LOCKED" } else { "" };
    let sql = format!(
        "WITH due AS MATERIALIZED (SELECT id FROM jobs WHERE kind = $4 AND state IN ('planned','claimed') \
         AND run_at <= $1 ORDER BY run_at, id LIMIT $3{skip}) \
         UPDATE jobs SET state = 'claimed', fence = fence + 1, attempts = attempts + 1, lease_until = $2, \
         run_at = $2 WHERE id IN (SELECT id FROM due) RETURNING *"
    );
    let (now, conn) = (app.clock.now(), app.db.writer());
    let values = [now.into(), (now + lease).into(), at_most.into(), kind.into()];
    let statement = Statement::from_sql_and_values(conn.get_database_backend(), sql, values);
    Ok(jobs::Model::find_by_statement(statement).all(conn).await?)
}
