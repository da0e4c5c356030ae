//! What a therapist reads of a journal: entries shared with them, now, in the revision that was shared.

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use entity::ids::{AccountId, AttachmentId, JournalEntryId, PatientId};
use sea_orm::{ConnectionTrait, DatabaseConnection, FromQueryResult, Statement, Value};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::{
    dto::{EntryState, SharedEntry, SharedEntryList},
    form, queries,
    readable::readable,
    rules::Body,
    shares, templates,
};
use crate::{
    accounts::Patient,
    app::AppState,
    care::{Scope, TreatedPatient},
    error::{ApiError, ApiResult},
    extract::{PathId, ValidQuery},
    openapi::Problems,
    page::{Cursor, PageQuery},
    validate::{Checks, Validate},
    vault::DataKey,
};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_shared_entries))
        .routes(routes!(get_shared_entry))
        .routes(routes!(preview_journal_entry))
}

#[derive(FromQueryResult)]
struct Row {
    id: JournalEntryId,
    template_id: String,
    template_version: String,
    to_talk_about: bool,
    created_at: DateTime<Utc>,
    shared_at: DateTime<Utc>,
    until: Option<DateTime<Utc>>,
    revision: i32,
    body_sealed: Vec<u8>,
}

async fn select(
    conn: &impl ConnectionTrait,
    patient: PatientId,
    (member, now): (AccountId, DateTime<Utc>),
    rest: &str,
    values: Vec<Value>,
) -> ApiResult<Vec<Row>> {
    let mut all: Vec<Value> = vec![patient.0.into(), member.0.into(), now.into()];
    all.extend(values);
    let sql = format!(
        "SELECT s.entry_id AS id, s.template_id, s.template_version, s.to_talk_about, s.created_at, s.shared_at, \
         s.until, s.revision, s.body_sealed FROM {} WHERE s.patient_id = $1 AND s.member_id = $2 {rest}",
        readable("$3")
    );
    let statement = Statement::from_sql_and_values(conn.get_database_backend(), sql, all);
    Ok(Row::find_by_statement(statement).all(conn).await?)
}

fn view(row: Row, key: &DataKey) -> ApiResult<SharedEntry> {
    let body: Body = key.open_json(queries::place(row.id, row.revision), &row.body_sealed)?;
    Ok(SharedEntry {
        id: row.id,
        revision: row.revision,
        template_id: row.template_id,
        template_version: row.template_version,
        title: body.title,
        fields: body.fields,
        to_talk_about: row.to_talk_about,
        written_at: row.created_at,
        shared_at: row.shared_at,
        until: row.until,
    })
}

/// 404 unless the entry is shared with this member now.
pub async fn is_shared(
    conn: &impl ConnectionTrait,
    (patient, id): (PatientId, JournalEntryId),
    by: (AccountId, DateTime<Utc>),
) -> ApiResult<()> {
    let rows = select(conn, patient, by, "AND s.entry_id = $4", vec![id.0.into()]).await?;
    rows.first().map(drop).ok_or(ApiError::NotFound)
}

/// The entry as this member reads it now; nothing when it is not shared with them.
async fn shared_with(
    conn: &impl ConnectionTrait,
    (patient, id): (PatientId, JournalEntryId),
    by: (AccountId, DateTime<Utc>),
    key: &DataKey,
) -> ApiResult<Option<SharedEntry>> {
    let rows = select(conn, patient, by, "AND s.entry_id = $4", vec![id.0.into()]).await?;
    rows.into_iter().next().map(|row| view(row, key)).transpose()
}

/// The entries last shared with this member, as they read them now, the first shared first.
pub async fn all_shared(
    conn: &impl ConnectionTrait,
    patient: PatientId,
    by: (AccountId, DateTime<Utc>),
    (key, most): (&DataKey, i64),
) -> ApiResult<Vec<SharedEntry>> {
    let rest = "ORDER BY s.shared_at DESC, s.entry_id DESC LIMIT $4";
    let mut rows = select(conn, patient, by, rest, vec![most.into()]).await?;
    rows.reverse();
    rows.into_iter().map(|row| view(row, key)).collect()
}

/// 404 unless the revision that is shared with this member now shows the attachment.
pub async fn shows_attachment(
    conn: &DatabaseConnection,
    scope: &Scope,
    by: (AccountId, DateTime<Utc>),
    (entry, attachment): (JournalEntryId, AttachmentId),
) -> ApiResult<()> {
    let shared = shared_with(conn, (scope.patient, entry), by, &scope.key).await?;
    let shown = shared.is_some_and(|shared| {
        let template = templates::find(&shared.template_id, Some(&shared.template_version));
        let named = template.map(|template| form::attachment_refs(template, &shared.fields));
        named.is_ok_and(|named| named.iter().any(|one| one.id == attachment.0))
    });
    if shown { Ok(()) } else { Err(ApiError::NotFound) }
}

