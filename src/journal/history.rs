//! The versions of an entry: each change of its words left one, and only the patient reads them.

use axum::{Json, extract::FromRequestParts, extract::State, http::request::Parts};
use chrono::{DateTime, Utc};
use entity::{
    ids::{JournalEntryId, PatientId},
    journal_revisions,
};
use sea_orm::{ColumnTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::{
    dto::EntryFields,
    queries::{self, place},
    rules::Body,
};
use crate::{
    accounts::Patient,
    app::AppState,
    error::{ApiError, ApiResult},
    extract::{PathId, ValidQuery},
    openapi::Problems,
    page::{Cursor, PageQuery},
};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_journal_revisions)).routes(routes!(get_journal_revision))
}

/// One version of an entry, without its words.
#[derive(Debug, Serialize, FromQueryResult, ToSchema)]
pub struct RevisionHead {
    #[schema(example = 2)]
    pub revision: i32,
    /// When it was saved.
    pub created_at: DateTime<Utc>,
}

/// A page of versions, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct JournalRevisionList {
    pub items: Vec<RevisionHead>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// One version of an entry with its words.
#[derive(Debug, Serialize, ToSchema)]
pub struct JournalRevision {
    #[schema(value_type = Uuid)]
    pub entry_id: JournalEntryId,
    #[schema(example = 1)]
    pub revision: i32,
    /// Whether it is how the entry reads now.
    #[schema(example = false)]
    pub current: bool,
    #[schema(example = "gratitude")]
    pub template_id: String,
    #[schema(example = "1.0.0")]
    pub template_version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "The morning after")]
    pub title: Option<String>,
    #[schema(value_type = Object, example = json!({"one": "The light this morning"}))]
    pub fields: EntryFields,
    pub created_at: DateTime<Utc>,
}

/// The revision in the path; what is no number names none.
struct PathRevision(i32);

impl<S: Send + Sync> FromRequestParts<S> for PathRevision {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> ApiResult<Self> {
        let path = axum::extract::Path::<std::collections::HashMap<String, String>>::from_request_parts(
            parts, state,
        );
        let values = path.await.map_err(|_| ApiError::NotFound)?;
        values.get("revision").and_then(|text| text.parse().ok()).map(Self).ok_or_else(|| {
            ApiError::invalid_field(
                "path/revision",
                "invalid_revision",
                "is not a revision: they are numbers from 1 on",
            )
        })
    }
}

/// Revisions are numbers; cursors carry ids.
fn cursor(row: &RevisionHead) -> Cursor {
    Cursor { at: row.created_at, id: Uuid::from_u128(u128::from(row.revision.unsigned_abs())) }
}

fn before(cursor: Cursor) -> i32 {
    i32::try_from(cursor.id.as_u128()).unwrap_or(i32::MAX)
}

/// List the versions of an entry of mine, newest first.
#[utoipa::path(get, path = "/journal/entries/{id}/revisions", operation_id = "list_journal_revisions", tag = "journal",
    params(("id" = Uuid, Path), PageQuery), responses((status = 200, body = JournalRevisionList), Problems))]
async fn list_journal_revisions(
    State(app): State<AppState>,
    me: Patient,
    PathId(id): PathId<JournalEntryId>,
    ValidQuery(query): ValidQuery<PageQuery>,
) -> ApiResult<Json<JournalRevisionList>> {
    let page = query.page(&app.cursor_mac, me.account.0, &format!("list_journal_revisions:{id}"))?;
    let (after, _) = page.bounds();
    queries::find(app.db.reader(), me.id(), id).await?;
    let mut items = of_entry(me.id(), id)
        .select_only()
        .columns([journal_revisions::Column::Revision, journal_revisions::Column::CreatedAt])
        .filter(journal_revisions::Column::Revision.lt(before(after)))
        .order_by_desc(journal_revisions::Column::Revision)
        .limit(u64::try_from(page.size() + 1).unwrap_or(u64::MAX))
        .into_model::<RevisionHead>()
        .all(app.db.reader())
        .await?;
    let next_cursor = page.finish(&mut items, &app.cursor_mac, cursor);
    Ok(Json(JournalRevisionList { items, next_cursor }))
}

fn of_entry(patient: PatientId, id: JournalEntryId) -> sea_orm::Select<journal_revisions::Entity> {
    journal_revisions::Entity::find()
        .filter(journal_revisions::Column::PatientId.eq(patient))
        .filter(journal_revisions::Column::EntryId.eq(id))
}

/// Read one version of an entry of mine.
#[utoipa::path(get, path = "/journal/entries/{id}/revisions/{revision}", operation_id = "get_journal_revision",
    tag = "journal", params(("id" = Uuid, Path), ("revision" = i32, Path, example = 1)),
    responses((status = 200, body = JournalRevision), Problems))]
async fn get_journal_revision(
    State(app): State<AppState>,
    me: Patient,
    PathId(id): PathId<JournalEntryId>,
    PathRevision(revision): PathRevision,
) -> ApiResult<Json<JournalRevision>> {
    let entry = queries::find(app.db.reader(), me.id(), id).await?;
    let row = of_entry(me.id(), id)
        .filter(journal_revisions::Column::Revision.eq(revision))
        .one(app.db.reader())
        .await?
        .ok_or(ApiError::NotFound)?;
    let body: Body = me.key.open_json(place(id, revision), &row.body_sealed)?;
    Ok(Json(JournalRevision {
        entry_id: id,
        revision,
        current: revision == entry.head_revision,
        template_id: entry.template_id,
        template_version: entry.template_version,
        title: body.title,
        fields: body.fields,
        created_at: row.created_at,
    }))
}
