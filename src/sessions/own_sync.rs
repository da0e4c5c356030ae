//! What a patient prepared for a session on devices that were offline. An intention that stands against another one is
//! kept as a private draft in the journal; of a thing that is ticked off the last word counts.

use std::collections::HashMap;

use entity::{ids::SessionId, session_readiness, sessions};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::own::{self, Kept, SessionIntention, SessionIntentionPatch};
use crate::{
    error::{ApiError, ApiResult},
    extract::Patch,
    journal,
    sync::{Merged, Pulled, Push, Pushed, Reader, Rows, SyncCollection},
    validate::{Checks, Validate},
};

/// My intention for a session, as devices keep it.
#[derive(Debug, Serialize, ToSchema)]
pub struct SyncedIntention {
    /// Of the session.
    #[schema(value_type = Uuid)]
    pub id: SessionId,
    /// Rises with every change of the intention, and not when the session is moved.
    #[schema(example = 1)]
    pub version: i32,
    #[serde(flatten)]
    pub intention: SessionIntention,
}

/// The collection of intentions.
pub struct Intentions;

async fn session(push: &Push<'_>, id: Uuid) -> ApiResult<Option<sessions::Model>> {
    Ok(sessions::Entity::find_by_id((push.patient, SessionId(id))).one(push.tx.conn()).await?)
}

impl Pulled for Intentions {
    type View = SyncedIntention;

    async fn load<C: ConnectionTrait>(
        reader: &Reader<'_, C>,
        rows: &Rows,
    ) -> ApiResult<Vec<(Uuid, SyncedIntention)>> {
        let select = "SELECT s.* FROM sessions s WHERE s.patient_id = $1 AND s.intention_sealed IS NOT NULL";
        let rows = rows.statement(reader, select, "s");
        let rows = sessions::Model::find_by_statement(rows).all(reader.conn).await?;
        let view = |row: sessions::Model| {
            let Kept { intention, version } = own::kept(&row, reader.key)?;
            Ok((row.id.0, SyncedIntention { id: row.id, version, intention }))
        };
        rows.into_iter().map(view).collect()
    }
}

impl Pushed for Intentions {
    type Create = SessionIntentionPatch;
    type Patch = SessionIntentionPatch;
    type Row = (sessions::Model, Kept);
    const KIND: SyncCollection = SyncCollection::SessionIntentions;
    const DELETABLE: bool = false;

    async fn find(push: &Push<'_>, id: Uuid) -> ApiResult<Option<Self::Row>> {
        let Some(row) = session(push, id).await? else { return Ok(None) };
        let kept = own::kept(&row, push.key)?;
        Ok(Some((row, kept)).filter(|(_, kept)| kept.version > 0))
    }

    fn version((_, kept): &Self::Row) -> i32 {
        kept.version
    }

    async fn create(push: &Push<'_>, id: Uuid, input: SessionIntentionPatch) -> ApiResult<()> {
        let row = session(push, id).await?.ok_or(ApiError::NotFound)?;
        own::set_intention(push.tx, row, push.key, input).await?;
        Ok(())
    }

    async fn update(push: &Push<'_>, (row, _): Self::Row, patch: SessionIntentionPatch) -> ApiResult<()> {
        own::set_intention(push.tx, row, push.key, patch).await?;
        Ok(())
    }

    async fn merge(push: &Push<'_>, row: Self::Row, late: SessionIntentionPatch) -> ApiResult<Merged> {
        let (session, there) = (row.0.id, row.1.intention.clone());
        let clears = there.text.is_some() && late.text == Patch::Clear;
        let (patch, words) = settle(&there, late);
        let sets = patch.text.value().is_some() && patch.text.value() != there.text.as_ref();
        let changed = sets || patch.shared.is_some_and(|shared| shared != there.shared);
        if changed {
            Self::update(push, row, patch).await?;
        }
        Ok(match words {
            Some(words) => Merged::Copied(journal::keep_note(push, session.0, words).await?),
            None if changed => Merged::Applied,
            None if clears => Merged::Kept,
            None => Merged::Same,
        })
    }

    fn patch_of(input: SessionIntentionPatch) -> SessionIntentionPatch {
        input
    }
}

/// A late change without what would replace the words that are there, and those of its own that stand against them.
/// Then it does not show them to anybody either: its author has not seen them.
fn settle(there: &SessionIntention, late: SessionIntentionPatch) -> (SessionIntentionPatch, Option<String>) {
    match (&there.text, late.text) {
        (Some(there), Patch::Set(words)) if *there != words => {
            let shared = late.shared.filter(|shared| !shared);
            (SessionIntentionPatch { text: Patch::Keep, shared }, Some(words))
        }
        (Some(_), Patch::Clear) => (SessionIntentionPatch { text: Patch::Keep, shared: late.shared }, None),
        (_, text) => (SessionIntentionPatch { text, shared: late.shared }, None),
    }
}

/// What I ticked off before a session, as devices keep it.
#[derive(Debug, Serialize, ToSchema)]
pub struct SyncedReadiness {
    /// Of the session.
    #[schema(value_type = Uuid)]
    pub id: SessionId,
    /// Rises with every change.
    #[schema(example = 12)]
    pub version: i32,
    /// What is done; what else there is to tick off stands with the session.
    #[schema(example = json!(["ride-home"]))]
    pub done: Vec<String>,
}

