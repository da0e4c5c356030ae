//! Finding entries again: the list with its filters, and the search for words. Words and tags are sealed, so they are
//! opened and compared here, in the process, within bounds; each request runs at most two statements.

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use entity::ids::{JournalEntryId, PatientId};
use sea_orm::{ConnectionTrait, FromQueryResult, Statement, Value};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    dto::{EntryState, JournalEntry, JournalEntryList},
    queries::{self, EntryRow},
    rules, search,
};
use crate::{
    accounts::Patient,
    app::AppState,
    error::{ApiError, ApiResult},
    extract::ValidQuery,
    openapi::Problems,
    page::{Cursor, Page, PageQuery},
    validate::{Checks, Validate},
    vault::DataKey,
};

/// Entries that one request looks into.
const ENTRIES: i64 = 2_000;
/// Sealed bytes that one request opens.
const BYTES: i64 = 8 * 1024 * 1024;

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_journal_entries)).routes(routes!(search_journal_entries))
}

/// Which entries, how many, and after which.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EntryQuery {
    /// Items in a page.
    #[param(minimum = 1, maximum = 100, default = 20)]
    pub limit: Option<u64>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Only entries with this tag; case and accents do not matter. One request looks through 2,000 entries, so a page
    /// may hold fewer than `limit` and still have a `next_cursor`.
    #[param(min_length = 1, max_length = 40, example = "river")]
    pub tag: Option<String>,
    /// Only entries of this form.
    #[param(max_length = 64, example = "gratitude")]
    pub template_id: Option<String>,
    #[param(inline)]
    pub state: Option<EntryState>,
    /// Only entries that are marked to be talked about, or only the others.
    pub to_talk_about: Option<bool>,
}

impl Validate for EntryQuery {
    fn validate(&self, checks: &mut Checks) {
        checks.range("query/limit", self.limit, 1, 100);
        checks.text("query/tag", self.tag.as_deref(), 1, rules::TAG);
        checks.text("query/template_id", self.template_id.as_deref(), 1, 64);
        for (pointer, text) in [("query/tag", &self.tag), ("query/template_id", &self.template_id)] {
            no_nul(checks, pointer, text.as_deref());
        }
    }
}

fn no_nul(checks: &mut Checks, pointer: &str, text: Option<&str>) {
    let clean = text.is_none_or(|text| !text.contains('\0'));
    checks.require(clean, pointer, "nul_character", "contains a NUL character; remove it");
}

impl EntryQuery {
    /// The filters that the database can apply.
    fn filters(&self, values: &mut Vec<Value>) -> String {
        let mut sql = String::new();
        let mut add = |column: &str, value: Value| {
            values.push(value);
            sql.push_str(&format!(" AND e.{column} = ${}", values.len()));
        };
        if let Some(template) = &self.template_id {
            add("template_id", template.as_str().into());
        }
        if let Some(state) = self.state {
            add("state", state.as_str().into());
        }
        if let Some(marked) = self.to_talk_about {
            add("to_talk_about", marked.into());
        }
        sql
    }
}

/// List my entries, newest first; all of them, or those of a form, a tag, a state.
#[utoipa::path(get, path = "/journal/entries", operation_id = "list_journal_entries", tag = "journal",
    params(EntryQuery), responses((status = 200, body = JournalEntryList), Problems))]
async fn list_journal_entries(
    State(app): State<AppState>,
    me: Patient,
    ValidQuery(query): ValidQuery<EntryQuery>,
) -> ApiResult<Json<JournalEntryList>> {
    let paging = PageQuery { limit: query.limit, cursor: query.cursor.clone() };
    let page = paging.page(&app.cursor_mac, me.account.0, "list_journal_entries")?;
    if query.tag.is_some() {
        return tagged(&app, &me, &query, &page).await.map(Json);
    }
    let (after, limit) = page.bounds();
    let mut values: Vec<Value> = vec![me.id().0.into(), after.at.into(), after.id.into(), limit.into()];
    let filters = query.filters(&mut values);
    let rest = format!(
        "AND (e.created_at, e.id) < ($2, $3){filters} ORDER BY e.created_at DESC, e.id DESC LIMIT $4"
    );
    let mut rows = queries::select(app.db.reader(), &rest, values).await?;
    let next_cursor = page.finish(&mut rows, &app.cursor_mac, place_of);
    let items = rows.into_iter().map(|row| queries::view(row, &me.key)).collect::<ApiResult<_>>()?;
    Ok(Json(JournalEntryList { items, next_cursor }))
}

