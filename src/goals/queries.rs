//! Rows of the patient's goals. The owner is part of every predicate.

use entity::{
    goal_progress, goals,
    ids::{AccountId, GoalId, JournalEntryId, PatientId},
};
use sea_orm::{ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Set, Statement};

use super::{
    dto::{Goal, GoalPatch},
    links,
    rules::{self, Detail, Setting},
    shares,
    status::GoalStatus,
};
use crate::{
    audit::Event,
    db::WriteTx,
    error::{ApiError, ApiResult},
    page::Page,
    reminders::rules::localtime::Zone,
    vault::{DataKey, Place},
};

fn place(id: GoalId) -> Place {
    Place::new("goals", "detail_sealed", id)
}

/// The words of a goal, opened.
pub fn detail(id: GoalId, sealed: &[u8], key: &DataKey) -> ApiResult<Detail> {
    Ok(key.open_json(place(id), sealed)?)
}

/// The status of a stored word.
pub fn status(word: &str) -> ApiResult<GoalStatus> {
    GoalStatus::from_word(word).ok_or_else(|| ApiError::internal("a stored goal has no known status"))
}

/// Where and in which language a patient sets goals now.
pub fn setting<'a>(tx: &WriteTx, zone: &str, locale: &'a str) -> ApiResult<Setting<'a>> {
    let zone = Zone::parse(zone).map_err(ApiError::internal)?;
    Ok(Setting { now: tx.now(), today: zone.local_date(tx.now()), locale })
}

/// The goal as its owner reads it.
pub fn view(row: goals::Model, entry_ids: Vec<JournalEntryId>, key: &DataKey) -> ApiResult<Goal> {
    let detail = detail(row.id, &row.detail_sealed, key)?;
    Ok(Goal {
        id: row.id,
        version: row.version,
        lifecycle_status: status(&row.state)?,
        status_changed_at: row.state_changed_at,
        template_id: row.template_id,
        title: detail.title,
        description: detail.description,
        steps: detail.steps,
        target: detail.target,
        entry_ids,
        proposed_by: row.proposed_by,
        agreed_at: row.agreed_at,
        created_at: row.created_at,
        updated_at: row.updated_at,
    })
}

/// The goal with the entries that belong to it.
pub async fn load(conn: &impl ConnectionTrait, row: goals::Model, key: &DataKey) -> ApiResult<Goal> {
    let mut links = links::of_goals(conn, row.patient_id, [row.id]).await?;
    let entries = links.remove(&row.id).unwrap_or_default();
    view(row, entries, key)
}

/// One goal, 404 unless it is the patient's.
pub async fn find(conn: &impl ConnectionTrait, patient: PatientId, id: GoalId) -> ApiResult<goals::Model> {
    goals::Entity::find_by_id((patient, id)).one(conn).await?.ok_or(ApiError::NotFound)
}

/// Whether a therapist's proposal still waits for the patient, or was declined.
pub fn is_open_proposal(row: &goals::Model) -> bool {
    row.proposed_by.is_some() && row.agreed_at.is_none()
}

/// 409 for a proposal that the patient has not agreed to.
pub fn refuse_open_proposal(row: &goals::Model) -> ApiResult<()> {
    if is_open_proposal(row) {
        return Err(ApiError::conflict(
            "goal_not_agreed",
            "This is a proposal. Agree to it first with POST /v1/goals/{id}/agree, or set it to rejected.",
        ));
    }
    Ok(())
}

/// A page, newest first.
pub async fn list(
    conn: &impl ConnectionTrait,
    patient: PatientId,
    page: &Page,
) -> ApiResult<Vec<goals::Model>> {
    let query = goals::Entity::find().filter(goals::Column::PatientId.eq(patient));
    Ok(page.newest_first(query, goals::Column::CreatedAt, goals::Column::Id).all(conn).await?)
}

/// A goal that may be stored.
pub struct Draft {
    pub id: GoalId,
    pub status: GoalStatus,
    pub template_id: Option<String>,
    pub detail: Detail,
    pub proposed_by: Option<AccountId>,
}

pub async fn insert(
    tx: &WriteTx,
    patient: PatientId,
    key: &DataKey,
    draft: Draft,
) -> ApiResult<goals::Model> {
    let row = goals::Model {
        patient_id: patient,
        id: draft.id,
        version: 1,
        sync_seq: tx.sync_seq(),
        state: draft.status.as_str().to_owned(),
        template_id: draft.template_id,
        detail_sealed: key.seal_json(place(draft.id), &draft.detail),
        proposed_by: draft.proposed_by,
        agreed_at: None,
        state_changed_at: tx.now(),
        created_at: tx.now(),
        updated_at: tx.now(),
    };
    let active: goals::ActiveModel = row.clone().into();
    goals::Entity::insert(active.reset_all()).exec_without_returning(tx.conn()).await?;
    Ok(row)
}

