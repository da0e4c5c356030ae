//! One page of what changed: the counter first, then the keys of the page in one statement, then one statement a
//! collection. No snapshot is needed: what is written in between gets a number above the counter that was read, so
//! that it is behind `next`, and comes with a later page whether or not this one already showed it.

use entity::ids::PatientId;
use sea_orm::{ConnectionTrait, FromQueryResult, Statement};
use uuid::Uuid;

use super::{
    SyncCollection,
    collection::{Pulled, Reader, Rows},
    cursor::Place,
    dto::{SyncChanges, SyncPage},
};
use crate::{
    checkins::Checkins,
    error::{ApiError, ApiResult},
    goals::{GoalNotes, Goals},
    journal::JournalEntries,
    measures::{Assignments, Responses},
    plans::Plans,
    prompts::Favourites,
    reminders::{DeliveryPolicies, Reminders},
    safety::SafetyPlans,
    sessions::{Intentions, Readiness, Sessions},
};

/// Where the rows of a collection are.
#[derive(Debug, Clone, Copy)]
pub struct Source {
    pub collection: SyncCollection,
    /// The name of its table, which is also what tombstones call it.
    pub table: &'static str,
    /// The column that is its id.
    pub id: &'static str,
    /// What is one row to a device, where it is not one in the table: a subselect on the patient `$1`.
    pub rows: Option<&'static str>,
}

const fn source(collection: SyncCollection, table: &'static str, id: &'static str) -> Source {
    Source { collection, table, id, rows: None }
}

/// The rank of a collection is its place in this list, and part of what devices keep: append, never reorder.
pub const SOURCES: [Source; 14] = [
    source(SyncCollection::Checkins, "checkins", "id"),
    source(SyncCollection::JournalEntries, "journal_entries", "id"),
    source(SyncCollection::Reminders, "reminders", "id"),
    source(SyncCollection::Sessions, "sessions", "id"),
    source(SyncCollection::DeliveryPolicy, "delivery_policies", "patient_id"),
    source(SyncCollection::Goals, "goals", "id"),
    source(SyncCollection::GoalProgress, "goal_progress", "id"),
    source(SyncCollection::MeasureResponses, "measure_responses", "id"),
    source(SyncCollection::MeasureAssignments, "measure_assignments", "id"),
    source(SyncCollection::Plans, "plans", "id"),
    source(SyncCollection::SafetyPlan, "safety_plans", "patient_id"),
    Source {
        rows: Some(
            "SELECT patient_id, MAX(sync_seq) AS sync_seq FROM prompt_favourites WHERE patient_id = $1 \
             GROUP BY patient_id",
        ),
        ..source(SyncCollection::PromptFavourites, "prompt_favourites", "patient_id")
    },
    Source {
        rows: Some(
            "SELECT patient_id, id, sync_seq FROM sessions WHERE patient_id = $1 AND intention_sealed IS NOT NULL",
        ),
        ..source(SyncCollection::SessionIntentions, "session_intentions", "id")
    },
    Source {
        rows: Some(
            "SELECT patient_id, session_id, MAX(sync_seq) AS sync_seq FROM session_readiness \
             WHERE patient_id = $1 GROUP BY patient_id, session_id",
        ),
        ..source(SyncCollection::SessionReadiness, "session_readiness", "session_id")
    },
];

/// Tombstones rank behind the rows of all collections.
const GONE: i32 = 1_000;

#[expect(clippy::cast_possible_truncation, reason = "a list of a few lines")]
const COLLECTIONS: u8 = SOURCES.len() as u8;

impl SyncCollection {
    /// The table, which is also what tombstones call it.
    pub fn table(self) -> &'static str {
        SOURCES.into_iter().find(|one| one.collection == self).map_or("", |one| one.table)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, FromQueryResult)]
struct Key {
    sync_seq: i64,
    rank: i32,
    id: Uuid,
}

#[derive(FromQueryResult)]
struct Counter {
    sync_seq: i64,
    sync_floor: i64,
}

/// The page behind `since`.
pub async fn page<C: ConnectionTrait>(
    reader: &Reader<'_, C>,
    since: Option<Place>,
    limit: u64,
) -> ApiResult<(SyncPage, Place)> {
    let (counter, floor) = counter(reader.conn, reader.patient).await?;
    let reset = since.is_some_and(|place| !place.holds(COLLECTIONS, (counter, floor)));
    let from = since.filter(|_| !reset).unwrap_or_else(|| Place::start(COLLECTIONS, counter));
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut keys = keys(reader, from, counter, limit + 1).await?;
    let has_more = keys.len() > limit;
    keys.truncate(limit);
    let next = match keys.last() {
        Some(last) if has_more => Place { seq: last.sync_seq, rank: last.rank, id: last.id, ..from },
        _ => from.caught_up(counter),
    };
    let mut page = SyncPage { reset, has_more, ..SyncPage::default() };
    fill(reader, &keys, &mut page).await?;
    Ok((page, next))
}

async fn counter(conn: &impl ConnectionTrait, patient: PatientId) -> ApiResult<(i64, i64)> {
    let statement = Statement::from_sql_and_values(
        conn.get_database_backend(),
        "SELECT sync_seq, sync_floor FROM patients WHERE patient_id = $1",
        [patient.0.into()],
    );
    let row = Counter::find_by_statement(statement).one(conn).await?.ok_or(ApiError::NotFound)?;
    Ok((row.sync_seq, row.sync_floor))
}

