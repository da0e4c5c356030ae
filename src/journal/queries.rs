//! Rows of the patient's own journal. The owner is part of every predicate.

use chrono::{DateTime, Utc};
use entity::{
    ids::{JournalEntryId, PatientId},
    journal_entries, journal_revisions, journal_shares,
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, Set,
    Statement, Value, sea_query::Expr,
};
use uuid::Uuid;

use super::{
    dto::{EntryCreate, EntryPatch, EntryState, JournalEntry},
    rules::{self, Body},
};
use crate::{
    db::WriteTx,
    error::{ApiError, ApiResult},
    page::Page,
    vault::{DataKey, Place},
};

pub fn place(entry: JournalEntryId, revision: i32) -> Place {
    Place::new("journal_revisions", "body_sealed", entry).part(revision)
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
}

pub const SELECT: &str = "SELECT e.id, e.version, e.state, e.template_id, e.template_version, e.head_revision, \
     e.to_talk_about, e.created_at, e.updated_at, e.conflict_of, r.body_sealed FROM journal_entries e \
     JOIN journal_revisions r ON r.patient_id = e.patient_id AND r.entry_id = e.id AND r.revision = e.head_revision \
     WHERE e.patient_id = $1";

async fn select<C: ConnectionTrait>(conn: &C, rest: &str, values: Vec<Value>) -> ApiResult<Vec<EntryRow>> {
    let statement =
        Statement::from_sql_and_values(conn.get_database_backend(), format!("{SELECT} {rest}"), values);
    Ok(EntryRow::find_by_statement(statement).all(conn).await?)
}

/// The entry as its owner reads it.
pub fn view(row: EntryRow, key: &DataKey) -> ApiResult<JournalEntry> {
    let body: Body = key.open_json(place(row.id, row.head_revision), &row.body_sealed)?;
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
        created_at: row.created_at,
        updated_at: row.updated_at,
        conflict_of: row.conflict_of,
    })
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

/// A page, newest first.
pub async fn list(conn: &impl ConnectionTrait, patient: PatientId, page: &Page) -> ApiResult<Vec<EntryRow>> {
    let (after, limit) = page.bounds();
    let rest = "AND (e.created_at, e.id) < ($2, $3) ORDER BY e.created_at DESC, e.id DESC LIMIT $4";
    select(conn, rest, vec![patient.0.into(), after.at.into(), after.id.into(), limit.into()]).await
}

/// Inserts the entry and its first revision.
pub async fn insert(
    tx: &WriteTx,
    patient: PatientId,
    key: &DataKey,
    id: JournalEntryId,
    input: EntryCreate,
) -> ApiResult<JournalEntry> {
    let body = Body { title: input.title, fields: input.fields };
    let row = journal_entries::ActiveModel {
        patient_id: Set(patient),
        id: Set(id),
        version: Set(1),
        sync_seq: Set(tx.sync_seq()),
        state: Set(input.state.as_str().to_owned()),
        template_id: Set(input.template_id.clone()),
        template_version: Set(rules::FREE_NOTE_VERSION.to_owned()),
        head_revision: Set(1),
        to_talk_about: Set(input.to_talk_about),
        created_at: Set(tx.now()),
        updated_at: Set(tx.now()),
        conflict_of: Set(None),
    };
    journal_entries::Entity::insert(row).exec_without_returning(tx.conn()).await?;
    revise(tx, patient, key, (id, 1), &body).await?;
    Ok(JournalEntry {
        id,
        version: 1,
        revision: 1,
        state: input.state,
        template_id: input.template_id,
        template_version: rules::FREE_NOTE_VERSION.to_owned(),
        title: body.title,
        fields: body.fields,
        to_talk_about: input.to_talk_about,
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

async fn revise(
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
    let state = rules::next_state(EntryState::parse(&row.state), patch.state)?;
    let before: Body = key.open_json(place(id, row.head_revision), &row.body_sealed)?;
    let after = rules::patched(&before, &patch);
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
        ..Default::default()
    }
    .update(tx.conn())
    .await?;
    Ok(())
}

/// Deletes an entry that is still at `version`, with its revisions and shares.
pub async fn delete(tx: &WriteTx, patient: PatientId, id: JournalEntryId, version: i32) -> ApiResult<()> {
    let row = find(tx.conn(), patient, id).await?;
    if row.version != version {
        return Err(ApiError::stale());
    }
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
    crate::sync::bury(tx, patient, "journal_entries", id).await
}
