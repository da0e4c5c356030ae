//! Looks whether something is stuck that should have been sent or ended long ago, and says so in a metric and in the
//! log: how many and since when, never whose.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::{FromQueryResult, Statement};
use tokio_util::sync::CancellationToken;

use crate::{app::AppState, error::ApiResult};

const EVERY: Duration = Duration::from_secs(30);
/// What is due or past its lease for so long is not only waiting for its turn.
const STUCK_AFTER: chrono::Duration = chrono::Duration::minutes(2);
/// Counted at most, so that a look costs little when very many are due.
const MOST: i64 = 10_000;

/// What a look found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Found {
    /// Due now, and not claimed.
    pub due: i64,
    /// Of these, since too long: nobody sends, or nobody can keep up.
    pub overdue: i64,
    /// Open although the time in which they were of use is over.
    pub past_window: i64,
}

/// Looks until `stop`.
pub async fn run(app: AppState, stop: CancellationToken) {
    loop {
        let age = app.crisis.age_in_days(app.clock.now().date_naive());
        metrics::gauge!("crisis_resources_age_days").set(age as f64);
        if tokio::time::timeout(EVERY, stop.cancelled()).await.is_ok() {
            return;
        }
        if let Err(error) = look(&app).await {
            tracing::debug!(?error, "the watchdog could not look; the next time it will");
        }
    }
}

#[derive(FromQueryResult)]
struct Counted {
    found: i64,
    since: Option<DateTime<Utc>>,
}

/// Looks once, sets the metrics, and warns.
pub async fn look(app: &AppState) -> ApiResult<Found> {
    let now = app.clock.now();
    let limit = now - STUCK_AFTER;
    let due = count(app, "next_attempt_at <= $1", "next_attempt_at", now).await?;
    let overdue = count(app, "next_attempt_at < $1", "next_attempt_at", limit).await?;
    let past = count(app, "next_attempt_at > expires_at AND expires_at < $1", "expires_at", limit).await?;
    let found = Found { due: due.found, overdue: overdue.found, past_window: past.found };
    metrics::gauge!("notifications_due").set(due.found as f64);
    metrics::gauge!("notifications_stuck", "cause" => "overdue").set(overdue.found as f64);
    metrics::gauge!("notifications_stuck", "cause" => "past_window").set(past.found as f64);
    metrics::gauge!("push_breakers_open").set(app.push.open_breakers(now) as f64);
    for (cause, stuck) in [("overdue or past their lease", overdue), ("past their window", past)] {
        if stuck.found > 0 {
            let since = stuck.since.map(|since| since.to_rfc3339()).unwrap_or_default();
            tracing::warn!(count = stuck.found, since, "notifications are stuck: {cause}");
        }
    }
    Ok(found)
}

/// Open rows for which something holds, and the earliest instant of these. Both conditions have an index of their own.
async fn count(app: &AppState, holds: &str, since: &str, at: DateTime<Utc>) -> ApiResult<Counted> {
    let conn = app.db.reader();
    let sql = format!(
        "SELECT COUNT(*) AS found, MIN(since) AS since FROM (SELECT {since} AS since FROM notifications \
         WHERE state IN ('planned','claimed','retrying') AND {holds} ORDER BY {since} LIMIT $2) AS stuck"
    );
    let statement =
        Statement::from_sql_and_values(conn.get_database_backend(), sql, [at.into(), MOST.into()]);
    let nothing = Counted { found: 0, since: None };
    Ok(Counted::find_by_statement(statement).one(conn).await?.unwrap_or(nothing))
}
