//! Handlers of the patient's own journal.

use axum::{extract::State, http::StatusCode};
use entity::ids::JournalEntryId;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    dto::{EntryCreate, EntryPatch, JournalEntry},
    form, queries,
};
use crate::{
    accounts::Patient,
    app::{AppState, JOURNAL_BODY_LIMIT},
    checkins::{CrisisCard, VERY_LOW},
    error::ApiResult,
    extract::{IfMatch, Once, PathId, ValidJson, Versioned},
    idempotency::Answer,
    openapi::Problems,
    safety,
};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(create_journal_entry))
        .routes(routes!(get_journal_entry, update_journal_entry, delete_journal_entry))
        .layer(axum::extract::DefaultBodyLimit::max(JOURNAL_BODY_LIMIT))
}

/// Whoever answers that they are not safe gets the crisis card at once; the entry stays theirs alone.
fn card(entry: &JournalEntry, me: &Patient) -> Option<CrisisCard> {
    form::is_unsafe(&entry.fields).then(|| safety::crisis_card(VERY_LOW, &me.locale))
}

/// Write an entry. It is private until I share it.
#[utoipa::path(post, path = "/journal/entries", operation_id = "create_journal_entry", tag = "journal",
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repeated request have one effect.")),
    request_body = EntryCreate, responses((status = 201, body = JournalEntry), Problems))]
async fn create_journal_entry(
    State(app): State<AppState>,
    me: Patient,
    Once { input, replay }: Once<EntryCreate>,
) -> ApiResult<Answer> {
    let id = app.random.uuid_v7(app.clock.now()).into();
    app.db
        .write_once(&me.writing(), replay.as_ref(), &me.key, async |tx| {
            let mut entry = queries::insert(tx, me.id(), &me.key, id, input).await?;
            entry.crisis_card = card(&entry, &me);
            Answer::created(&entry, Some(entry.version))
        })
        .await
}

/// Read one of my entries.
#[utoipa::path(get, path = "/journal/entries/{id}", operation_id = "get_journal_entry", tag = "journal",
    params(("id" = Uuid, Path),
        ("If-None-Match" = Option<String>, Header, description = "The ETag that the app already has.")), responses((status = 200, body = JournalEntry), (status = 304, description = "Unchanged"), Problems))]
async fn get_journal_entry(
    State(app): State<AppState>,
    me: Patient,
    PathId(id): PathId<JournalEntryId>,
) -> ApiResult<Versioned<JournalEntry>> {
    let entry = queries::view(queries::find(app.db.reader(), me.id(), id).await?, &me.key)?;
    Ok(Versioned { version: entry.version, body: entry })
}

/// Change one of my entries; the version before is kept.
#[utoipa::path(patch, path = "/journal/entries/{id}", operation_id = "update_journal_entry", tag = "journal",
    params(("id" = Uuid, Path), ("If-Match" = String, Header, description = "The ETag that was read.", example = "\"1\"")),
    request_body = EntryPatch, responses((status = 200, body = JournalEntry), Problems))]
async fn update_journal_entry(
    State(app): State<AppState>,
    me: Patient,
    PathId(id): PathId<JournalEntryId>,
    IfMatch(version): IfMatch,
    ValidJson(patch): ValidJson<EntryPatch>,
) -> ApiResult<Versioned<JournalEntry>> {
    let entry = app
        .db
        .write(&me.writing(), async |tx| {
            queries::update(tx, me.id(), &me.key, (id, version), patch).await?;
            queries::view(queries::find(tx.conn(), me.id(), id).await?, &me.key)
        })
        .await?;
    let crisis_card = card(&entry, &me);
    Ok(Versioned { version: entry.version, body: JournalEntry { crisis_card, ..entry } })
}

/// Delete one of my entries, with all its versions.
#[utoipa::path(delete, path = "/journal/entries/{id}", operation_id = "delete_journal_entry", tag = "journal",
    params(("id" = Uuid, Path), ("If-Match" = String, Header, description = "The ETag that was read.", example = "\"1\"")),
    responses((status = 204, description = "Deleted"), Problems))]
async fn delete_journal_entry(
    State(app): State<AppState>,
    me: Patient,
    PathId(id): PathId<JournalEntryId>,
    IfMatch(version): IfMatch,
) -> ApiResult<StatusCode> {
    app.db.write(&me.writing(), async |tx| queries::delete(tx, me.id(), id, version).await).await?;
    Ok(StatusCode::NO_CONTENT)
}