/// List the entries that this patient shared with me, last shared first.
#[utoipa::path(get, path = "/patients/{patient_id}/journal/entries", operation_id = "list_shared_entries",
    tag = "journal", params(("patient_id" = Uuid, Path), PageQuery),
    responses((status = 200, body = SharedEntryList), Problems))]
async fn list_shared_entries(
    State(app): State<AppState>,
    shared: TreatedPatient,
    ValidQuery(query): ValidQuery<PageQuery>,
) -> ApiResult<Json<SharedEntryList>> {
    let me = shared.therapist().account;
    let page = query.page(&app.cursor_mac, me.0, &shared.list("list_shared_entries"))?;
    let (after, limit) = page.bounds();
    let by = (me, app.clock.now());
    let list = shared
        .read(&app, "journal.list_shared", "journal_entries".into(), async |conn, scope| {
            let rest = "AND (s.shared_at, s.entry_id) < ($4, $5) ORDER BY s.shared_at DESC, s.entry_id DESC LIMIT $6";
            let values = vec![after.at.into(), after.id.into(), limit.into()];
            let mut rows = select(conn, scope.patient, by, rest, values).await?;
            let next_cursor = page.finish(&mut rows, &app.cursor_mac, |row| Cursor { at: row.shared_at, id: row.id.0 });
            let items = rows.into_iter().map(|row| view(row, &scope.key)).collect::<ApiResult<_>>()?;
            Ok(SharedEntryList { items, next_cursor })
        })
        .await?;
    Ok(Json(list))
}

/// Read an entry that this patient shared with me.
#[utoipa::path(get, path = "/patients/{patient_id}/journal/entries/{id}", operation_id = "get_shared_entry",
    tag = "journal", params(("patient_id" = Uuid, Path), ("id" = Uuid, Path)),
    responses((status = 200, body = SharedEntry), Problems))]
async fn get_shared_entry(
    State(app): State<AppState>,
    shared: TreatedPatient,
    PathId(id): PathId<JournalEntryId>,
) -> ApiResult<Json<SharedEntry>> {
    let by = (shared.therapist().account, app.clock.now());
    let entry = shared
        .read(&app, "journal.read_shared", format!("journal_entries/{id}"), async |conn, scope| {
            shared_with(conn, (scope.patient, id), by, &scope.key).await?.ok_or(ApiError::NotFound)
        })
        .await?;
    Ok(Json(entry))
}

/// With whose eyes to look.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct PreviewQuery {
    /// A member of my care team.
    member_id: Uuid,
}

impl Validate for PreviewQuery {
    fn validate(&self, _: &mut Checks) {}
}

/// See what a member of my care team sees of this entry of mine, or would see if I shared it now.
#[utoipa::path(get, path = "/journal/entries/{id}/preview", operation_id = "preview_journal_entry", tag = "journal",
    params(("id" = Uuid, Path), PreviewQuery), responses((status = 200, body = SharedEntry), Problems))]
async fn preview_journal_entry(
    State(app): State<AppState>,
    me: Patient,
    PathId(id): PathId<JournalEntryId>,
    ValidQuery(query): ValidQuery<PreviewQuery>,
) -> ApiResult<Json<SharedEntry>> {
    let (conn, now, member) = (app.db.reader(), app.clock.now(), AccountId(query.member_id));
    let entry = queries::find(conn, me.id(), id).await?;
    shares::in_care(conn, me.id(), member).await?;
    let shown = match shared_with(conn, (me.id(), id), (member, now), &me.key).await? {
        Some(shown) => shown,
        None if EntryState::parse(&entry.state) == EntryState::Draft => {
            return Err(shares::draft_not_shared());
        }
        None => view(if_shared(entry, now), &me.key)?,
    };
    Ok(Json(shown))
}

/// What a live share made now would show.
fn if_shared(entry: queries::EntryRow, now: DateTime<Utc>) -> Row {
    Row {
        id: entry.id,
        template_id: entry.template_id,
        template_version: entry.template_version,
        to_talk_about: entry.to_talk_about,
        created_at: entry.created_at,
        shared_at: now,
        until: None,
        revision: entry.head_revision,
        body_sealed: entry.body_sealed,
    }
}
