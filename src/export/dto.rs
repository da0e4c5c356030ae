//! Wire types of archives.

use chrono::{DateTime, Utc};
use entity::{exports, ids::ExportId};
use serde::Serialize;
use utoipa::ToSchema;

use super::queries::{BUILDING, FAILED};

/// How far an archive is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExportState {
    /// It is being made; ask again in a few seconds.
    Building,
    /// It can be taken.
    Ready,
    /// It could not be made; ask for another.
    Failed,
}

/// An archive of everything that is mine.
#[derive(Debug, Serialize, ToSchema)]
pub struct Export {
    /// Id of the archive.
    #[schema(value_type = Uuid, example = "0198f3c2-7f11-7c3e-9b6e-1f0a55c0aa01")]
    pub id: ExportId,
    /// How far it is.
    pub state: ExportState,
    /// When I asked for it.
    pub requested_at: DateTime<Utc>,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready_at: Option<DateTime<Utc>>,
    /// When it goes by itself.
    pub expires_at: DateTime<Utc>,
    /// How large it is, once it is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 48213)]
    pub bytes: Option<i64>,
}

impl From<exports::Model> for Export {
    fn from(row: exports::Model) -> Self {
        let state = match row.state.as_str() {
            BUILDING => ExportState::Building,
            FAILED => ExportState::Failed,
            _ => ExportState::Ready,
        };
        Self {
            id: row.id,
            state,
            requested_at: row.requested_at,
            ready_at: row.ready_at,
            expires_at: row.expires_at,
            bytes: row.ready_at.map(|_| row.bytes),
        }
    }
}

/// A ZIP file: `records.json`, `fhir.json`, `readable.html`, and the files of the journal.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
pub struct ArchiveBytes(#[expect(dead_code, reason = "stands for the bytes in the contract")] Vec<u8>);
