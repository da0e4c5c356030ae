//! Comments below an entry: by the patient, and by those of the care team the entry is shared with, for as long as it
//! is. They are part of the clinic's record and sealed with its key. Everybody who may read the entry reads all of
//! them; the patient keeps reading them when sharing has ended.

use std::collections::HashMap;

use axum::{Json, extract::State, http::StatusCode};
use chrono::{DateTime, Utc};
use entity::{
    ids::{AccountId, CommentId, JournalEntryId, PatientId},
    journal_comments,
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder,
    QuerySelect, Statement, sea_query::ExprTrait,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::{notice, queries, readable::readable, shares::touch, staff};
use crate::{
    accounts::{Patient, wrapped},
    app::AppState,
    care::SharedPatient,
    db::WriteTx,
    error::{ApiError, ApiResult},
    extract::{Once, PathId, ValidQuery},
    idempotency::Answer,
    openapi::Problems,
    page::{Cursor, Page, PageQuery},
    reminders::{announce_comment, announce_to_readers, withdraw_comments},
    sync::{Reader, Rows},
    validate::{Checks, Validate},
    vault::{DataKey, KeyOwner, OwnerKind, Place},
};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(create_journal_comment, list_journal_comments))
        .routes(routes!(delete_journal_comment))
        .routes(routes!(create_shared_comment, list_shared_comments))
        .routes(routes!(delete_shared_comment))
}

/// Something to say about an entry.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CommentCreate {
    /// Read by the patient and by everybody the entry is shared with. Nobody watches around the clock.
    #[schema(
        min_length = 1,
        max_length = 4000,
        example = "Thank you for sharing this. Shall we begin with the river?"
    )]
    pub text: String,
}

impl Validate for CommentCreate {
    fn validate(&self, checks: &mut Checks) {
        checks.text("/text", Some(&self.text), 1, 4000);
    }
}

/// Whose comment it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CommentAuthor {
    Patient,
    CareTeam,
}

/// A comment below an entry.
#[derive(Debug, Serialize, ToSchema)]
pub struct JournalComment {
    #[schema(value_type = Uuid)]
    pub id: CommentId,
    #[schema(value_type = Uuid)]
    pub entry_id: JournalEntryId,
    pub author: CommentAuthor,
    /// The account that wrote it; the care team tells the name.
    #[schema(value_type = Uuid)]
    pub author_id: AccountId,
    #[schema(example = "Thank you for sharing this. Shall we begin with the river?")]
    pub text: String,
    pub created_at: DateTime<Utc>,
    /// In the answer to a new comment: to be shown with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(
        example = "Nobody watches this app around the clock. Messages here are not an emergency service."
    )]
    pub notice: Option<&'static str>,
}

/// A page of comments, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct JournalCommentList {
    pub items: Vec<JournalComment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
    /// To be shown with them, in the reader's language.
    #[schema(
        example = "Nobody watches this app around the clock. Messages here are not an emergency service."
    )]
    pub notice: &'static str,
}

/// List the comments below an entry of mine, newest first; also when it is shared with nobody any more.
#[utoipa::path(get, path = "/journal/entries/{id}/comments", operation_id = "list_journal_comments", tag = "journal",
    params(("id" = Uuid, Path), PageQuery), responses((status = 200, body = JournalCommentList), Problems))]
async fn list_journal_comments(
    State(app): State<AppState>,
    me: Patient,
    PathId(id): PathId<JournalEntryId>,
    ValidQuery(query): ValidQuery<PageQuery>,
) -> ApiResult<Json<JournalCommentList>> {
    let page = query.page(&app.cursor_mac, me.account.0, &format!("list_journal_comments:{id}"))?;
    let conn = app.db.reader();
    queries::find(conn, me.id(), id).await?;
    let key = record_key(&app, conn, me.id()).await?;
    Ok(Json(list(&app, conn, (me.id(), id), &page, &key, &me.locale).await?))
}

