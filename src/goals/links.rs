//! Which journal entries belong to a goal. A link is a row of its own, so that deleting the entry can take it along
//! without opening the goal.

use std::collections::{BTreeSet, HashMap, HashSet};

use entity::{
    goal_entries, goals,
    ids::{GoalId, JournalEntryId, PatientId},
    journal_entries,
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    Set, sea_query::Expr,
};

use crate::{
    db::WriteTx,
    error::{ApiError, ApiResult, FieldError},
};

/// The links of these goals, oldest entry first.
pub async fn of_goals(
    conn: &impl ConnectionTrait,
    patient: PatientId,
    goals: impl IntoIterator<Item = GoalId>,
) -> ApiResult<HashMap<GoalId, Vec<JournalEntryId>>> {
    let rows = goal_entries::Entity::find()
        .filter(goal_entries::Column::PatientId.eq(patient))
        .filter(goal_entries::Column::GoalId.is_in(goals))
        .order_by_asc(goal_entries::Column::EntryId)
        .all(conn)
        .await?;
    let mut links: HashMap<GoalId, Vec<JournalEntryId>> = HashMap::new();
    for row in rows {
        links.entry(row.goal_id).or_default().push(row.entry_id);
    }
    Ok(links)
}

/// Makes these the goal's entries; 422 for one that is not the patient's.
pub async fn replace(
    tx: &WriteTx,
    patient: PatientId,
    goal: GoalId,
    entries: &[JournalEntryId],
) -> ApiResult<()> {
    remove(tx, patient, goal).await?;
    if entries.is_empty() {
        return Ok(());
    }
    refuse_foreign(tx, patient, entries).await?;
    let rows = entries.iter().collect::<BTreeSet<_>>().into_iter().map(|entry| goal_entries::ActiveModel {
        patient_id: Set(patient),
        goal_id: Set(goal),
        entry_id: Set(*entry),
    });
    goal_entries::Entity::insert_many(rows).exec_without_returning(tx.conn()).await?;
    Ok(())
}

/// Takes all links of a goal away.
pub async fn remove(tx: &WriteTx, patient: PatientId, goal: GoalId) -> ApiResult<()> {
    goal_entries::Entity::delete_many()
        .filter(goal_entries::Column::PatientId.eq(patient))
        .filter(goal_entries::Column::GoalId.eq(goal))
        .exec(tx.conn())
        .await?;
    Ok(())
}

async fn refuse_foreign(tx: &WriteTx, patient: PatientId, entries: &[JournalEntryId]) -> ApiResult<()> {
    let own: HashSet<JournalEntryId> = journal_entries::Entity::find()
        .select_only()
        .column(journal_entries::Column::Id)
        .filter(journal_entries::Column::PatientId.eq(patient))
        .filter(journal_entries::Column::Id.is_in(entries.iter().copied()))
        .into_tuple::<JournalEntryId>()
        .all(tx.conn())
        .await?
        .into_iter()
        .collect();
    let refused = |index: usize| {
        let detail = "must be the id of one of your own journal entries";
        FieldError::new(format!("/entry_ids/{index}"), "unknown_entry", detail)
    };
    let foreign: Vec<FieldError> = entries
        .iter()
        .enumerate()
        .filter(|(_, entry)| !own.contains(entry))
        .map(|(index, _)| refused(index))
        .collect();
    if foreign.is_empty() { Ok(()) } else { Err(ApiError::invalid(foreign)) }
}

/// Takes a deleted journal entry out of all goals; other devices learn of it with those goals.
pub async fn forget_entry(tx: &WriteTx, patient: PatientId, entry: JournalEntryId) -> ApiResult<()> {
    let linked = goal_entries::Entity::find()
        .select_only()
        .column(goal_entries::Column::GoalId)
        .filter(goal_entries::Column::PatientId.eq(patient))
        .filter(goal_entries::Column::EntryId.eq(entry));
    goals::Entity::update_many()
        .col_expr(goals::Column::Version, Expr::col(goals::Column::Version).add(1))
        .col_expr(goals::Column::SyncSeq, Expr::value(tx.sync_seq()))
        .col_expr(goals::Column::UpdatedAt, Expr::value(tx.now()))
        .filter(goals::Column::PatientId.eq(patient))
        .filter(goals::Column::Id.in_subquery(linked.into_query()))
        .exec(tx.conn())
        .await?;
    goal_entries::Entity::delete_many()
        .filter(goal_entries::Column::PatientId.eq(patient))
        .filter(goal_entries::Column::EntryId.eq(entry))
        .exec(tx.conn())
        .await?;
    Ok(())
}
