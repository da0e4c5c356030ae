//! Rows of the patient's own journal. The owner is part of every predicate.

use chrono::{DateTime, Utc};
use entity::{
    ids::{JournalEntryId, PatientId, SessionId},
    journal_entries, journal_revisions, journal_shares, sessions,
};
use sea_orm::{
    ActiveModelTrait, ActiveValue::NotSet, ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult,
    QueryFilter, QuerySelect, Set, Statement, Value, sea_query::Expr,
};
use uuid::Uuid;

use super::{
    dto::{EntryCreate, EntryFields, EntryPatch, EntryState, JournalEntry},
    form,
    rules::{self, Body},
    templates::{self, Template},
};
use crate::{
    care::{self, EntryChange},
    db::WriteTx,
    error::{ApiError, ApiResult},
    extract::Patch,
    validate::Checks,
    vault::{DataKey, Place},
};

pub fn place(entry: JournalEntryId, revision: i32) -> Place {
    Place::new("journal_revisions", "body_sealed", entry).part(revision)
}

/// Where the tags of an entry are sealed: they belong to the entry, not to one of its revisions.
fn tags_place(entry: JournalEntryId) -> Place {
    Place::new("journal_entries", "tags_sealed", entry)
}

fn seal_tags(key: &DataKey, id: JournalEntryId, tags: &[String]) -> Option<Vec<u8>> {
    (!tags.is_empty()).then(|| key.seal_json(tags_place(id), &tags))
}

/// The tags of an entry.
pub fn open_tags(key: &DataKey, id: JournalEntryId, sealed: Option<&[u8]>) -> ApiResult<Vec<String>> {
    Ok(sealed.map(|sealed| key.open_json(tags_place(id), sealed)).transpose()?.unwrap_or_default())
}

/// An entry with the body of its latest revision.
#[derive(Debug, FromQueryResult)]
pub struct EntryRow {
    pub id: JournalEntryId,
    pub version: i32,
    pub state: String,
    pub template_id: String,
    pub template_version: String,
    pub head_revision: i32,
    pub to_talk_about: bool,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub conflict_of: Option<Uuid>,
    pub body_sealed: Vec<u8>,
    pub tags_sealed: Option<Vec<u8>>,
}

pub const SELECT: &str = "SELECT e.id, e.version, e.state, e.template_id, e.template_version, e.head_revision, \
     e.to_talk_about, e.created_at, e.updated_at, e.tags_sealed, e.conflict_of, r.body_sealed FROM journal_entries e \
     JOIN journal_revisions r ON r.patient_id = e.patient_id AND r.entry_id = e.id AND r.revision = e.head_revision \
     WHERE e.patient_id = $1";

/// Entries of the patient `$1`, with the latest words.
pub async fn select<C: ConnectionTrait>(
    conn: &C,
    rest: &str,
    values: Vec<Value>,
) -> ApiResult<Vec<EntryRow>> {
    let statement =
        Statement::from_sql_and_values(conn.get_database_backend(), format!("{SELECT} {rest}"), values);
    Ok(EntryRow::find_by_statement(statement).all(conn).await?)
}

/// The entry as its owner reads it.
pub fn view(row: EntryRow, key: &DataKey) -> ApiResult<JournalEntry> {
    let body: Body = key.open_json(place(row.id, row.head_revision), &row.body_sealed)?;
    let tags = open_tags(key, row.id, row.tags_sealed.as_deref())?;
    Ok(JournalEntry {
        id: row.id,
        version: row.version,
        revision: row.head_revision,
        state: EntryState::parse(&row.state),
        template_id: row.template_id,
        template_version: row.template_version,
        title: body.title,
        fields: body.fields,
        to_talk_about: row.to_talk_about,
        tags,
        crisis_card: None,
        created_at: row.created_at,
        updated_at: row.updated_at,
        conflict_of: row.conflict_of,
    })
}