/// One thing that was ticked off, or no longer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tick {
    item: String,
    done: bool,
}

impl Validate for Tick {
    fn validate(&self, _: &mut Checks) {}
}

/// The collection of what is ticked off: one row a session.
pub struct Readiness;

/// The number of the last change; the row as a whole has no other.
fn version(ticks: &[session_readiness::Model]) -> i32 {
    let last = ticks.iter().map(|tick| tick.sync_seq).max().unwrap_or(0);
    i32::try_from(last).unwrap_or(i32::MAX)
}

async fn ticks(push: &Push<'_>, id: SessionId) -> ApiResult<Vec<session_readiness::Model>> {
    Ok(session_readiness::Entity::find()
        .filter(session_readiness::Column::PatientId.eq(push.patient))
        .filter(session_readiness::Column::SessionId.eq(id))
        .all(push.tx.conn())
        .await?)
}

impl Pulled for Readiness {
    type View = SyncedReadiness;

    async fn load<C: ConnectionTrait>(
        reader: &Reader<'_, C>,
        rows: &Rows,
    ) -> ApiResult<Vec<(Uuid, SyncedReadiness)>> {
        let select = "SELECT r.* FROM (SELECT session_id AS id, MAX(sync_seq) AS sync_seq FROM session_readiness \
             WHERE patient_id = $1 GROUP BY session_id) k \
             JOIN session_readiness r ON r.session_id = k.id WHERE r.patient_id = $1";
        let rows = rows.statement(reader, select, "k");
        let found = session_readiness::Model::find_by_statement(rows).all(reader.conn).await?;
        let mut order = Vec::new();
        let mut of_session: HashMap<SessionId, Vec<session_readiness::Model>> = HashMap::new();
        for tick in found {
            let ticks = of_session.entry(tick.session_id).or_default();
            if ticks.is_empty() {
                order.push(tick.session_id);
            }
            ticks.push(tick);
        }
        let view = |id: SessionId| {
            let ticks = of_session.remove(&id).unwrap_or_default();
            let version = version(&ticks);
            let mut done: Vec<String> =
                ticks.into_iter().filter(|tick| tick.done).map(|tick| tick.item).collect();
            done.sort_unstable();
            (id.0, SyncedReadiness { id, version, done })
        };
        Ok(order.into_iter().map(view).collect())
    }
}

impl Pushed for Readiness {
    type Create = Tick;
    type Patch = Tick;
    type Row = (SessionId, Vec<session_readiness::Model>);
    const KIND: SyncCollection = SyncCollection::SessionReadiness;
    const DELETABLE: bool = false;

    async fn find(push: &Push<'_>, id: Uuid) -> ApiResult<Option<Self::Row>> {
        let ticks = ticks(push, SessionId(id)).await?;
        Ok(Some((SessionId(id), ticks)).filter(|(_, ticks)| !ticks.is_empty()))
    }

    fn version((_, ticks): &Self::Row) -> i32 {
        version(ticks)
    }

    async fn create(push: &Push<'_>, id: Uuid, tick: Tick) -> ApiResult<()> {
        let session = session(push, id).await?.ok_or(ApiError::NotFound)?;
        let unknown = |error| match error {
            ApiError::NotFound => {
                let detail = "is nothing to tick off for this session; see GET /v1/sessions/{id}/readiness";
                ApiError::invalid_field("/item", "unknown_item", detail)
            }
            error => error,
        };
        own::tick(push.tx, &session, tick.item, tick.done).await.map_err(unknown)
    }

    async fn update(push: &Push<'_>, (session, _): Self::Row, tick: Tick) -> ApiResult<()> {
        Self::create(push, session.0, tick).await
    }

    async fn merge(push: &Push<'_>, row: Self::Row, tick: Tick) -> ApiResult<Merged> {
        if row.1.iter().any(|there| there.item == tick.item && there.done == tick.done) {
            return Ok(Merged::Same);
        }
        Self::update(push, row, tick).await?;
        Ok(Merged::Applied)
    }

    fn patch_of(tick: Tick) -> Tick {
        tick
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_change_never_replaces_an_intention_nor_shows_one_it_has_not_seen() {
        let words = |text: &str| Some(text.to_owned());
        let set = |text: &str| Patch::Set(text.to_owned());
        for (there, (text, shared), (left, still), note) in [
            (None, (set("b"), Some(true)), (set("b"), Some(true)), None),
            (words("a"), (set("b"), Some(true)), (Patch::Keep, None), words("b")),
            (words("a"), (set("b"), Some(false)), (Patch::Keep, Some(false)), words("b")),
            (words("a"), (set("a"), Some(true)), (set("a"), Some(true)), None),
            (words("a"), (Patch::Clear, None), (Patch::Keep, None), None),
            (words("a"), (Patch::Keep, Some(true)), (Patch::Keep, Some(true)), None),
        ] {
            let there = SessionIntention { text: there, shared: false };
            let (settled, found) = settle(&there, SessionIntentionPatch { text, shared });
            assert_eq!((settled.text, settled.shared, found), (left, still, note), "{there:?}");
        }
    }
}