fn place_of(row: &EntryRow) -> Cursor {
    Cursor { at: row.created_at, id: row.id.0 }
}

#[derive(FromQueryResult)]
struct Head {
    id: JournalEntryId,
    created_at: DateTime<Utc>,
    tags_sealed: Option<Vec<u8>>,
}

/// The entries of a page that have the tag: tags first, and then the bodies of those alone.
async fn tagged(
    app: &AppState,
    me: &Patient,
    query: &EntryQuery,
    page: &Page,
) -> ApiResult<JournalEntryList> {
    let (after, _) = page.bounds();
    let mut values: Vec<Value> = vec![me.id().0.into(), after.at.into(), after.id.into(), ENTRIES.into()];
    let filters = query.filters(&mut values);
    let sql = format!(
        "SELECT e.id, e.created_at, e.tags_sealed FROM journal_entries e WHERE e.patient_id = $1 \
         AND (e.created_at, e.id) < ($2, $3){filters} ORDER BY e.created_at DESC, e.id DESC LIMIT $4"
    );
    let conn = app.db.reader();
    let statement = Statement::from_sql_and_values(conn.get_database_backend(), sql, values);
    let heads = Head::find_by_statement(statement).all(conn).await?;
    let wanted = query.tag.as_deref().unwrap_or_default();
    let looked_at_all = i64::try_from(heads.len()).unwrap_or(i64::MAX) < ENTRIES;
    let (mut found, mut last) = (Vec::new(), None);
    for head in heads {
        let tags = queries::open_tags(&me.key, head.id, head.tags_sealed.as_deref())?;
        if search::has_tag(&tags, wanted) {
            if found.len() == page.size() {
                let rows = of_ids(conn, me.id(), &found).await?;
                return listed(rows, &me.key, last.map(|last| page.after(&app.cursor_mac, last)));
            }
            found.push(head.id);
        }
        last = Some(Cursor { at: head.created_at, id: head.id.0 });
    }
    let rows = of_ids(conn, me.id(), &found).await?;
    listed(rows, &me.key, last.filter(|_| !looked_at_all).map(|last| page.after(&app.cursor_mac, last)))
}

fn listed(rows: Vec<EntryRow>, key: &DataKey, next_cursor: Option<String>) -> ApiResult<JournalEntryList> {
    let items = rows.into_iter().map(|row| queries::view(row, key)).collect::<ApiResult<_>>()?;
    Ok(JournalEntryList { items, next_cursor })
}

async fn of_ids(
    conn: &impl ConnectionTrait,
    patient: PatientId,
    ids: &[JournalEntryId],
) -> ApiResult<Vec<EntryRow>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut values: Vec<Value> = vec![patient.0.into()];
    values.extend(ids.iter().map(|id| Value::from(id.0)));
    let list: Vec<String> = (2..=values.len()).map(|number| format!("${number}")).collect();
    let rest = format!("AND e.id IN ({}) ORDER BY e.created_at DESC, e.id DESC", list.join(", "));
    queries::select(conn, &rest, values).await
}

/// What to look for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct SearchQuery {
    /// Up to ten words; all of them must occur, in title, fields or tags. Case and accents do not matter, and a part
    /// of a word finds it too.
    #[param(min_length = 1, max_length = 200, example = "river light")]
    q: String,
    /// Entries in an answer.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u64>,
    /// `next_cursor` of the answer before.
    cursor: Option<String>,
}

impl Validate for SearchQuery {
    fn validate(&self, checks: &mut Checks) {
        checks.range("query/limit", self.limit, 1, 100);
        checks.text("query/q", Some(&self.q), 1, 200);
        no_nul(checks, "query/q", Some(&self.q));
        let words = search::words(&self.q).len();
        let detail = format!("must have 1 to {} words", search::WORDS);
        checks.require((1..=search::WORDS).contains(&words), "query/q", "wrong_number_of_words", detail);
    }
}

/// What was found, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct JournalSearchResult {
    pub items: Vec<JournalEntry>,
    /// Whether every older entry was looked into. If not, `next_cursor` goes on: one answer looks into at most 2,000
    /// entries and 8 MiB, and may have found nothing in them.
    #[schema(example = true)]
    pub complete: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Search my own entries. Nobody else's journal can be searched, and what is looked for is kept nowhere.
#[utoipa::path(get, path = "/journal/entries/search", operation_id = "search_journal_entries", tag = "journal",
    params(SearchQuery), responses((status = 200, body = JournalSearchResult), Problems))]