/// Every entry that is finished, the oldest first.
pub async fn all_final(
    conn: &impl ConnectionTrait,
    patient: PatientId,
    key: &DataKey,
) -> ApiResult<Vec<JournalEntry>> {
    let rest = "AND e.state = 'final' ORDER BY e.created_at, e.id";
    let rows = select(conn, rest, vec![patient.0.into()]).await?;
    rows.into_iter().map(|row| view(row, key)).collect()
}

/// One entry, 404 unless it is the patient's.
pub async fn find(
    conn: &impl ConnectionTrait,
    patient: PatientId,
    id: JournalEntryId,
) -> ApiResult<EntryRow> {
    let rows = select(conn, "AND e.id = $2", vec![patient.0.into(), id.0.into()]).await?;
    rows.into_iter().next().ok_or(ApiError::NotFound)
}

/// Inserts the entry and its first revision.
pub async fn insert(
    tx: &WriteTx,
    patient: PatientId,
    key: &DataKey,
    id: JournalEntryId,
    input: EntryCreate,
) -> ApiResult<JournalEntry> {
    let template = input.template().map_err(|_| ApiError::NotFound)?;
    check_sessions(tx.conn(), patient, template, &input.fields).await?;
    let body = Body { title: input.title, fields: input.fields };
    let row = journal_entries::ActiveModel {
        patient_id: Set(patient),
        id: Set(id),
        version: Set(1),
        sync_seq: Set(tx.sync_seq()),
        state: Set(input.state.as_str().to_owned()),
        template_id: Set(template.id.clone()),
        template_version: Set(template.version.clone()),
        head_revision: Set(1),
        to_talk_about: Set(input.to_talk_about),
        created_at: Set(tx.now()),
        updated_at: Set(tx.now()),
        conflict_of: Set(None),
        tags_sealed: Set(seal_tags(key, id, &input.tags)),
    };
    journal_entries::Entity::insert(row).exec_without_returning(tx.conn()).await?;
    revise(tx, patient, key, (id, 1), &body).await?;
    Ok(JournalEntry {
        id,
        version: 1,
        revision: 1,
        state: input.state,
        template_id: template.id.clone(),
        template_version: template.version.clone(),
        title: body.title,
        fields: body.fields,
        to_talk_about: input.to_talk_about,
        tags: input.tags,
        crisis_card: None,
        created_at: tx.now(),
        updated_at: tx.now(),
        conflict_of: None,
    })
}

/// Says of an entry that it holds the words of a device that stood against those of `origin`.
pub async fn mark_copy(tx: &WriteTx, patient: PatientId, id: JournalEntryId, origin: Uuid) -> ApiResult<()> {
    journal_entries::Entity::update_many()
        .col_expr(journal_entries::Column::ConflictOf, Expr::value(origin))
        .filter(journal_entries::Column::PatientId.eq(patient))
        .filter(journal_entries::Column::Id.eq(id))
        .exec(tx.conn())
        .await?;
    Ok(())
}

/// The form an entry was written with. The file keeps every version that entries have, so it is there.
pub fn template_of(row: &EntryRow) -> ApiResult<&'static Template> {
    templates::find(&row.template_id, Some(&row.template_version))
        .map_err(|_| ApiError::internal(format!("no template {} {}", row.template_id, row.template_version)))
}

/// 422 for a session that is not the patient's.
async fn check_sessions(
    conn: &impl ConnectionTrait,
    patient: PatientId,
    template: &Template,
    fields: &EntryFields,
) -> ApiResult<()> {
    let named = form::session_refs(template, fields);
    if named.is_empty() {
        return Ok(());
    }
    let known: Vec<SessionId> = sessions::Entity::find()
        .select_only()
        .column(sessions::Column::Id)
        .filter(sessions::Column::PatientId.eq(patient))
        .filter(sessions::Column::Id.is_in(named.iter().map(|(_, id)| *id)))
        .into_tuple()
        .all(conn)
        .await?;
    let mut checks = Checks::default();
    for (field, id) in named {
        let detail = "must be one of your sessions; see GET /v1/sessions";
        checks.require(known.contains(&id.into()), &format!("/fields/{field}"), "unknown_session", detail);
    }
    checks.finish()
}

