//! The two databases behind one door. Reads go to `Db::reader`; everything that changes something goes through
//! `Db::write` or `Db::write_once`, which do what every change needs: one transaction, the idempotency key, the
//! patient's lock and sync counter, audit as the last statement, and a nudge for the scheduler after the commit.

pub mod many;
mod open;

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use chrono::{DateTime, Utc};
use entity::ids::{AccountId, PatientId};
use migration::{Migrator, MigratorTrait, SchemaManager};
use sea_orm::{
    AccessMode, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr,
    IsolationLevel, RuntimeErr, SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait, sqlx,
};
use tokio::sync::Notify;
use uuid::Uuid;

pub use self::open::{Opening, SQLITE_BUSY, housekeeping_options};
use self::open::{postgres_options, sqlite_options, sqlite_readers};
use crate::{
    audit::{self, AuditKey, Event},
    clock::{Clock, Random},
    error::{ApiError, ApiResult},
    idempotency::{self, Answer, Replay},
    vault::DataKey,
};

/// Which engine is behind the connection. Statements are shared; locks are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    /// The one behind a connection that was handed in.
    pub fn of(conn: &impl ConnectionTrait) -> Self {
        if conn.get_database_backend() == DbBackend::Postgres { Self::Postgres } else { Self::Sqlite }
    }
}

/// How many migrations the database lacks. It changes nothing, and takes no offence at those of a newer version: while
/// servers are replaced one after the other, the older ones go on with what the newer one added.
pub async fn pending_migrations(conn: &DatabaseConnection) -> Result<usize, DbErr> {
    let known = Migrator::migrations();
    if !SchemaManager::new(conn).has_table("seaql_migrations").await? {
        return Ok(known.len());
    }
    let all = Statement::from_string(conn.get_database_backend(), "SELECT version FROM seaql_migrations");
    let rows = conn.query_all_raw(all).await?;
    let applied = rows.iter().map(|row| row.try_get_by_index(0)).collect::<Result<HashSet<String>, _>>()?;
    Ok(known.iter().filter(|one| !applied.contains(one.name())).count())
}

/// Connections and what every write needs.
#[derive(Clone)]
pub struct Db {
    reader: DatabaseConnection,
    writer: DatabaseConnection,
    engine: Engine,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    audit_key: AuditKey,
    wake: Arc<Notify>,
    written: Arc<Notify>,
}

/// On whose behalf a write happens, and whose row it locks.
#[derive(Debug, Clone)]
pub struct Writing<'a> {
    pub actor: AccountId,
    /// The audit stream: the clinic.
    pub stream: Uuid,
    /// The patient whose records change, if any: locked first, and given the next sync number.
    pub patient: Option<PatientId>,
    pub request_id: &'a str,
}

/// An open write transaction. Query functions that change something take it, so that none can run outside.
pub struct WriteTx {
    txn: DatabaseTransaction,
    now: DateTime<Utc>,
    engine: Engine,
    sync_seq: i64,
    random: Arc<dyn Random>,
    events: Mutex<Vec<Event>>,
    wake: AtomicBool,
}

impl WriteTx {
    pub fn conn(&self) -> &DatabaseTransaction {
        &self.txn
    }

    /// The instant of this change.
    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// A fresh UUIDv7 of this change's instant.
    pub fn new_id(&self) -> Uuid {
        self.random.uuid_v7(self.now)
    }

    /// The patient's sync number of this change; 0 when no patient's records change.
    pub fn sync_seq(&self) -> i64 {
        self.sync_seq
    }

    /// Adds a row to the audit chain, written as the last statement before the commit.
    pub fn audit(&self, event: Event) {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }

    /// Tells the scheduler after the commit that something may be due earlier than it thinks.
    pub fn wake_scheduler(&self) {
        self.wake.store(true, Ordering::Relaxed);
    }

