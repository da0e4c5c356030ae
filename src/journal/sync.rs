//! The journal on devices that were offline. Words that stand against other words become an entry of their own, which
//! says whose copy it is and is shared with nobody.

use std::collections::HashMap;

use entity::{ids::JournalEntryId, journal_shares};
use sea_orm::{ConnectionTrait, FromQueryResult};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    comments::{self, JournalComment},
    dto::{EntryCreate, EntryFields, EntryPatch, EntryState, JournalEntry, JournalShare},
    form,
    queries::{self, EntryRow},
    rules::{self, Body},
    shares,
};
use crate::{
    checkins::VERY_LOW,
    error::{ApiError, ApiResult},
    extract::Patch,
    safety,
    sync::{Merged, Pulled, Push, Pushed, Reader, Rows, SyncCollection},
};

/// An entry with those who may read it, and what was said about it.
#[derive(Debug, Serialize, ToSchema)]
pub struct SyncedEntry {
    #[serde(flatten)]
    pub entry: JournalEntry,
    pub shares: Vec<JournalShare>,
    /// Oldest first.
    pub comments: Vec<JournalComment>,
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
        let mut said = comments::of_entries(reader, rows).await?;
        let view = |row: EntryRow| {
            let shares = open.remove(&row.id).unwrap_or_default();
            let comments = said.remove(&row.id).unwrap_or_default();
            let mut entry = queries::view(row, reader.key)?;
            let card = reader.card.filter(|_| form::is_unsafe(&entry.fields));
            entry.crisis_card = card.map(|locale| safety::crisis_card(VERY_LOW, locale));
            Ok((entry.id.0, SyncedEntry { entry, shares, comments }))
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
        let tags = both_tags(push, &row, &patch)?;
        if after == before && tags.len() <= rules::TAGS {
            return beside_words(push, row, patch, tags).await;
        }
        let was = EntryState::parse(&row.state);
        let (template, state) = (queries::template_of(&row)?, patch.state.unwrap_or(was));
        rules::check_patched(template, &after, &patch, (was, state))?;
        let mut fields = after.fields;
        // Recordings and pictures stay with the entry they were made for.
        for attachment in form::attachment_refs(template, &fields) {
            fields.0.remove(&attachment.field);
        }
        let copy = EntryCreate {
            template_id: row.template_id,
            template_version: Some(row.template_version),
            state,
            title: after.title,
            fields,
            to_talk_about: patch.to_talk_about.unwrap_or(row.to_talk_about),
            tags: patch.tags.value().cloned().unwrap_or_default(),
        };
        keep(push, row.id.0, copy).await.map(Merged::Copied)
    }

    fn patch_of(input: EntryCreate) -> EntryPatch {
        EntryPatch {
            state: Some(input.state),
            title: input.title.map_or(Patch::Keep, Patch::Set),
            fields: Some(input.fields),
            to_talk_about: Some(input.to_talk_about),
            tags: Some(input.tags).filter(|tags| !tags.is_empty()).map_or(Patch::Keep, Patch::Set),
        }
    }

    async fn delete(push: &Push<'_>, row: EntryRow) -> ApiResult<()> {
        queries::delete(push.tx, push.patient, row.id, row.version).await
    }
}

/// The tags that are there, and those of a late change.
fn both_tags(push: &Push<'_>, row: &EntryRow, patch: &EntryPatch) -> ApiResult<Vec<String>> {
    let mut tags = queries::open_tags(push.key, row.id, row.tags_sealed.as_deref())?;
    for tag in patch.tags.value().into_iter().flatten() {
        if !tags.contains(tag) {
            tags.push(tag.clone());
        }
    }
    Ok(tags)
}

/// What a late change says beside words: the last one counts, and tags come together. Somebody may have read a final
/// entry: it stays final.
async fn beside_words(
    push: &Push<'_>,
    row: EntryRow,
    patch: EntryPatch,
    tags: Vec<String>,
) -> ApiResult<Merged> {
    let finished =
        EntryState::parse(&row.state) == EntryState::Draft && patch.state == Some(EntryState::Final);
    let marked = patch.to_talk_about.filter(|mark| *mark != row.to_talk_about);
    let tagged = queries::open_tags(push.key, row.id, row.tags_sealed.as_deref())?.len() != tags.len();
    if !finished && marked.is_none() && !tagged {
        return Ok(Merged::Same);
    }
    let state = finished.then_some(EntryState::Final);
    let tags = if tagged { Patch::Set(tags) } else { Patch::Keep };
    let patch = EntryPatch { state, to_talk_about: marked, tags, ..EntryPatch::default() };
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

/// Keeps words of another collection that stand against those of `origin`, as a private draft.
pub async fn keep_note(push: &Push<'_>, origin: Uuid, text: String) -> ApiResult<Uuid> {
    let draft = EntryCreate {
        template_id: rules::FREE_NOTE.to_owned(),
        template_version: None,
        state: EntryState::Draft,
        title: None,
        fields: EntryFields::of("text", text),
        to_talk_about: false,
        tags: Vec::new(),
    };
    keep(push, origin, draft).await
}
