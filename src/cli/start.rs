//! What every command that touches data does first: the folder, the keys, the lock, the database.

use std::{
    fs::{File, OpenOptions, TryLockError},
    path::{Path, PathBuf},
    sync::Arc,
};

use migration::{Migrator, MigratorTrait};
use sea_orm::ConnectionTrait;

use super::CliError;
use crate::{
    app::AppState,
    clock::{SystemClock, SystemRandom},
    config::Config,
    db::{self, Engine},
    vault::keyfile,
};

/// A program that is put together.
pub struct Started {
    pub app: AppState,
    /// What the first start made.
    pub made: Vec<PathBuf>,
    _lock: Option<File>,
}

impl Started {
    /// Keeps the folder locked for as long as the process lives.
    pub fn into_app(self) -> AppState {
        std::mem::forget(self._lock);
        self.app
    }
}

/// Makes in development what is missing and puts the parts together, beside a server that may be running.
pub async fn start(config: Config) -> Result<Started, CliError> {
    put_together(config, false).await
}

/// The same for what serves or sends: a SQLite data folder has room for one of those.
pub async fn start_alone(config: Config) -> Result<Started, CliError> {
    put_together(config, true).await
}

async fn put_together(config: Config, alone: bool) -> Result<Started, CliError> {
    let mut made = Vec::new();
    if !config.is_production() {
        made.extend(make_folder(&config.data_dir)?);
        made.extend(keyfile::generate_missing(&config.development_keys_dir(), config.environment)?);
    }
    let url = config.database_url();
    let sqlite = url.starts_with("sqlite:");
    if let Some(path) = sqlite_file(&url) {
        close_file(path)?;
    }
    let lock = if sqlite && alone { Some(lock(&config.data_dir)?) } else { None };
    let keys = keyfile::load(&config.keys, config.environment)?;
    let app = AppState::build(config, &keys, Arc::new(SystemClock), Arc::new(SystemRandom)).await?;
    Ok(Started { app, made, _lock: lock })
}

/// The file of a SQLite database.
pub fn sqlite_file(url: &str) -> Option<&Path> {
    let path = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:"))?;
    Some(Path::new(path.split('?').next().unwrap_or(path)))
}

fn make_folder(dir: &Path) -> Result<Option<PathBuf>, CliError> {
    use std::os::unix::fs::DirBuilderExt;
    if dir.is_dir() {
        return Ok(None);
    }
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| {
        CliError::Advice(format!(
            "data_dir: {} cannot be made ({error}). Choose a folder this user may write.",
            dir.display()
        ))
    })?;
    Ok(Some(dir.to_owned()))
}

/// Makes the database file readable by its owner only, before SQLite would make it by the umask.
fn close_file(path: &Path) -> Result<(), CliError> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new().create(true).append(true).mode(0o600).open(path).map(drop).map_err(|error| {
        CliError::Advice(format!(
            "database.url: {} cannot be written ({error}). Free some space or choose a folder this user may write.",
            path.display()
        ))
    })
}

/// One serving process a SQLite folder: two would each believe themselves alone.
fn lock(dir: &Path) -> Result<File, CliError> {
    let path = dir.join("afterglow.lock");
    let unwritable = |error: std::io::Error| {
        CliError::Advice(format!(
            "data_dir: {} cannot be written ({error}). Free some space or choose a folder this user may write.",
            dir.display()
        ))
    };
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path).map_err(unwritable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(CliError::Advice(format!(
            "data_dir: another process already serves {}. Stop it, choose another folder, or set database.url to a \
             PostgreSQL database, which several processes can share.",
            dir.display()
        ))),
        Err(TryLockError::Error(error)) => Err(unwritable(error)),
    }
}

/// Any number that no other program on the same database is likely to use.
const MIGRATION_LOCK: i64 = 0x4166_7465_7267_6c6f;

/// Applies what is missing. On PostgreSQL an advisory lock lets one of several starting processes do it.
pub async fn migrate(app: &AppState) -> Result<(), CliError> {
    let conn = app.db.writer();
    if db::pending_migrations(conn).await? == 0 {
        return Ok(());
    }
    if app.db.engine() == Engine::Sqlite {
        return Ok(Migrator::up(conn, None).await?);
    }
    // Held by a transaction of its own connection, and so given back even if this process dies.
    let holder = app.db.begin().await?;
    holder.execute_unprepared(&format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")).await?;
    Migrator::up(conn, None).await?;
    holder.commit().await?;
    Ok(())
}

/// `afterglow migrate`.
pub async fn migrate_only(config: Config) -> Result<(), CliError> {
    let started = start(config).await?;
    migrate(&started.app).await?;
    println!("The database has every migration.");
    Ok(())
}