/// The keys of a page, over all collections and tombstones: $2 to $4 where the last one ended, $5 the counter.
fn keys_sql() -> String {
    let part = |rank: &str, id: &str, table: &str, order: &str| {
        format!(
            "SELECT * FROM (SELECT sync_seq, {rank} AS rank, {id} AS id FROM {table} WHERE patient_id = $1 \
             AND sync_seq BETWEEN $2 AND $5 AND (sync_seq > $2 OR {rank} > $3 OR ({rank} = $3 AND {id} > $4)) \
             ORDER BY {order} LIMIT $6) part"
        )
    };
    let mut parts = Vec::new();
    let mut ranks = String::from("CASE collection");
    for (rank, Source { table, id, rows, .. }) in (1_i32..).zip(SOURCES) {
        let from = rows.map_or(table.to_owned(), |rows| format!("({rows}) AS {table}_rows"));
        parts.push(part(&rank.to_string(), id, &from, &format!("sync_seq, {id}")));
        ranks.push_str(&format!(" WHEN '{table}' THEN {}", GONE + rank));
    }
    ranks.push_str(" ELSE 0 END");
    parts.push(part(&ranks, "id", "tombstones", "sync_seq, rank, id"));
    format!("{} ORDER BY sync_seq, rank, id LIMIT $6", parts.join(" UNION ALL "))
}

async fn keys<C: ConnectionTrait>(
    reader: &Reader<'_, C>,
    from: Place,
    counter: i64,
    most: usize,
) -> ApiResult<Vec<Key>> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let values = [
        reader.patient.0.into(),
        from.seq.into(),
        from.rank.into(),
        from.id.into(),
        counter.into(),
        most.into(),
    ];
    let statement = Statement::from_sql_and_values(reader.conn.get_database_backend(), keys_sql(), values);
    Ok(Key::find_by_statement(statement).all(reader.conn).await?)
}

async fn fill<C: ConnectionTrait>(
    reader: &Reader<'_, C>,
    keys: &[Key],
    page: &mut SyncPage,
) -> ApiResult<()> {
    use SyncCollection as One;
    for (rank, Source { collection, .. }) in (1_i32..).zip(SOURCES) {
        match collection {
            One::Checkins => page.checkins = changes::<Checkins, C>(reader, keys, rank).await?,
            One::JournalEntries => {
                page.journal_entries = changes::<JournalEntries, C>(reader, keys, rank).await?
            }
            One::Reminders => page.reminders = changes::<Reminders, C>(reader, keys, rank).await?,
            One::DeliveryPolicy => {
                page.delivery_policy = changes::<DeliveryPolicies, C>(reader, keys, rank).await?
            }
            One::Sessions => page.sessions = changes::<Sessions, C>(reader, keys, rank).await?,
            One::Goals => page.goals = changes::<Goals, C>(reader, keys, rank).await?,
            One::GoalProgress => page.goal_progress = changes::<GoalNotes, C>(reader, keys, rank).await?,
            One::MeasureResponses => {
                page.measure_responses = changes::<Responses, C>(reader, keys, rank).await?
            }
            One::MeasureAssignments => {
                page.measure_assignments = changes::<Assignments, C>(reader, keys, rank).await?
            }
            One::Plans => page.plans = changes::<Plans, C>(reader, keys, rank).await?,
            One::SafetyPlan => page.safety_plan = changes::<SafetyPlans, C>(reader, keys, rank).await?,
            One::PromptFavourites => {
                page.prompt_favourites = changes::<Favourites, C>(reader, keys, rank).await?
            }
            One::SessionIntentions => {
                page.session_intentions = changes::<Intentions, C>(reader, keys, rank).await?
            }
            One::SessionReadiness => {
                page.session_readiness = changes::<Readiness, C>(reader, keys, rank).await?
            }
        }
    }
    Ok(())
}

/// The part of a page that is one collection's. Its keys are neighbours in the order of the collection.
async fn changes<P: Pulled, C: ConnectionTrait>(
    reader: &Reader<'_, C>,
    keys: &[Key],
    rank: i32,
) -> ApiResult<SyncChanges<P::View>> {
    let of = |rank: i32| keys.iter().filter(move |key| key.rank == rank);
    let place = |key: &Key| (key.sync_seq, key.id);
    let deleted = of(GONE + rank).map(|key| key.id).collect();
    let upserts = match (of(rank).next(), of(rank).next_back()) {
        (Some(first), Some(last)) => {
            let rows = P::load(reader, &Rows::Span(place(first), place(last))).await?;
            rows.into_iter().map(|(_, view)| view).collect()
        }
        _ => Vec::new(),
    };
    Ok(SyncChanges { upserts, deleted })
}

/// Reads every row once, as a device with nothing at hand would: an error for one that cannot be shown.
pub async fn read_all<C: ConnectionTrait>(reader: &Reader<'_, C>) -> ApiResult<()> {
    let mut since = None;
    loop {
        let (page, next) = page(reader, since, 500).await?;
        if !page.has_more {
            return Ok(());
        }
        since = Some(next);
    }
}
