//! Backups and restores. A backup is made beside a running server, as everything was at one moment, and sealed under a
//! passphrase. The wrapped data keys are a file of their own, so that they can be kept elsewhere and for a shorter time:
//! without them a backup holds nothing that can be read. A restore brings nobody back who was erased since, and opens
//! nothing that was closed since.

mod create;
mod postgres;
mod reopened;
mod restore;
mod sealed;
mod staff;

use std::{collections::BTreeMap, io, path::PathBuf};

use chrono::{DateTime, Utc};
use sea_orm::DbErr;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use self::{
    create::{To, create},
    restore::{Restored, Source, restore},
};
use crate::{cli::CliError, db::Engine, error::ApiError};

const MANIFEST: &str = "manifest.afterglow";
const DATA: &str = "data.afterglow";
const KEYS: &str = "keys.afterglow";
const FORMAT: u32 = 1;

/// What a backup is of.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Manifest {
    format: u32,
    pub made_at: DateTime<Utc>,
    /// `sqlite` or `postgres`: a backup goes back to the engine it came from.
    engine: String,
    migrations: Vec<String>,
    /// SHA-256 of the sealed files, as hexadecimal digits.
    data: String,
    keys: String,
    /// How many rows each table has.
    pub rows: BTreeMap<String, i64>,
}

#[derive(Serialize, Deserialize)]
struct KeyRow {
    owner_kind: String,
    owner_id: Uuid,
    kek_id: String,
    generation: i32,
    /// Base64.
    wrapped: String,
    created_at: DateTime<Utc>,
}

/// Why there is no backup, or no restored database.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("{0}: {1}")]
    File(PathBuf, io::Error),
    #[error("the database could not do it: {0}")]
    Database(#[from] DbErr),
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Start(Box<CliError>),
}

impl BackupError {
    fn refused(text: impl Into<String>) -> Self {
        Self::Refused(text.into())
    }

    fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |error| Self::File(path, error)
    }
}

impl From<ApiError> for BackupError {
    fn from(error: ApiError) -> Self {
        Self::Refused(error.to_string())
    }
}

impl From<CliError> for BackupError {
    fn from(error: CliError) -> Self {
        Self::Start(Box::new(error))
    }
}

fn name_of(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => "sqlite",
        Engine::Postgres => "postgres",
    }
}

/// Every table of the program but the wrapped keys, which are apart.
fn tables() -> impl Iterator<Item = &'static str> {
    entity::TABLES.iter().map(|table| table.table).filter(|table| *table != "data_keys")
}

async fn count_rows<'a>(
    conn: &impl sea_orm::ConnectionTrait,
    tables: impl Iterator<Item = &'a str>,
) -> Result<BTreeMap<String, i64>, DbErr> {
    let mut rows = BTreeMap::new();
    for table in tables {
        let sql = format!("SELECT COUNT(*) AS n FROM {table}");
        let statement = sea_orm::Statement::from_string(conn.get_database_backend(), sql);
        let count = conn.query_one_raw(statement).await?.map_or(Ok(0), |row| row.try_get("", "n"))?;
        rows.insert(table.to_owned(), count);
    }
    Ok(rows)
}