/// Comment on an entry of mine, for everybody it is shared with; they are told that there is something new.
#[utoipa::path(post, path = "/journal/entries/{id}/comments", operation_id = "create_journal_comment", tag = "journal",
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeated request have one effect.")),
    request_body = CommentCreate, responses((status = 201, body = JournalComment), Problems))]
async fn create_journal_comment(
    State(app): State<AppState>,
    me: Patient,
    PathId(id): PathId<JournalEntryId>,
    Once { input, replay }: Once<CommentCreate>,
) -> ApiResult<Answer> {
    app.db
        .write_once(&me.writing(), replay.as_ref(), &me.key, async |tx| {
            queries::find(tx.conn(), me.id(), id).await?;
            let key = record_key(&app, tx.conn(), me.id()).await?;
            let comment = insert(tx, (me.id(), id), me.account, &key, input).await?;
            announce_to_readers(tx, me.id(), id, comment.id).await?;
            created(comment, &me.locale)
        })
        .await
}

/// Delete a comment of mine.
#[utoipa::path(delete, path = "/journal/comments/{id}", operation_id = "delete_journal_comment", tag = "journal",
    params(("id" = Uuid, Path)), responses((status = 204, description = "Deleted"), Problems))]
async fn delete_journal_comment(
    State(app): State<AppState>,
    me: Patient,
    PathId(id): PathId<CommentId>,
) -> ApiResult<StatusCode> {
    app.db
        .write(&me.writing(), async |tx| {
            let row = own(tx, me.id(), id, me.account).await?;
            delete(tx, row).await
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List the comments below an entry that this patient shared with me, newest first.
#[utoipa::path(get, path = "/patients/{patient_id}/journal/entries/{id}/comments", operation_id = "list_shared_comments",
    tag = "journal", params(("patient_id" = Uuid, Path), ("id" = Uuid, Path), PageQuery),
    responses((status = 200, body = JournalCommentList), Problems))]
async fn list_shared_comments(
    State(app): State<AppState>,
    shared: SharedPatient,
    PathId(id): PathId<JournalEntryId>,
    ValidQuery(query): ValidQuery<PageQuery>,
) -> ApiResult<Json<JournalCommentList>> {
    let me = shared.therapist();
    let operation = shared.list(&format!("list_shared_comments:{id}"));
    let page = query.page(&app.cursor_mac, me.account.0, &operation)?;
    let by = (me.account, app.clock.now());
    let list = shared
        .read(&app, "journal.list_comments", format!("journal_entries/{id}"), async |conn, scope| {
            staff::is_shared(conn, (scope.patient, id), by).await?;
            let key = record_key(&app, conn, scope.patient).await?;
            list(&app, conn, (scope.patient, id), &page, &key, &me.locale).await
        })
        .await?;
    Ok(Json(list))
}

/// Comment on an entry that this patient shared with me; they are told that there is something new.
#[utoipa::path(post, path = "/patients/{patient_id}/journal/entries/{id}/comments", operation_id = "create_shared_comment",
    tag = "journal", params(("patient_id" = Uuid, Path), ("id" = Uuid, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeated request have one effect.")),
    request_body = CommentCreate, responses((status = 201, body = JournalComment), Problems))]
async fn create_shared_comment(
    State(app): State<AppState>,
    shared: SharedPatient,
    PathId(id): PathId<JournalEntryId>,
    Once { input, replay }: Once<CommentCreate>,
) -> ApiResult<Answer> {
    let me = shared.therapist();
    let resource = format!("journal_entries/{id}");
    shared
        .write_once(&app, "journal.comment", resource, replay.as_ref(), async |tx, scope| {
            staff::is_shared(tx.conn(), (scope.patient, id), (me.account, tx.now())).await?;
            let key = record_key(&app, tx.conn(), scope.patient).await?;
            let comment = insert(tx, (scope.patient, id), me.account, &key, input).await?;
            announce_comment(tx, scope.patient, &scope.zone, comment.id).await?;
            created(comment, &me.locale)
        })
        .await
}

/// Delete a comment of mine on an entry that is shared with me.
#[utoipa::path(delete, path = "/patients/{patient_id}/journal/comments/{id}", operation_id = "delete_shared_comment",
    tag = "journal", params(("patient_id" = Uuid, Path), ("id" = Uuid, Path)),
    responses((status = 204, description = "Deleted"), Problems))]
