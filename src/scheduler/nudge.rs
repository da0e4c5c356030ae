//! Hints between the processes on one PostgreSQL: whoever writes something that may be due soon says so, and workers
//! look sooner than they would have. Throttled, and only a hint: a worker that hears none looks at the polling interval.

use std::time::Duration;

use sea_orm::{ConnectionTrait, Statement, sqlx::postgres::PgListener};
use tokio_util::sync::CancellationToken;

use crate::{app::AppState, db::Engine};

const CHANNEL: &str = "afterglow_due";
/// Shortest time between two hints of one process.
const QUIET: Duration = Duration::from_millis(200);
/// How long to wait after the listening connection was lost.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Tells other processes what this one's writes told its own loop, until `stop`.
pub async fn announce(app: AppState, stop: CancellationToken) {
    if app.db.engine() != Engine::Postgres {
        return;
    }
    let conn = app.db.writer();
    let statement =
        Statement::from_string(conn.get_database_backend(), format!("SELECT pg_notify('{CHANNEL}', '')"));
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = app.db.written().notified() => {}
        }
        if let Err(error) = conn.execute_raw(statement.clone()).await {
            tracing::debug!(%error, "no hint was given; workers look at their polling interval");
        }
        if tokio::time::timeout(QUIET, stop.cancelled()).await.is_ok() {
            return;
        }
    }
}

/// Wakes this process's loop when another one gives a hint, until `stop`.
pub async fn listen(app: AppState, stop: CancellationToken) {
    if app.db.engine() != Engine::Postgres {
        return;
    }
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            error = hear(&app) => {
                tracing::debug!(?error, "no hints are heard for a moment");
            }
        }
        if tokio::time::timeout(AFTER_FAILURE, stop.cancelled()).await.is_ok() {
            return;
        }
    }
}

/// Returns only with what went wrong.
async fn hear(app: &AppState) -> Result<(), sea_orm::sqlx::Error> {
    let mut listener = PgListener::connect_with(app.db.writer().get_postgres_connection_pool()).await?;
    listener.listen(CHANNEL).await?;
    loop {
        listener.recv().await?;
        app.wake.notify_one();
    }
}
