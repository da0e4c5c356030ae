//! Favourites on devices that were offline: all of them are one row, and a mark that comes last counts.

use chrono::{DateTime, Utc};
use entity::{ids::PatientId, prompt_favourites};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::queries;
use crate::{
    error::{ApiError, ApiResult},
    sync::{Merged, Pulled, Push, Pushed, Reader, Rows, SyncCollection},
    validate::{Checks, Validate},
};

/// My favourite exercises, as devices keep them.
#[derive(Debug, Serialize, ToSchema)]
pub struct SyncedFavourites {
    /// The patient's own.
    #[schema(value_type = Uuid)]
    pub id: PatientId,
    /// Rises with every change.
    #[schema(example = 12)]
    pub version: i32,
    #[schema(example = json!(["ground-five-senses"]))]
    pub prompt_ids: Vec<String>,
    pub updated_at: DateTime<Utc>,
}

/// A favourite that is marked, or no longer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    prompt_id: String,
    active: bool,
}

impl Validate for Mark {
    fn validate(&self, _: &mut Checks) {}
}

/// The collection: at most one row.
pub struct Favourites;

async fn marks<C: ConnectionTrait>(
    conn: &C,
    patient: PatientId,
) -> ApiResult<Option<Vec<prompt_favourites::Model>>> {
    let rows = prompt_favourites::Entity::find()
        .filter(prompt_favourites::Column::PatientId.eq(patient))
        .order_by_asc(prompt_favourites::Column::PromptId)
        .all(conn)
        .await?;
    Ok(Some(rows).filter(|rows| !rows.is_empty()))
}

/// The number of the last change; the row as a whole has no other.
fn version(marks: &[prompt_favourites::Model]) -> i32 {
    let last = marks.iter().map(|mark| mark.sync_seq).max().unwrap_or(0);
    i32::try_from(last).unwrap_or(i32::MAX)
}

impl Pulled for Favourites {
    type View = SyncedFavourites;

    async fn load<C: ConnectionTrait>(
        reader: &Reader<'_, C>,
        _: &Rows,
    ) -> ApiResult<Vec<(Uuid, SyncedFavourites)>> {
        let marks = marks(reader.conn, reader.patient).await?;
        let view = |marks: Vec<prompt_favourites::Model>| {
            let (version, updated_at) = (version(&marks), marks.iter().map(|mark| mark.updated_at).max());
            let prompt_ids =
                marks.into_iter().filter(|mark| mark.active).map(|mark| mark.prompt_id).collect();
            let (id, updated_at) = (reader.patient, updated_at.unwrap_or(reader.now));
            (id.0, SyncedFavourites { id, version, prompt_ids, updated_at })
        };
        Ok(marks.into_iter().map(view).collect())
    }
}

impl Pushed for Favourites {
    type Create = Mark;
    type Patch = Mark;
    type Row = Vec<prompt_favourites::Model>;
    const KIND: SyncCollection = SyncCollection::PromptFavourites;
    const DELETABLE: bool = false;

    async fn find(push: &Push<'_>, id: Uuid) -> ApiResult<Option<Self::Row>> {
        if id != push.patient.0 {
            return Ok(None);
        }
        marks(push.tx.conn(), push.patient).await
    }

    fn version(row: &Self::Row) -> i32 {
        version(row)
    }

    async fn create(push: &Push<'_>, id: Uuid, mark: Mark) -> ApiResult<()> {
        if id != push.patient.0 {
            return Err(ApiError::NotFound);
        }
        let unknown = |error| match error {
            ApiError::NotFound => {
                let detail = "is no exercise of this server; see GET /v1/prompts";
                ApiError::invalid_field("/prompt_id", "unknown_prompt", detail)
            }
            error => error,
        };
        queries::set_favourite(push.tx, push.patient, &mark.prompt_id, mark.active).await.map_err(unknown)
    }

    async fn update(push: &Push<'_>, _: Self::Row, mark: Mark) -> ApiResult<()> {
        Self::create(push, push.patient.0, mark).await
    }

    async fn merge(push: &Push<'_>, row: Self::Row, mark: Mark) -> ApiResult<Merged> {
        let there = row.iter().find(|one| one.prompt_id == mark.prompt_id);
        if there.is_some_and(|there| there.active == mark.active) {
            return Ok(Merged::Same);
        }
        Self::update(push, row, mark).await?;
        Ok(Merged::Applied)
    }

    fn patch_of(mark: Mark) -> Mark {
        mark
    }
}
