//! The ledger of who was erased, in a file outside the database: a backup that is older than an erasure is held
//! against it when it is restored.

use std::{collections::BTreeSet, fs, io, path::Path};

use chrono::{DateTime, Utc};
use entity::{
    erasures,
    ids::{ClinicId, PatientId},
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde::{Deserialize, Serialize};

use crate::{
    app::AppState,
    error::{ApiError, ApiResult},
    lines,
};

/// One erasure that was done: a bare id and a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erased {
    pub patient_id: PatientId,
    pub clinic_id: ClinicId,
    pub done_at: DateTime<Utc>,
}

/// Writes every erasure into the ledger that is not in it yet.
pub async fn note(app: &AppState) -> ApiResult<()> {
    let done = erasures::Entity::find()
        .filter(erasures::Column::DoneAt.is_not_null())
        .order_by_asc(erasures::Column::DoneAt)
        .all(app.db.reader())
        .await?;
    if done.is_empty() {
        return Ok(());
    }
    let path = app.config.erasure_ledger();
    let written = tokio::task::spawn_blocking(move || {
        lines::append(&path, |whole| {
            let known: BTreeSet<PatientId> = parse(whole)?.iter().map(|erased| erased.patient_id).collect();
            let mut added = String::new();
            for row in done.into_iter().filter(|row| !known.contains(&row.patient_id)) {
                let Some(done_at) = row.done_at else { continue };
                let erased = Erased { patient_id: row.patient_id, clinic_id: row.clinic_id, done_at };
                added.push_str(&serde_json::to_string(&erased)?);
                added.push('\n');
            }
            Ok(added)
        })
    });
    written.await.map_err(ApiError::internal)?.map_err(ApiError::internal)
}

/// Reads a ledger.
///
/// # Errors
/// A file that is not there or cannot be read, or a line of it: none, or half of one, would bring people back.
pub fn read(path: &Path) -> io::Result<Vec<Erased>> {
    parse(&fs::read_to_string(path)?)
}

fn parse(text: &str) -> io::Result<Vec<Erased>> {
    text.lines().map(|line| serde_json::from_str(line).map_err(io::Error::from)).collect()
}