async fn search_journal_entries(
    State(app): State<AppState>,
    me: Patient,
    ValidQuery(query): ValidQuery<SearchQuery>,
) -> ApiResult<Json<JournalSearchResult>> {
    let paging = PageQuery { limit: query.limit, cursor: query.cursor };
    let page = paging.page(&app.cursor_mac, me.account.0, "search_journal_entries")?;
    let (rows, more) = candidates(app.db.reader(), me.id(), &page).await?;
    let (key, words, size) = (me.key.clone(), search::words(&query.q), page.size());
    // Opening and comparing megabytes would hold up everybody else's requests on this thread.
    let looking = tokio::task::spawn_blocking(move || look(rows, more, &key, &words, size));
    let (items, at) = looking.await.map_err(ApiError::internal)??;
    let next_cursor = at.map(|at| page.after(&app.cursor_mac, at));
    Ok(Json(JournalSearchResult { items, complete: next_cursor.is_none(), next_cursor }))
}

#[derive(FromQueryResult)]
struct Size {
    id: JournalEntryId,
    created_at: DateTime<Utc>,
    bytes: i64,
}

/// The entries to look into, newest first, and whether there are more behind them.
async fn candidates(
    conn: &impl ConnectionTrait,
    patient: PatientId,
    page: &Page,
) -> ApiResult<(Vec<EntryRow>, bool)> {
    let (after, _) = page.bounds();
    let start: Vec<Value> = vec![patient.0.into(), after.at.into(), after.id.into()];
    let sql = "SELECT e.id, e.created_at, CAST(LENGTH(r.body_sealed) AS bigint) AS bytes FROM journal_entries e \
         JOIN journal_revisions r ON r.patient_id = e.patient_id AND r.entry_id = e.id AND r.revision = e.head_revision \
         WHERE e.patient_id = $1 AND (e.created_at, e.id) < ($2, $3) ORDER BY e.created_at DESC, e.id DESC LIMIT $4";
    let values = [start.clone(), vec![(ENTRIES + 1).into()]].concat();
    let sizes =
        Size::find_by_statement(Statement::from_sql_and_values(conn.get_database_backend(), sql, values));
    let sizes = sizes.all(conn).await?;
    let kept = within_bounds(&sizes.iter().map(|size| size.bytes).collect::<Vec<_>>());
    let Some(last) = kept.checked_sub(1).and_then(|index| sizes.get(index)) else {
        return Ok((Vec::new(), false));
    };
    let rest = "AND (e.created_at, e.id) < ($2, $3) AND (e.created_at, e.id) >= ($4, $5) \
         ORDER BY e.created_at DESC, e.id DESC";
    let values = [start, vec![last.created_at.into(), last.id.0.into()]].concat();
    Ok((queries::select(conn, rest, values).await?, kept < sizes.len()))
}

/// How many of them one request looks into: at least one, so that every search comes to its end.
fn within_bounds(sizes: &[i64]) -> usize {
    let most = usize::try_from(ENTRIES).unwrap_or(usize::MAX);
    let mut left = BYTES;
    let fit = sizes.iter().take(most).take_while(|size| {
        left -= **size;
        left >= 0
    });
    fit.count().max(usize::from(!sizes.is_empty()))
}

/// The entries with all words, and after which one to go on, if there is anything left to look into.
fn look(
    rows: Vec<EntryRow>,
    more: bool,
    key: &DataKey,
    words: &[String],
    size: usize,
) -> ApiResult<(Vec<JournalEntry>, Option<Cursor>)> {
    let (mut found, mut last) = (Vec::new(), None);
    let count = rows.len();
    for (index, row) in rows.into_iter().enumerate() {
        last = Some(place_of(&row));
        let entry = queries::view(row, key)?;
        if search::matches(&entry, words) {
            found.push(entry);
            if found.len() == size {
                let rest = more || index + 1 < count;
                return Ok((found, last.filter(|_| rest)));
            }
        }
    }
    Ok((found, last.filter(|_| more)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_is_bounded_by_entries_and_by_bytes() {
        let most = usize::try_from(ENTRIES).unwrap();
        for (sizes, wanted) in [
            (vec![], 0),
            (vec![1; 10], 10),
            (vec![1; most + 1], most),
            (vec![BYTES / 2, BYTES / 2, 1], 2),
            (vec![BYTES + 1, 1], 1),
        ] {
            assert_eq!(within_bounds(&sizes), wanted);
        }
    }
}
