//! Standing reminders on devices that were offline. Schedule and switch of a late change are laid over what is there;
//! words that stand against other words become a reminder of their own, switched off.

use entity::{ids::ReminderId, reminders};
use sea_orm::{ConnectionTrait, EntityTrait, FromQueryResult};
use uuid::Uuid;

use super::{
    dto::{Reminder, ReminderCreate, ReminderPatch, Schedule},
    queries::{self, Words},
};
use crate::{
    error::ApiResult,
    extract::Patch,
    sync::{Merged, Pulled, Push, Pushed, Reader, Rows, SyncCollection},
};

/// The collection.
pub struct Reminders;

impl Pulled for Reminders {
    type View = Reminder;

    async fn load<C: ConnectionTrait>(
        reader: &Reader<'_, C>,
        rows: &Rows,
    ) -> ApiResult<Vec<(Uuid, Reminder)>> {
        let statement = rows.statement(reader, "SELECT r.* FROM reminders r WHERE r.patient_id = $1", "r");
        let rows = reminders::Model::find_by_statement(statement).all(reader.conn).await?;
        let whom = queries::Reader { key: reader.key, zone: reader.zone, locale: reader.locale };
        let view = |row: reminders::Model| Ok((row.id.0, queries::view(row, whom, reader.now)?));
        rows.into_iter().map(view).collect()
    }
}

impl Pushed for Reminders {
    type Create = ReminderCreate;
    type Patch = ReminderPatch;
    type Row = reminders::Model;
    const KIND: SyncCollection = SyncCollection::Reminders;

    async fn find(push: &Push<'_>, id: Uuid) -> ApiResult<Option<reminders::Model>> {
        Ok(reminders::Entity::find_by_id((push.patient, ReminderId(id))).one(push.tx.conn()).await?)
    }

    fn version(row: &reminders::Model) -> i32 {
        row.version
    }

    async fn create(push: &Push<'_>, id: Uuid, input: ReminderCreate) -> ApiResult<()> {
        queries::insert(push.tx, push.patient, push.key, (id.into(), push.patient.into()), input).await?;
        Ok(())
    }

    async fn update(push: &Push<'_>, row: reminders::Model, patch: ReminderPatch) -> ApiResult<()> {
        queries::update(push.tx, push.patient, push.key, (row.id, row.version, push.patient.into()), patch)
            .await?;
        Ok(())
    }

    async fn merge(push: &Push<'_>, row: reminders::Model, patch: ReminderPatch) -> ApiResult<Merged> {
        let there = queries::words(&row, push.key)?;
        let words = Words { title: said(&there.title, &patch.title), body: said(&there.body, &patch.body) };
        let schedule = Schedule::from(&queries::recurrence(&row)?);
        if words.title.is_some() || words.body.is_some() {
            let copy = ReminderCreate {
                category: row.category,
                schedule: patch.schedule.unwrap_or(schedule),
                title: words.title.or(there.title),
                body: words.body.or(there.body),
                active: false,
            };
            let id = push.tx.new_id();
            Self::create(push, id, copy).await?;
            return Ok(Merged::Copied(id));
        }
        // A word where there was none is new; to clear what was never seen is not what was meant.
        let patch =
            ReminderPatch { title: unless_clearing(patch.title), body: unless_clearing(patch.body), ..patch };
        let same_words = patch.title.value().is_none_or(|title| there.title.as_ref() == Some(title))
            && patch.body.value().is_none_or(|body| there.body.as_ref() == Some(body));
        let same_time = patch.schedule.as_ref().is_none_or(|wanted| *wanted == schedule);
        if same_words && same_time && patch.active.is_none_or(|active| active == row.active) {
            return Ok(Merged::Same);
        }
        Self::update(push, row, patch).await?;
        Ok(Merged::Applied)
    }

    fn patch_of(input: ReminderCreate) -> ReminderPatch {
        ReminderPatch {
            schedule: Some(input.schedule),
            title: input.title.map_or(Patch::Keep, Patch::Set),
            body: input.body.map_or(Patch::Keep, Patch::Set),
            active: Some(input.active),
        }
    }

    async fn delete(push: &Push<'_>, row: reminders::Model) -> ApiResult<()> {
        queries::delete(push.tx, push.patient, row.id, row.version).await
    }
}

/// The words of a change that stand against other words.
fn said(there: &Option<String>, patch: &Patch<String>) -> Option<String> {
    patch.value().filter(|text| there.as_ref().is_some_and(|there| there != *text)).cloned()
}

fn unless_clearing(patch: Patch<String>) -> Patch<String> {
    if patch == Patch::Clear { Patch::Keep } else { patch }
}
