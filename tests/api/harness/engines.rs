//! A fresh, migrated database for each test: a copied file, or a copied PostgreSQL database.

use std::{
    fs,
    path::{Path, PathBuf},
    process,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use afterglow::db::Engine;
use migration::{Migrator, MigratorTrait};
use sea_orm::{ConnectionTrait, Database, Statement};

use super::{Cluster, cluster};

/// A database that goes when its test is over.
pub struct Store {
    engine: Engine,
    folder: PathBuf,
    url: String,
    database: Option<(&'static Cluster, String)>,
}

fn next_number() -> u32 {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    NUMBER.fetch_add(1, Ordering::Relaxed)
}

/// A folder of this process's own.
pub fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("afterglow-test-{}-{name}", process::id()));
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn sqlite_url(file: &Path) -> String {
    format!("sqlite://{}?mode=rwc", file.display())
}

/// Runs something asynchronous where no runtime is, and lets its connections end with it.
pub fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// Migrates the database behind `url`.
pub async fn migrate(url: &str) {
    let conn = Database::connect(url).await.unwrap();
    Migrator::up(&conn, None).await.unwrap();
    conn.close().await.unwrap();
}

/// The bytes of a SQLite file with every migration, made once.
fn migrated_sqlite() -> &'static [u8] {
    static TEMPLATE: OnceLock<Vec<u8>> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let folder = folder("template");
        let file = folder.join("template.db");
        block_on(migrate(&sqlite_url(&file)));
        let bytes = fs::read(&file).unwrap();
        fs::remove_dir_all(folder).unwrap();
        bytes
    })
}

impl Store {
    /// None where the engine is not there.
    pub fn fresh(engine: Engine) -> Option<Self> {
        let number = next_number();
        let cluster = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => Some(cluster()?),
        };
        Some(Self::on(engine, cluster, number))
    }

    /// On a PostgreSQL of its own, which may be restarted.
    pub fn apart() -> Option<Self> {
        let number = next_number();
        Some(Self::on(Engine::Postgres, Some(Cluster::apart(number)?), number))
    }

    fn on(engine: Engine, cluster: Option<&'static Cluster>, number: u32) -> Self {
        let folder = folder(&number.to_string());
        let file = folder.join("afterglow.db");
        match cluster {
            None => {
                fs::write(&file, migrated_sqlite()).unwrap();
                Self { engine, url: sqlite_url(&file), folder, database: None }
            }
            Some(cluster) => {
                let name = format!("afterglow_{}_{number}", process::id());
                cluster.copy_template(&name);
                Self { engine, folder, url: cluster.url(&name), database: Some((cluster, name)) }
            }
        }
    }

    pub fn engine(&self) -> Engine {
        self.engine
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Everything the engine would leave on a disk or in a backup.
    pub async fn everything(&self, conn: &impl ConnectionTrait) -> Vec<u8> {
        if let Some((cluster, name)) = &self.database {
            return cluster.dump(name);
        }
        // Also what was deleted or moved must not be readable, so the log is read beside the file.
        let mut bytes = fs::read(self.folder.join("afterglow.db-wal")).unwrap_or_default();
        conn.execute_unprepared("PRAGMA wal_checkpoint(FULL)").await.unwrap();
        bytes.extend(fs::read(self.folder.join("afterglow.db")).unwrap());
        bytes.extend(fs::read(self.folder.join("afterglow.db-wal")).unwrap_or_default());
        bytes
    }

    /// The bytes of the files in which wrapped keys are, also those of rows that are gone.
    pub async fn pages_of_keys(&self, conn: &impl ConnectionTrait) -> Vec<u8> {
        if self.engine == Engine::Sqlite {
            let read = |name: &str| fs::read(self.folder.join(name)).unwrap_or_default();
            return [read("afterglow.db"), read("afterglow.db-wal")].concat();
        }
        conn.execute_unprepared("CHECKPOINT").await.unwrap();
        let sql = "SELECT pg_read_binary_file(pg_relation_filepath('data_keys')) AS bytes";
        let row = conn.query_one_raw(Statement::from_string(conn.get_database_backend(), sql)).await.unwrap();
        row.unwrap().try_get("", "bytes").unwrap()
    }

    /// Begins SQLite's write-ahead log anew: it keeps old pages until then.
    pub async fn forget_old_pages(&self, conn: &impl ConnectionTrait) {
        if self.engine == Engine::Sqlite {
            conn.execute_unprepared("PRAGMA wal_checkpoint(TRUNCATE)").await.unwrap();
        }
    }

    /// Cuts the database off: every connection ends, and no new one is taken, until [`Store::restore`].
    pub async fn cut_off(&self) {
        if let Some((cluster, name)) = &self.database {
            cluster.lock_out(name).await;
        }
    }

    /// Restarts the server of a database that has one to itself ([`Store::apart`]).
    pub fn restart(&self, mode: &str) {
        if let Some((cluster, _)) = &self.database {
            cluster.restart(mode);
        }
    }

    pub async fn restore(&self) {
        if let Some((cluster, name)) = &self.database {
            cluster.let_in(name).await;
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // What cannot be removed now is in the system's folder for such things.
        fs::remove_dir_all(&self.folder).ok();
        if let Some((cluster, name)) = self.database.take() {
            cluster.drop_database(name);
        }
    }
}