/// Changes a goal that is still at `version`, else 412.
pub async fn update(
    tx: &WriteTx,
    patient: PatientId,
    key: &DataKey,
    (id, version): (GoalId, i32),
    (setting, patch): (&Setting<'_>, GoalPatch),
) -> ApiResult<goals::Model> {
    let row = find(tx.conn(), patient, id).await?;
    if row.version != version {
        return Err(ApiError::stale());
    }
    if patch.changes_words() {
        refuse_open_proposal(&row)?;
    }
    let before = status(&row.state)?;
    let after = before.step(patch.lifecycle_status.unwrap_or(before))?;
    let words = rules::patched(detail(id, &row.detail_sealed, key)?, &patch, setting, || tx.new_id())?;
    if let Some(entries) = &patch.entry_ids {
        links::replace(tx, patient, id, entries).await?;
    }
    let changed = goals::ActiveModel {
        patient_id: Set(patient),
        id: Set(id),
        version: Set(version + 1),
        sync_seq: Set(tx.sync_seq()),
        state: Set(after.as_str().to_owned()),
        detail_sealed: Set(key.seal_json(place(id), &words)),
        state_changed_at: Set(if after == before { row.state_changed_at } else { tx.now() }),
        updated_at: Set(tx.now()),
        ..Default::default()
    };
    Ok(changed.update(tx.conn()).await?)
}

/// Takes up a therapist's proposal and shares the goal with whoever made it. Agreeing twice changes nothing.
pub async fn agree(tx: &WriteTx, patient: PatientId, id: GoalId) -> ApiResult<goals::Model> {
    let row = find(tx.conn(), patient, id).await?;
    if row.agreed_at.is_some() {
        return Ok(row);
    }
    let after = status(&row.state)?.agree()?;
    let proposer = row.proposed_by;
    let changed = goals::ActiveModel {
        patient_id: Set(patient),
        id: Set(id),
        version: Set(row.version + 1),
        sync_seq: Set(tx.sync_seq()),
        state: Set(after.as_str().to_owned()),
        agreed_at: Set(Some(tx.now())),
        state_changed_at: Set(tx.now()),
        updated_at: Set(tx.now()),
        ..Default::default()
    };
    let agreed = changed.update(tx.conn()).await?;
    tx.audit(Event::new("goals.agree", patient, format!("goals/{id}")));
    if let Some(member) = proposer {
        shares::share_with_proposer(tx, patient, id, member).await?;
    }
    Ok(agreed)
}

/// Deletes a goal that is still at `version`, with its notes, links and shares.
pub async fn delete(tx: &WriteTx, patient: PatientId, id: GoalId, version: i32) -> ApiResult<()> {
    let row = find(tx.conn(), patient, id).await?;
    if row.version != version {
        return Err(ApiError::stale());
    }
    links::remove(tx, patient, id).await?;
    shares::remove(tx, patient, id).await?;
    bury_notes(tx, patient, id).await?;
    goal_progress::Entity::delete_many()
        .filter(goal_progress::Column::PatientId.eq(patient))
        .filter(goal_progress::Column::GoalId.eq(id))
        .exec(tx.conn())
        .await?;
    goals::Entity::delete_by_id((patient, id)).exec(tx.conn()).await?;
    crate::sync::bury(tx, patient, "goals", id).await
}

/// The notes go with their goal, on other devices too, and also where the goal itself comes back.
async fn bury_notes(tx: &WriteTx, patient: PatientId, goal: GoalId) -> ApiResult<()> {
    let statement = Statement::from_sql_and_values(
        tx.conn().get_database_backend(),
        "INSERT INTO tombstones (patient_id, collection, id, sync_seq, deleted_at) \
         SELECT patient_id, 'goal_progress', id, $3, $4 FROM goal_progress WHERE patient_id = $1 AND goal_id = $2 \
         ON CONFLICT (patient_id, collection, id) DO UPDATE SET sync_seq = excluded.sync_seq, \
         deleted_at = excluded.deleted_at",
        [patient.0.into(), goal.0.into(), tx.sync_seq().into(), tx.now().into()],
    );
    tx.conn().execute_raw(statement).await?;
    Ok(())
}