async fn delete_shared_comment(
    State(app): State<AppState>,
    shared: SharedPatient,
    PathId(id): PathId<CommentId>,
) -> ApiResult<StatusCode> {
    let me = shared.therapist().account;
    shared
        .write(&app, "journal.delete_comment", format!("journal_comments/{id}"), async |tx, scope| {
            let row = own(tx, scope.patient, id, me).await?;
            staff::is_shared(tx.conn(), (scope.patient, row.entry_id), (me, tx.now())).await?;
            delete(tx, row).await
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn place(id: CommentId) -> Place {
    Place::new("journal_comments", "body_sealed", id)
}

/// The key of what the clinic keeps about a patient.
async fn record_key(app: &AppState, conn: &impl ConnectionTrait, patient: PatientId) -> ApiResult<DataKey> {
    let owner = KeyOwner::new(OwnerKind::ClinicRecord, patient);
    Ok(app.vault.unwrap(&wrapped(conn, owner).await?)?)
}

fn view(row: journal_comments::Model, key: &DataKey) -> ApiResult<JournalComment> {
    let mine = row.author_id == row.patient_id.into();
    Ok(JournalComment {
        id: row.id,
        entry_id: row.entry_id,
        author: if mine { CommentAuthor::Patient } else { CommentAuthor::CareTeam },
        author_id: row.author_id,
        text: key.open_text(place(row.id), &row.body_sealed)?,
        created_at: row.created_at,
        notice: None,
    })
}

fn created(comment: JournalComment, locale: &str) -> ApiResult<Answer> {
    Answer::created(&JournalComment { notice: Some(notice::not_monitored(locale)), ..comment }, None)
}

async fn list(
    app: &AppState,
    conn: &impl ConnectionTrait,
    (patient, entry): (PatientId, JournalEntryId),
    page: &Page,
    key: &DataKey,
    locale: &str,
) -> ApiResult<JournalCommentList> {
    let query = journal_comments::Entity::find()
        .filter(journal_comments::Column::PatientId.eq(patient))
        .filter(journal_comments::Column::EntryId.eq(entry));
    let query = page.newest_first(query, journal_comments::Column::CreatedAt, journal_comments::Column::Id);
    let mut rows = query.all(conn).await?;
    let next_cursor =
        page.finish(&mut rows, &app.cursor_mac, |row| Cursor { at: row.created_at, id: row.id.0 });
    let items = rows.into_iter().map(|row| view(row, key)).collect::<ApiResult<_>>()?;
    Ok(JournalCommentList { items, next_cursor, notice: notice::not_monitored(locale) })
}

/// The latest comments below entries that this member reads now, the oldest first.
pub async fn all_readable(
    conn: &impl ConnectionTrait,
    patient: PatientId,
    (member, now): (AccountId, DateTime<Utc>),
    (key, most): (&DataKey, i64),
) -> ApiResult<Vec<JournalComment>> {
    let sql = format!(
        "SELECT c.* FROM {} JOIN journal_comments c ON c.patient_id = s.patient_id AND c.entry_id = s.entry_id \
         WHERE s.patient_id = $1 AND s.member_id = $2 ORDER BY c.created_at DESC, c.id DESC LIMIT $4",
        readable("$3")
    );
    let values = [patient.0.into(), member.0.into(), now.into(), most.into()];
    let statement = Statement::from_sql_and_values(conn.get_database_backend(), sql, values);
    let mut rows = journal_comments::Model::find_by_statement(statement).all(conn).await?;
    rows.reverse();
    rows.into_iter().map(|row| view(row, key)).collect()
}

/// Every comment below entries of a patient, the oldest first.
pub async fn all_own(
    conn: &impl ConnectionTrait,
    patient: PatientId,
    key: &DataKey,
) -> ApiResult<Vec<JournalComment>> {
    let rows = journal_comments::Entity::find()
        .filter(journal_comments::Column::PatientId.eq(patient))
        .order_by_asc(journal_comments::Column::CreatedAt)
        .order_by_asc(journal_comments::Column::Id)
        .all(conn)
        .await?;
    rows.into_iter().map(|row| view(row, key)).collect()
}

/// The comments below entries that travel to a device, oldest first.
pub async fn of_entries<C: ConnectionTrait>(
    reader: &Reader<'_, C>,
    rows: &Rows,
) -> ApiResult<HashMap<JournalEntryId, Vec<JournalComment>>> {
    let select = "SELECT c.* FROM journal_entries e JOIN journal_comments c ON c.patient_id = e.patient_id \
         AND c.entry_id = e.id WHERE e.patient_id = $1";
    let found = rows.statement(reader, select, "e");
    let mut found = journal_comments::Model::find_by_statement(found).all(reader.conn).await?;
    let mut all: HashMap<JournalEntryId, Vec<JournalComment>> = HashMap::new();
    if found.is_empty() {
        return Ok(all);
    }
    let owner = KeyOwner::new(OwnerKind::ClinicRecord, reader.patient);
    let key = reader.vault.unwrap(&wrapped(reader.conn, owner).await?)?;
    found.sort_by_key(|row| (row.created_at, row.id));
    for row in found {
        all.entry(row.entry_id).or_default().push(view(row, &key)?);
    }
    Ok(all)
}

async fn insert(
    tx: &WriteTx,
    (patient, entry): (PatientId, JournalEntryId),
    author: AccountId,
    key: &DataKey,
    input: CommentCreate,
) -> ApiResult<JournalComment> {
    let id = CommentId(tx.new_id());
    let row = journal_comments::Model {
        patient_id: patient,
        id,
        entry_id: entry,
        author_id: author,
        body_sealed: key.seal_text(place(id), &input.text),
        created_at: tx.now(),
    };
    let active: journal_comments::ActiveModel = row.clone().into();
    journal_comments::Entity::insert(active.reset_all()).exec_without_returning(tx.conn()).await?;
    touch(tx, patient, entry).await?;
    view(row, key)
}

/// A comment by its author; another's is not theirs to touch.
async fn own(
    tx: &WriteTx,
    patient: PatientId,
    id: CommentId,
    author: AccountId,
) -> ApiResult<journal_comments::Model> {
    journal_comments::Entity::find_by_id((patient, id))
        .filter(journal_comments::Column::AuthorId.eq(author))
        .one(tx.conn())
        .await?
        .ok_or(ApiError::NotFound)
}

async fn delete(tx: &WriteTx, row: journal_comments::Model) -> ApiResult<()> {
    journal_comments::Entity::delete_by_id((row.patient_id, row.id)).exec(tx.conn()).await?;
    withdraw_comments(tx, row.patient_id, vec![row.id.0]).await?;
    touch(tx, row.patient_id, row.entry_id).await
}

/// Deletes everything that was said about an entry that goes.
pub async fn delete_all(tx: &WriteTx, patient: PatientId, entry: JournalEntryId) -> ApiResult<()> {
    let of_entry =
        journal_comments::Column::PatientId.eq(patient).and(journal_comments::Column::EntryId.eq(entry));
    let gone: Vec<Uuid> = journal_comments::Entity::find()
        .select_only()
        .column(journal_comments::Column::Id)
        .filter(of_entry.clone())
        .into_tuple()
        .all(tx.conn())
        .await?;
    if gone.is_empty() {
        return Ok(());
    }
    withdraw_comments(tx, patient, gone).await?;
    journal_comments::Entity::delete_many().filter(of_entry).exec(tx.conn()).await?;
    Ok(())
}
