//! The journal on devices that were offline. Words that stand against other words become an entry of their own, which
//! says whose copy it is and is shared with nobody.

use std::collections::HashMap;

use entity::{ids::JournalEntryId, journal_shares};
use sea_orm::{ConnectionTrait, FromQueryResult};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    dto::{EntryCreate, EntryFields, EntryPatch, EntryState, JournalEntry, JournalShare},
    queries::{self, EntryRow},
    rules::{self, Body},
    shares,
};
use crate::{
    error::{ApiError, ApiResult},
    extract::Patch,
    sync::{Merged, Pulled, Push, Pushed, Reader, Rows, SyncCollection},
};

/// An entry with those who may read it.
#[derive(Debug, Serialize, ToSchema)]
pub struct SyncedEntry {
    #[serde(flatten)]
    pub entry: JournalEntry,
    pub shares: Vec<JournalShare>,
}

/// The collection.
pub struct JournalEntries;

const SHARES: &str = "SELECT s.* FROM journal_entries e JOIN journal_shares s ON s.patient_id = e.patient_id \
     AND s.entry_id = e.id AND s.ended_at IS NULL WHERE e.patient_id = $1";

impl Pulled for JournalEntries {
    type View = SyncedEntry;

    async fn load<C: ConnectionTrait>(
        reader: &Reader<'_, C>,
        rows: &Rows,
    ) -> ApiResult<Vec<(Uuid, SyncedEntry)>> {
        let entries = rows.statement(reader, queries::SELECT, "e");
        let entries = EntryRow::find_by_statement(entries).all(reader.conn).await?;
        let shared = rows.statement(reader, SHARES, "e");
        let shared = journal_shares::Model::find_by_statement(shared).all(reader.conn).await?;
        let mut open: HashMap<JournalEntryId, Vec<JournalShare>> = HashMap::new();
        for share in shared.into_iter().filter(|share| share.until.is_none_or(|until| until > reader.now)) {
            open.entry(share.entry_id).or_default().push(shares::view(share));
        }
        let view = |row: EntryRow| {
            let shares = open.remove(&row.id).unwrap_or_default();
            Ok((row.id.0, SyncedEntry { entry: queries::view(row, reader.key)?, shares }))
        };
        entries.into_iter().map(view).collect()
    }
}

impl Pushed for JournalEntries {
    type Create = EntryCreate;
    type Patch = EntryPatch;
    type Row = EntryRow;
    const KIND: SyncCollection = SyncCollection::JournalEntries;

    async fn find(push: &Push<'_>, id: Uuid) -> ApiResult<Option<EntryRow>> {
        match queries::find(push.tx.conn(), push.patient, id.into()).await {
            Ok(row) => Ok(Some(row)),
            Err(ApiError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn version(row: &EntryRow) -> i32 {
        row.version
    }

    async fn create(push: &Push<'_>, id: Uuid, input: EntryCreate) -> ApiResult<()> {
        queries::insert(push.tx, push.patient, push.key, id.into(), input).await?;
        Ok(())
    }

    async fn update(push: &Push<'_>, row: EntryRow, patch: EntryPatch) -> ApiResult<()> {
        queries::update(push.tx, push.patient, push.key, (row.id, row.version), patch).await
    }

    async fn merge(push: &Push<'_>, row: EntryRow, patch: EntryPatch) -> ApiResult<Merged> {
        let place = queries::place(row.id, row.head_revision);
        let before: Body = push.key.open_json(place, &row.body_sealed)?;
        let patch = rules::without_clearing(patch);
        let after = rules::patched(&before, &patch);
        if after == before {
            return beside_words(push, row, patch).await;
        }
        let copy = EntryCreate {
            template_id: row.template_id,
            state: patch.state.unwrap_or(EntryState::parse(&row.state)),
            title: after.title,
            fields: after.fields,
            to_talk_about: patch.to_talk_about.unwrap_or(row.to_talk_about),
        };
        keep(push, row.id.0, copy).await.map(Merged::Copied)
    }

    fn patch_of(input: EntryCreate) -> EntryPatch {
        EntryPatch {
            state: Some(input.state),
            title: input.title.map_or(Patch::Keep, Patch::Set),
            fields: Some(input.fields),
            to_talk_about: Some(input.to_talk_about),
        }
    }

    async fn delete(push: &Push<'_>, row: EntryRow) -> ApiResult<()> {
        queries::delete(push.tx, push.patient, row.id, row.version).await
    }
}

/// What a late change says beside words: the last one counts. Somebody may have read a final entry: it stays final.
async fn beside_words(push: &Push<'_>, row: EntryRow, patch: EntryPatch) -> ApiResult<Merged> {
    let finished =
        EntryState::parse(&row.state) == EntryState::Draft && patch.state == Some(EntryState::Final);
    let marked = patch.to_talk_about.filter(|mark| *mark != row.to_talk_about);
    if !finished && marked.is_none() {
        return Ok(Merged::Same);
    }
    let state = finished.then_some(EntryState::Final);
    let patch = EntryPatch { state, to_talk_about: marked, ..EntryPatch::default() };
    JournalEntries::update(push, row, patch).await?;
    Ok(Merged::Applied)
}

/// Keeps words that stand against those of `origin`.
async fn keep(push: &Push<'_>, origin: Uuid, copy: EntryCreate) -> ApiResult<Uuid> {
    let id = JournalEntryId(push.tx.new_id());
    queries::insert(push.tx, push.patient, push.key, id, copy).await?;
    queries::mark_copy(push.tx, push.patient, id, origin).await?;
    Ok(id.0)
}

/// Keeps a note of a check-in that stands against another note, as a private draft.
pub async fn keep_note(push: &Push<'_>, checkin: Uuid, text: String) -> ApiResult<Uuid> {
    let draft = EntryCreate {
        template_id: rules::FREE_NOTE.to_owned(),
        state: EntryState::Draft,
        title: None,
        fields: EntryFields { text, emotions: Vec::new() },
        to_talk_about: false,
    };
    keep(push, checkin, draft).await
}