    fn take_events(&self) -> Vec<Event> {
        std::mem::take(&mut *self.events.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Db {
    /// Connects and checks that the engine is set up as we rely on it.
    pub async fn open(
        opening: &Opening<'_>,
        (clock, random): (Arc<dyn Clock>, Arc<dyn Random>),
        audit_key: AuditKey,
        wake: Arc<Notify>,
    ) -> Result<Self, DbErr> {
        let (engine, reader, writer) = if opening.url.starts_with("sqlite:") {
            let writer = Database::connect(sqlite_options(opening, 1)).await?;
            let readers = opening.max_connections.clamp(1, sqlite_readers());
            let reader = Database::connect(sqlite_options(opening, readers)).await?;
            (Engine::Sqlite, reader, writer)
        } else {
            let pool = Database::connect(postgres_options(opening)).await?;
            (Engine::Postgres, pool.clone(), pool)
        };
        Ok(Self { reader, writer, engine, clock, random, audit_key, wake, written: Arc::default() })
    }

    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// For reads, outside any transaction.
    pub fn reader(&self) -> &DatabaseConnection {
        &self.reader
    }

    /// For migrations and seeding only: the connection that may write.
    pub fn writer(&self) -> &DatabaseConnection {
        &self.writer
    }

    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    pub async fn close(self) -> Result<(), DbErr> {
        self.reader.close().await?;
        if self.engine == Engine::Sqlite {
            self.writer.close().await?;
        }
        Ok(())
    }

    /// A bare write transaction, for work that belongs to no request: the scheduler's claims and records.
    pub async fn begin(&self) -> Result<DatabaseTransaction, DbErr> {
        self.begun(TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        })
        .await
    }

    /// A transaction that sees everything as it is at one moment, and changes nothing.
    pub async fn snapshot(&self) -> Result<DatabaseTransaction, DbErr> {
        match self.engine {
            Engine::Sqlite => self.reader.begin().await,
            Engine::Postgres => {
                self.begun(TransactionOptions {
                    isolation_level: Some(IsolationLevel::RepeatableRead),
                    access_mode: Some(AccessMode::ReadOnly),
                    ..TransactionOptions::default()
                })
                .await
            }
        }
    }

    /// Begins in a task of its own, which goes on when whoever asked has gone away. If it were dropped between BEGIN and
    /// its answer, PostgreSQL's driver would hand out the connection with the transaction open, and what the next one
    /// writes would never be committed (sqlx 0.9.0, its issue 4393). SQLite's takes it back by itself.
    async fn begun(&self, options: TransactionOptions) -> Result<DatabaseTransaction, DbErr> {
        let writer = self.writer.clone();
        match self.engine {
            Engine::Sqlite => writer.begin_with_options(options).await,
            Engine::Postgres => tokio::spawn(async move { writer.begin_with_options(options).await })
                .await
                .unwrap_or_else(|ended| Err(DbErr::Conn(RuntimeErr::Internal(ended.to_string())))),
        }
    }

    /// Runs `work` in one transaction and commits it with its audit rows. Any error rolls everything back.
    pub async fn write<T>(
        &self,
        writing: &Writing<'_>,
        work: impl AsyncFnOnce(&WriteTx) -> ApiResult<T>,
    ) -> ApiResult<T> {
        let tx = self.start(writing, None).await?;
        let value = work(&tx).await?;
        self.finish(writing, tx).await?;
        Ok(value)
    }

    /// Like [`Db::write`], for creating requests that may be repeated: the first one leaves its answer under the
    /// idempotency key, sealed with the caller's `key`, and every repetition gets that same answer.
    pub async fn write_once(
        &self,
        writing: &Writing<'_>,
        replay: Option<&Replay>,
        key: &DataKey,
        work: impl AsyncFnOnce(&WriteTx) -> ApiResult<Answer>,
    ) -> ApiResult<Answer> {
        let Some(replay) = replay else { return self.write(writing, work).await };
        let txn = self.begin().await?;
        let now = self.clock.now();
        if let Some(answer) = idempotency::claim(&txn, writing.actor, replay, key, now).await? {
            return Ok(answer);
        }
        let tx = self.start(writing, Some(txn)).await?;
        let answer = work(&tx).await?;
        idempotency::store(tx.conn(), writing.actor, replay, key, &answer).await?;
        self.finish(writing, tx).await?;
        Ok(answer)
    }

    async fn start(&self, writing: &Writing<'_>, txn: Option<DatabaseTransaction>) -> ApiResult<WriteTx> {
        let txn = match txn {
            Some(txn) => txn,
            None => self.begin().await?,
        };
        let sync_seq = match writing.patient {
            Some(patient) => next_sync_seq(&txn, patient).await?,
            None => 0,
        };
        Ok(WriteTx {
            txn,
            // Read under the lock, so that instants and sync numbers of one patient rise together.
            now: self.clock.now(),
            engine: self.engine,
            sync_seq,
            random: self.random.clone(),
            events: Mutex::default(),
            wake: AtomicBool::new(false),
        })
    }

    async fn finish(&self, writing: &Writing<'_>, tx: WriteTx) -> ApiResult<()> {
        let events = tx.take_events();
        if !events.is_empty() {
            let stamped = events
                .into_iter()
                .map(|event| event.stamp(tx.now, Some(writing.actor), writing.request_id))
                .collect();
            audit::append(&tx.txn, self.engine, &self.audit_key, writing.stream, stamped).await?;
        }
        let wake = tx.wake.load(Ordering::Relaxed);
        tx.txn.commit().await?;
        if wake {
            self.wake.notify_one();
            self.written.notify_one();
        }
        Ok(())
    }

    /// Notified when a write may have made something due earlier, for whoever tells other processes.
    pub fn written(&self) -> &Notify {
        &self.written
    }

    pub fn audit_key(&self) -> &AuditKey {
        &self.audit_key
    }
}

async fn next_sync_seq(txn: &DatabaseTransaction, patient: PatientId) -> ApiResult<i64> {
    let statement = Statement::from_sql_and_values(
        txn.get_database_backend(),
        "UPDATE patients SET sync_seq = sync_seq + 1 WHERE patient_id = $1 RETURNING sync_seq",
        [patient.0.into()],
    );
    let row = txn.query_one_raw(statement).await?.ok_or(ApiError::NotFound)?;
    Ok(row.try_get("", "sync_seq")?)
}

/// Whether an error means that the database is away or full, rather than that we asked something wrong.
pub fn is_outage(error: &DbErr) -> bool {
    match error {
        DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => true,
        DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error)) => {
            match error.as_ref() {
                sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed => true,
                sqlx::Error::Database(database) => database.code().is_some_and(|code| is_outage_code(&code)),
                _ => false,
            }
        }
        _ => false,
    }
}

/// PostgreSQL: connection exceptions, too many connections, disk full, shutdown. SQLite: busy, I/O, full, not openable.
fn is_outage_code(code: &str) -> bool {
    code.starts_with("08")
        || matches!(code, "53100" | "53200" | "53300" | "57P01" | "57P02" | "57P03" | "25006")
        || code.parse::<u32>().is_ok_and(|code| code < 10_000 && matches!(code & 0xff, 5 | 8 | 10 | 13 | 14))
}