/// Keeps a further version of the words.
pub async fn revise(
    tx: &WriteTx,
    patient: PatientId,
    key: &DataKey,
    (entry, revision): (JournalEntryId, i32),
    body: &Body,
) -> ApiResult<()> {
    let row = journal_revisions::ActiveModel {
        patient_id: Set(patient),
        entry_id: Set(entry),
        revision: Set(revision),
        body_sealed: Set(key.seal_json(place(entry, revision), body)),
        created_at: Set(tx.now()),
    };
    journal_revisions::Entity::insert(row).exec_without_returning(tx.conn()).await?;
    if revision > 1 {
        care::entry_changed(tx.conn(), patient, entry, EntryChange::Words).await?;
    }
    Ok(())
}

/// Changes an entry that is still at `version`, else 412. Changed words become a new revision.
pub async fn update(
    tx: &WriteTx,
    patient: PatientId,
    key: &DataKey,
    (id, version): (JournalEntryId, i32),
    patch: EntryPatch,
) -> ApiResult<()> {
    let row = find(tx.conn(), patient, id).await?;
    if row.version != version {
        return Err(ApiError::stale());
    }
    let was = EntryState::parse(&row.state);
    let state = rules::next_state(was, patch.state)?;
    let before: Body = key.open_json(place(id, row.head_revision), &row.body_sealed)?;
    let after = rules::patched(&before, &patch);
    let template = template_of(&row)?;
    rules::check_patched(template, &after, &patch, (was, state))?;
    if after.fields != before.fields {
        check_sessions(tx.conn(), patient, template, &after.fields).await?;
        let named = form::attachment_refs(template, &after.fields);
        crate::attachments::require_complete(tx, patient, id, &named).await?;
    }
    let marked = patch.to_talk_about.is_some_and(|marked| marked != row.to_talk_about);
    let mut revision = row.head_revision;
    if after != before {
        revision += 1;
        revise(tx, patient, key, (id, revision), &after).await?;
    }
    journal_entries::ActiveModel {
        patient_id: Set(patient),
        id: Set(id),
        version: Set(version + 1),
        sync_seq: Set(tx.sync_seq()),
        state: Set(state.as_str().to_owned()),
        head_revision: Set(revision),
        to_talk_about: Set(patch.to_talk_about.unwrap_or(row.to_talk_about)),
        updated_at: Set(tx.now()),
        tags_sealed: match patch.tags {
            Patch::Keep => NotSet,
            Patch::Clear => Set(None),
            Patch::Set(tags) => Set(seal_tags(key, id, &tags)),
        },
        ..Default::default()
    }
    .update(tx.conn())
    .await?;
    if marked {
        care::entry_changed(tx.conn(), patient, id, EntryChange::Mark).await?;
    }
    Ok(())
}

/// Deletes an entry that is still at `version`, with its revisions, shares and comments.
pub async fn delete(tx: &WriteTx, patient: PatientId, id: JournalEntryId, version: i32) -> ApiResult<()> {
    let row = find(tx.conn(), patient, id).await?;
    if row.version != version {
        return Err(ApiError::stale());
    }
    care::entry_changed(tx.conn(), patient, id, EntryChange::Mark).await?;
    super::comments::delete_all(tx, patient, id).await?;
    crate::attachments::erase_of_entry(tx, patient, id).await?;
    journal_shares::Entity::delete_many()
        .filter(journal_shares::Column::PatientId.eq(patient))
        .filter(journal_shares::Column::EntryId.eq(id))
        .exec(tx.conn())
        .await?;
    journal_revisions::Entity::delete_many()
        .filter(journal_revisions::Column::PatientId.eq(patient))
        .filter(journal_revisions::Column::EntryId.eq(id))
        .exec(tx.conn())
        .await?;
    journal_entries::Entity::delete_by_id((patient, id)).exec(tx.conn()).await?;
    crate::goals::forget_entry(tx, patient, id).await?;
    crate::sync::bury(tx, patient, "journal_entries", id).await
}
