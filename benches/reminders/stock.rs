//! Rows for the runs: made due anew, and planned for later.

use std::time::Duration;

use afterglow::clock::{Clock, SystemClock};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement, TransactionTrait, Value};

use super::Outcome;

/// Rows of people who are only planned for are marked by this kind of origin.
const LATER: &str = "later";

async fn run(conn: &impl ConnectionTrait, sql: &str, values: Vec<Value>) -> Outcome<()> {
    conn.execute_raw(Statement::from_sql_and_values(conn.get_database_backend(), sql, values)).await?;
    Ok(())
}

pub async fn accepted(conn: &DatabaseConnection) -> Outcome<usize> {
    // Asked of the small table: among the many planned rows it would cost more than what is measured.
    let sql = "SELECT COUNT(*) AS n FROM deliveries WHERE outcome = 'accepted'";
    let row = conn.query_one_raw(Statement::from_string(conn.get_database_backend(), sql)).await?;
    Ok(usize::try_from(row.ok_or("no count")?.try_get::<i64>("", "n")?)?)
}

/// What a database does by itself now and then, and better not within a run.
pub async fn tidy(conn: &DatabaseConnection) -> Outcome<()> {
    let sql = if conn.get_database_backend() == DbBackend::Postgres { "VACUUM ANALYZE" } else { "ANALYZE" };
    conn.execute_unprepared(sql).await?;
    conn.execute_unprepared(if sql == "ANALYZE" { "PRAGMA wal_checkpoint(TRUNCATE)" } else { "CHECKPOINT" })
        .await?;
    Ok(())
}

/// An occurrence of a day long past, at the same time: one of tomorrow would be sent tomorrow.
const PAST: &str =
    "slot = SUBSTR(slot, 1, LENGTH(slot) - 16) || '2020-01-01' || SUBSTR(slot, LENGTH(slot) - 5)";

/// Forgets what was sent and makes so many of the next ones due, the first `ahead` of now and the others after it over
/// `span`; the rest is put off until tomorrow.
pub async fn make_due(
    conn: &DatabaseConnection,
    count: usize,
    ahead: chrono::Duration,
    span: Duration,
) -> Outcome<()> {
    let txn = conn.begin().await?;
    run(&txn, "DELETE FROM deliveries", vec![]).await?;
    run(&txn, "DELETE FROM notifications WHERE state <> 'planned'", vec![]).await?;
    let now = SystemClock.now();
    let tomorrow = now + chrono::Duration::days(1);
    let place = "UPDATE notifications SET due_at = $1, next_attempt_at = $1, expires_at = $2";
    let later = vec![tomorrow.into(), (tomorrow + chrono::Duration::hours(4)).into(), LATER.into()];
    run(&txn, &format!("{place} WHERE origin_kind <> $3"), later).await?;
    let sql = "SELECT recipient_id, id FROM notifications WHERE origin_kind <> $1 ORDER BY slot LIMIT $2";
    let values: Vec<Value> = vec![LATER.into(), i64::try_from(count)?.into()];
    let statement = Statement::from_sql_and_values(txn.get_database_backend(), sql, values);
    let step = span / u32::try_from(count)?;
    for (number, row) in txn.query_all_raw(statement).await?.into_iter().enumerate() {
        let [recipient, id] = [0, 1].map(|column| row.try_get_by_index::<uuid::Uuid>(column));
        let due = now + ahead + chrono::Duration::from_std(step * u32::try_from(number)?)?;
        let values =
            vec![due.into(), (due + chrono::Duration::hours(4)).into(), recipient?.into(), id?.into()];
        run(&txn, &format!("{place}, {PAST} WHERE recipient_id = $3 AND id = $4"), values).await?;
    }
    txn.commit().await?;
    tidy(conn).await
}

/// So many rows of other people, due over the coming weeks.
pub async fn plan_later(conn: &DatabaseConnection, count: usize) -> Outcome<()> {
    let (ids, numbers, due) = if conn.get_database_backend() == DbBackend::Postgres {
        let due = "$3::timestamptz + n * interval '1 second'";
        ("gen_random_uuid()", "generate_series(1, $1::bigint) AS numbers(n)", due.to_owned())
    } else {
        let all = "(WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < $1) \
                   SELECT n FROM numbers) AS numbers";
        let due = "strftime('%Y-%m-%dT%H:%M:%S+00:00', $3, '+' || n || ' seconds')";
        ("randomblob(16)", all, due.to_owned())
    };
    let sql = format!(
        "INSERT INTO notifications (recipient_id, id, subject_patient_id, origin_kind, origin_id, category, priority, \
         routine, local_date, slot, due_at, expires_at, state, fence, attempts, next_attempt_at, created_at, updated_at) \
         SELECT {ids}, {ids}, {ids}, $2, {ids}, 'mindfulness', 'normal', true, '2030-01-01', 'later:' || n, {due}, {due}, \
         'planned', 0, 0, {due}, $3, $3 FROM {numbers}"
    );
    let from = SystemClock.now() + chrono::Duration::days(2);
    run(conn, &sql, vec![i64::try_from(count)?.into(), LATER.into(), from.into()]).await?;
    tidy(conn).await
}
