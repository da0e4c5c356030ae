//! How each engine is opened, and what every connection is told first.

use std::time::Duration;

use sea_orm::{ConnectOptions, sqlx};

/// How to open a database. Not to be printed: an address may hold a password.
#[derive(Clone)]
pub struct Opening<'a> {
    /// `sqlite://…` or `postgres://…`.
    pub url: &'a str,
    /// Upper bound of the pool; SQLite has one writer beside it.
    pub max_connections: u32,
    /// SQLite only: sync on every commit (`FULL`) or only at checkpoints (`NORMAL`).
    pub sqlite_full_sync: bool,
}

/// How long a connection to SQLite waits for another one.
pub const SQLITE_BUSY: Duration = Duration::from_secs(10);

/// Each connection to SQLite is a thread of its own: more of them than cores only pass the processor around.
pub(super) fn sqlite_readers() -> u32 {
    std::thread::available_parallelism().ok().and_then(|cores| u32::try_from(cores.get()).ok()).unwrap_or(2)
}

/// Pages of the log (4 KiB each) after which they are copied into the file: a page that many commits change is then
/// copied once for all of them. SQLite's own 1,000 are full after thirty changes of a patient's plan.
const LOG_PAGES: &str = "4000";

pub(super) fn sqlite_options(opening: &Opening<'_>, connections: u32) -> ConnectOptions {
    let full = opening.sqlite_full_sync;
    let mut options = ConnectOptions::new(opening.url);
    options
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(Duration::from_secs(8))
        .test_before_acquire_if_idle_for(Duration::from_secs(30))
        .sqlx_logging(false)
        .record_stmt_in_spans(false)
        .map_sqlx_sqlite_opts(move |options| {
            use sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
            options
                .busy_timeout(SQLITE_BUSY)
                .journal_mode(SqliteJournalMode::Wal)
                .foreign_keys(true)
                .synchronous(if full { SqliteSynchronous::Full } else { SqliteSynchronous::Normal })
                .pragma("secure_delete", "ON")
                .pragma("wal_autocheckpoint", LOG_PAGES)
                .create_if_missing(true)
        })
        .map_sqlx_sqlite_pool_opts(move |options| {
            options.after_connect(move |connection, _| Box::pin(verify_pragmas(connection, full)))
        });
    options
}

/// Reads the settings back on every connection: a setting that did not take is worse than none.
async fn verify_pragmas(connection: &mut sqlx::SqliteConnection, full: bool) -> Result<(), sqlx::Error> {
    use sqlx::Row;
    let synchronous = if full { "2" } else { "1" };
    for (pragma, wanted) in [
        ("journal_mode", "wal"),
        ("foreign_keys", "1"),
        ("synchronous", synchronous),
        ("secure_delete", "1"),
        ("wal_autocheckpoint", LOG_PAGES),
    ] {
        let row =
            sqlx::query(sqlx::AssertSqlSafe(format!("PRAGMA {pragma}"))).fetch_one(&mut *connection).await?;
        let value =
            row.try_get::<String, _>(0).or_else(|_| row.try_get::<i64, _>(0).map(|v| v.to_string()))?;
        if value != wanted {
            return Err(sqlx::Error::Configuration(
                format!("SQLite did not accept {pragma} = {wanted} (it says {value}); is the folder on a network disk?")
                    .into(),
            ));
        }
    }
    Ok(())
}

pub(super) fn postgres_options(opening: &Opening<'_>) -> ConnectOptions {
    let mut options = ConnectOptions::new(opening.url);
    options
        .max_connections(opening.max_connections.max(2))
        .acquire_timeout(Duration::from_secs(8))
        .test_before_acquire_if_idle_for(Duration::from_secs(30))
        .sqlx_logging(false)
        .record_stmt_in_spans(false)
        .set_application_name("afterglow")
        .map_sqlx_postgres_pool_opts(|options| {
            options.after_connect(|connection, _| {
                Box::pin(async move { sqlx::query(PLANNING).execute(connection).await.map(drop) })
            })
        });
    options
}

/// One connection to PostgreSQL for work that locks a table: everybody waits behind whoever waits for such a lock, so it
/// gives up soon.
pub fn housekeeping_options(url: &str) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(1)
        .acquire_timeout(Duration::from_secs(8))
        .sqlx_logging(false)
        .record_stmt_in_spans(false)
        .set_application_name("afterglow")
        .map_sqlx_postgres_pool_opts(|options| {
            options.after_connect(|connection, _| {
                Box::pin(async move { sqlx::query(SHORTLY).execute(connection).await.map(drop) })
            })
        });
    options
}

const SHORTLY: &str =
    "SELECT set_config('lock_timeout', '500ms', false), set_config('statement_timeout', '5s', false)";

/// How PostgreSQL is to plan for us: a page that is looked up costs hardly more than the next one, because what is in
/// use is in memory; otherwise it reads whole tables for a batch of a few hundred rows. No statement of ours is worth
/// being compiled first. Asked of the engine's own list, so that one that knows no such setting goes without.
const PLANNING: &str = "SELECT set_config(name, CASE name WHEN 'jit' THEN 'off' ELSE '1.1' END, false) \
     FROM pg_settings WHERE name IN ('jit', 'random_page_cost')";
