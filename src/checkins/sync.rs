//! Check-ins on devices that were offline. Numbers and emotions of a late change are laid over what is there, field by
//! field; a note that stands against another note is kept as a private draft in the journal.

use entity::{checkins, ids::CheckinId};
use sea_orm::{ConnectionTrait, EntityTrait, FromQueryResult};
use uuid::Uuid;

use super::{
    dto::{Checkin, CheckinCreate, CheckinPatch},
    queries,
    rules::{self, Detail},
};
use crate::{
    error::{ApiError, ApiResult},
    extract::Patch,
    journal, safety,
    sync::{Merged, Pulled, Push, Pushed, Reader, Rows, SyncCollection},
};

/// The collection.
pub struct Checkins;

impl Pulled for Checkins {
    type View = Checkin;

    async fn load<C: ConnectionTrait>(
        reader: &Reader<'_, C>,
        rows: &Rows,
    ) -> ApiResult<Vec<(Uuid, Checkin)>> {
        let statement = rows.statement(reader, "SELECT c.* FROM checkins c WHERE c.patient_id = $1", "c");
        let rows = checkins::Model::find_by_statement(statement).all(reader.conn).await?;
        let view = |row: checkins::Model| {
            let card = reader.card.filter(|_| row.flagged);
            let crisis_card = card.map(|locale| safety::crisis_card(rules::VERY_LOW, locale));
            Ok((row.id.0, Checkin { crisis_card, ..queries::view(row, reader.key)? }))
        };
        rows.into_iter().map(view).collect()
    }
}

impl Pushed for Checkins {
    type Create = CheckinCreate;
    type Patch = CheckinPatch;
    type Row = checkins::Model;
    const KIND: SyncCollection = SyncCollection::Checkins;

    async fn find(push: &Push<'_>, id: Uuid) -> ApiResult<Option<checkins::Model>> {
        Ok(checkins::Entity::find_by_id((push.patient, CheckinId(id))).one(push.tx.conn()).await?)
    }

    fn version(row: &checkins::Model) -> i32 {
        row.version
    }

    async fn create(push: &Push<'_>, id: Uuid, input: CheckinCreate) -> ApiResult<()> {
        let draft = rules::draft(input, push.zone, push.tx.now())?;
        queries::insert(push.tx, (push.patient, push.clinic), push.key, id.into(), draft).await?;
        Ok(())
    }

    async fn update(push: &Push<'_>, row: checkins::Model, patch: CheckinPatch) -> ApiResult<()> {
        let (whose, which) = ((push.patient, push.clinic), (row.id, row.version));
        queries::update(push.tx, whose, push.key, which, patch).await?;
        Ok(())
    }

    async fn merge(push: &Push<'_>, row: checkins::Model, patch: CheckinPatch) -> ApiResult<Merged> {
        let (id, before) = (row.id, queries::detail(&row, push.key)?);
        let (patch, note) = rules::settle_note(&before, patch);
        let changed = changes(&row, &before, &patch);
        if changed {
            Self::update(push, row, patch).await?;
        }
        Ok(match note {
            rules::Note::Agreed if changed => Merged::Applied,
            rules::Note::Agreed => Merged::Same,
            rules::Note::NotCleared if changed => Merged::Applied,
            rules::Note::NotCleared => Merged::Kept,
            rules::Note::Other(text) => Merged::Copied(journal::keep_note(push, id.0, text).await?),
        })
    }

    fn complete(input: &CheckinCreate) -> ApiResult<()> {
        let missing = || ApiError::invalid_field("/taken_at", "required", "is required to bring it back");
        input.taken_at.map(drop).ok_or_else(missing)
    }

    fn patch_of(input: CheckinCreate) -> CheckinPatch {
        CheckinPatch {
            mood: Some(input.mood),
            anxiety: given(input.anxiety),
            energy: given(input.energy),
            sleep_hours: given(input.sleep_hours),
            emotions: given(Some(input.emotions).filter(|emotions| !emotions.is_empty())),
            note: given(input.note),
        }
    }

    async fn delete(push: &Push<'_>, row: checkins::Model) -> ApiResult<()> {
        queries::delete(push.tx, push.patient, row.id, row.version).await
    }
}

fn given<T>(value: Option<T>) -> Patch<T> {
    value.map_or(Patch::Keep, Patch::Set)
}

fn changes(row: &checkins::Model, before: &Detail, patch: &CheckinPatch) -> bool {
    patch.mood.is_some_and(|mood| mood != row.mood)
        || patch.anxiety.clone().apply(row.anxiety) != row.anxiety
        || patch.energy.clone().apply(row.energy) != row.energy
        || patch.sleep_hours.clone().apply(row.sleep_hours) != row.sleep_hours
        || rules::patched(before.clone(), patch) != *before
}
