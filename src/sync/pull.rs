//! One page of what changed: the counter first, then the keys of the page in one statement, then one statement a
//! collection. No snapshot is needed: what is written in between gets a number above the counter that was read, so
//! that it is behind `next`, and comes with a later page whether or not this one already showed it.

use entity::ids::PatientId;
use sea_orm::{ConnectionTrait, DatabaseConnection, FromQueryResult, Statement};
use uuid::Uuid;

use super::{
    SyncCollection,
    collection::{Pulled, Reader, Rows},
    cursor::Place,
    dto::{SyncChanges, SyncPage, SyncedDeliveryPolicy},
};
use crate::{
    checkins::Checkins,
    error::{ApiError, ApiResult},
    goals::{GoalNotes, Goals},
    journal::JournalEntries,
    reminders::Reminders,
    sessions::Sessions,
};

/// Each collection with its table and the column that is its id there. The rank is the place in this list and part of
/// what devices keep: append, never reorder.
pub const TABLES: [(SyncCollection, &str, &str); 7] = [
    (SyncCollection::Checkins, "checkins", "id"),
    (SyncCollection::JournalEntries, "journal_entries", "id"),
    (SyncCollection::Reminders, "reminders", "id"),
    (SyncCollection::Sessions, "sessions", "id"),
    (SyncCollection::DeliveryPolicy, "delivery_policies", "patient_id"),
    (SyncCollection::Goals, "goals", "id"),
    (SyncCollection::GoalProgress, "goal_progress", "id"),
];

/// Tombstones rank behind the rows of all collections.
const GONE: i32 = 1_000;

#[expect(clippy::cast_possible_truncation, reason = "a list of a few lines")]
const COLLECTIONS: u8 = TABLES.len() as u8;

impl SyncCollection {
    /// The table, which is also what tombstones call it.
    pub fn table(self) -> &'static str {
        TABLES.into_iter().find(|(one, ..)| *one == self).map_or("", |(_, table, _)| table)
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
pub async fn page(
    reader: &Reader<'_, DatabaseConnection>,
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

async fn counter(conn: &DatabaseConnection, patient: PatientId) -> ApiResult<(i64, i64)> {
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
    for (rank, (_, table, id)) in (1_i32..).zip(TABLES) {
        parts.push(part(&rank.to_string(), id, table, &format!("sync_seq, {id}")));
        ranks.push_str(&format!(" WHEN '{table}' THEN {}", GONE + rank));
    }
    ranks.push_str(" ELSE 0 END");
    parts.push(part(&ranks, "id", "tombstones", "sync_seq, rank, id"));
    format!("{} ORDER BY sync_seq, rank, id LIMIT $6", parts.join(" UNION ALL "))
}

async fn keys(
    reader: &Reader<'_, DatabaseConnection>,
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

async fn fill(reader: &Reader<'_, DatabaseConnection>, keys: &[Key], page: &mut SyncPage) -> ApiResult<()> {
    for (rank, (collection, ..)) in (1_i32..).zip(TABLES) {
        use SyncCollection as One;
        match collection {
            One::Checkins => page.checkins = changes::<Checkins>(reader, keys, rank).await?,
            One::JournalEntries => {
                page.journal_entries = changes::<JournalEntries>(reader, keys, rank).await?
            }
            One::Reminders => page.reminders = changes::<Reminders>(reader, keys, rank).await?,
            One::DeliveryPolicy => {
                page.delivery_policy = changes::<DeliveryPolicy>(reader, keys, rank).await?
            }
            One::Sessions => page.sessions = changes::<Sessions>(reader, keys, rank).await?,
            One::Goals => page.goals = changes::<Goals>(reader, keys, rank).await?,
            One::GoalProgress => page.goal_progress = changes::<GoalNotes>(reader, keys, rank).await?,
        }
    }
    Ok(())
}

/// The part of a page that is one collection's. Its keys are neighbours in the order of the collection.
async fn changes<P: Pulled>(
    reader: &Reader<'_, DatabaseConnection>,
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

/// When and how a patient wants to be reminded; at most one row.
struct DeliveryPolicy;

impl Pulled for DeliveryPolicy {
    type View = SyncedDeliveryPolicy;

    async fn load<C: ConnectionTrait>(
        reader: &Reader<'_, C>,
        _: &Rows,
    ) -> ApiResult<Vec<(Uuid, SyncedDeliveryPolicy)>> {
        use sea_orm::EntityTrait;
        let row = entity::delivery_policies::Entity::find_by_id(reader.patient).one(reader.conn).await?;
        Ok(row
            .into_iter()
            .map(|row| {
                let view = SyncedDeliveryPolicy {
                    version: row.version,
                    paused_until: row.paused_until,
                    updated_at: row.updated_at,
                };
                (reader.patient.0, view)
            })
            .collect())
    }
}
