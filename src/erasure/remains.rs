//! What was deleted stays readable in the files of the database for a while: on SQLite in the write-ahead log until it
//! begins anew, on PostgreSQL as dead rows until their table is written anew. A wrapped key has to be gone, or whoever
//! has the files and the key file of the server opens old copies of what it sealed.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use sea_orm::{ConnectionTrait, Database, DatabaseConnection, DbErr, Statement};

use crate::{
    app::AppState,
    db::{Engine, SQLITE_BUSY, housekeeping_options},
};

/// Whether something is left. A process that begins cannot know what the one before it left, so it looks once.
#[derive(Debug)]
pub struct Remains {
    deleted: AtomicU64,
    cleared: AtomicU64,
    /// PostgreSQL's number of the first transaction that cannot have deleted it.
    before: Mutex<Option<(u64, String)>>,
}

impl Default for Remains {
    fn default() -> Self {
        Self { deleted: AtomicU64::new(1), cleared: AtomicU64::default(), before: Mutex::default() }
    }
}

impl Remains {
    /// Something was deleted that must not stay readable.
    pub fn note(&self) {
        self.deleted.fetch_add(1, Ordering::Relaxed);
    }

    fn before(&self, deleted: u64) -> Option<String> {
        let before = self.before.lock().unwrap_or_else(PoisonError::into_inner);
        before.as_ref().filter(|(of, _)| *of == deleted).map(|(_, number)| number.clone())
    }
}

/// Takes it away. What cannot be taken now, because somebody reads or is in the way, the next call takes: then it is
/// false.
pub async fn clear(app: &AppState) -> bool {
    let deleted = app.remains.deleted.load(Ordering::Relaxed);
    if app.remains.cleared.load(Ordering::Relaxed) >= deleted {
        return true;
    }
    let cleared = match app.db.engine() {
        Engine::Sqlite => begin_log_anew(app).await,
        Engine::Postgres => write_keys_anew(app, deleted).await,
    };
    match cleared {
        Ok(true) => {
            app.remains.cleared.store(deleted, Ordering::Relaxed);
            return true;
        }
        Ok(false) => {
            tracing::info!("what was deleted is still in the files; somebody reads, it goes next time")
        }
        Err(error) => tracing::warn!(%error, "what was deleted is still in the files; it is tried again"),
    }
    false
}

/// False when somebody reads from the log.
async fn begin_log_anew(app: &AppState) -> Result<bool, DbErr> {
    let conn = app.db.writer();
    let sql = Statement::from_string(conn.get_database_backend(), "PRAGMA wal_checkpoint(TRUNCATE)");
    // Every writer waits behind this one meanwhile.
    conn.execute_unprepared("PRAGMA busy_timeout = 500").await?;
    let begun = conn.query_one_raw(sql).await;
    conn.execute_unprepared(&format!("PRAGMA busy_timeout = {}", SQLITE_BUSY.as_millis())).await?;
    let busy: Option<i32> = begun?.map(|row| row.try_get("", "busy")).transpose()?;
    Ok(busy == Some(0))
}

/// A plain `VACUUM` only gives the room of dead rows away and leaves their bytes in the page until another row takes
/// it; written anew, the file holds what lives and nothing else. The table is small, and nobody is kept waiting for
/// longer than the limits of the connection.
async fn write_keys_anew(app: &AppState, deleted: u64) -> Result<bool, DbErr> {
    let conn = Database::connect(housekeeping_options(&app.config.database_url())).await?;
    let written = write_anew(app, &conn, deleted).await;
    conn.close().await?;
    written
}

async fn write_anew(app: &AppState, conn: &DatabaseConnection, deleted: u64) -> Result<bool, DbErr> {
    let before = match app.remains.before(deleted) {
        Some(before) => before,
        None => {
            let before: String =
                one(conn, "SELECT pg_snapshot_xmax(pg_current_snapshot())::xid::text AS one", vec![]).await?;
            let held = Some((deleted, before.clone()));
            *app.remains.before.lock().unwrap_or_else(PoisonError::into_inner) = held;
            before
        }
    };
    // Whoever sees the table as it was before would have the dead rows written along.
    let seen = "SELECT COUNT(*) AS one FROM pg_stat_activity WHERE pid <> pg_backend_pid() \
         AND datname = current_database() AND age(backend_xmin) > age(CAST(CAST($1 AS text) AS xid))";
    if one::<i64>(conn, seen, vec![before.into()]).await? > 0 {
        return Ok(false);
    }
    let place = "SELECT pg_relation_filepath('data_keys') AS one";
    let old: String = one(conn, place, vec![]).await?;
    conn.execute_unprepared("VACUUM (FULL) data_keys").await?;
    if one::<String>(conn, place, vec![]).await? == old {
        // PostgreSQL only warns of that.
        return Err(DbErr::Custom("the database's user does not own the table data_keys".to_owned()));
    }
    Ok(true)
}

async fn one<T: sea_orm::TryGetable>(
    conn: &DatabaseConnection,
    sql: &str,
    values: Vec<sea_orm::Value>,
) -> Result<T, DbErr> {
    let statement = Statement::from_sql_and_values(conn.get_database_backend(), sql, values);
    let row = conn.query_one_raw(statement).await?;
    row.ok_or_else(|| DbErr::RecordNotFound(sql.to_owned()))?.try_get("", "one")
}
