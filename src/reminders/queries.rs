//! Rows of standing reminders. The owner is part of every predicate.

use chrono::{DateTime, Utc};
use entity::{
    ids::{PatientId, ReminderId},
    reminders,
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set,
};
use serde::{Deserialize, Serialize};

use super::{
    dto::{NextOccurrence, Reminder, ReminderCreate, ReminderPatch, Schedule},
    rules::{localtime::Zone, recurrence::Recurrence},
};
use crate::{
    db::WriteTx,
    error::{ApiError, ApiResult},
    validate::Checks,
    vault::{DataKey, Place},
};

/// Most reminders a patient can have.
pub const MOST: u64 = 50;

/// The words of a reminder: what is sealed.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub struct Words {
    #[serde(default)]
    pub title: Option<String>,
    #[serde(default)]
    pub body: Option<String>,
}

fn place(id: ReminderId) -> Place {
    Place::new("reminders", "text_sealed", id)
}

fn seal(key: &DataKey, id: ReminderId, words: &Words) -> Option<Vec<u8>> {
    (words.title.is_some() || words.body.is_some()).then(|| key.seal_json(place(id), words))
}

/// The words of a reminder, opened.
pub fn words(row: &reminders::Model, key: &DataKey) -> ApiResult<Words> {
    match &row.text_sealed {
        Some(sealed) => Ok(key.open_json(place(row.id), sealed)?),
        None => Ok(Words::default()),
    }
}

/// The rule as it is kept.
pub fn recurrence(row: &reminders::Model) -> ApiResult<Recurrence> {
    serde_json::from_str(&row.recurrence).map_err(ApiError::internal)
}

fn rule_text(schedule: &Schedule) -> ApiResult<String> {
    let mut checks = Checks::default();
    let rule = schedule.recurrence(&mut checks);
    checks.finish()?;
    serde_json::to_string(&rule).map_err(ApiError::internal)
}

/// The reminder as its owner reads it, with its next five occurrences.
pub fn view(row: reminders::Model, key: &DataKey, zone: &str, now: DateTime<Utc>) -> ApiResult<Reminder> {
    let zone = Zone::parse(zone).map_err(ApiError::internal)?;
    let (words, rule) = (words(&row, key)?, recurrence(&row)?);
    let coming = if row.active { rule.next_n(now, &zone, 5) } else { Vec::new() };
    Ok(Reminder {
        id: row.id,
        version: row.version,
        category: row.category,
        schedule: Schedule::from(&rule),
        title: words.title,
        body: words.body,
        active: row.active,
        next: coming
            .into_iter()
            .map(|next| NextOccurrence { at: next.due, local: next.local.to_string() })
            .collect(),
        created_at: row.created_at,
        updated_at: row.updated_at,
    })
}

/// Inserts a reminder; 409 when there are too many.
pub async fn insert(
    tx: &WriteTx,
    patient: PatientId,
    key: &DataKey,
    id: ReminderId,
    input: ReminderCreate,
) -> ApiResult<reminders::Model> {
    if list(tx.conn(), patient).await?.len() as u64 >= MOST {
        let detail = format!("You already have {MOST} reminders. Delete one first.");
        return Err(ApiError::conflict("too_many_reminders", detail));
    }
    let words = Words { title: input.title, body: input.body };
    let row = reminders::Model {
        patient_id: patient,
        id,
        version: 1,
        sync_seq: tx.sync_seq(),
        category: input.category,
        recurrence: rule_text(&input.schedule)?,
        active: input.active,
        text_sealed: seal(key, id, &words),
        set_by: patient.into(),
        created_at: tx.now(),
        updated_at: tx.now(),
    };
    let active: reminders::ActiveModel = row.clone().into();
    reminders::Entity::insert(active.reset_all()).exec_without_returning(tx.conn()).await?;
    Ok(row)
}

/// One reminder, 404 unless it is the patient's.
pub async fn find(
    conn: &impl ConnectionTrait,
    patient: PatientId,
    id: ReminderId,
) -> ApiResult<reminders::Model> {
    reminders::Entity::find_by_id((patient, id)).one(conn).await?.ok_or(ApiError::NotFound)
}

/// All of a patient's reminders, oldest first.
pub async fn list(conn: &impl ConnectionTrait, patient: PatientId) -> ApiResult<Vec<reminders::Model>> {
    Ok(reminders::Entity::find()
        .filter(reminders::Column::PatientId.eq(patient))
        .order_by_asc(reminders::Column::Id)
        .limit(MOST + 1)
        .all(conn)
        .await?)
}

/// Changes a reminder that is still at `version`, else 412.
pub async fn update(
    tx: &WriteTx,
    patient: PatientId,
    key: &DataKey,
    (id, version): (ReminderId, i32),
    patch: ReminderPatch,
) -> ApiResult<reminders::Model> {
    let row = find(tx.conn(), patient, id).await?;
    if row.version != version {
        return Err(ApiError::stale());
    }
    let before = words(&row, key)?;
    let after = Words { title: patch.title.apply(before.title), body: patch.body.apply(before.body) };
    let recurrence = match &patch.schedule {
        Some(schedule) => rule_text(schedule)?,
        None => row.recurrence,
    };
    let changed = reminders::ActiveModel {
        patient_id: Set(patient),
        id: Set(id),
        version: Set(version + 1),
        sync_seq: Set(tx.sync_seq()),
        recurrence: Set(recurrence),
        active: Set(patch.active.unwrap_or(row.active)),
        text_sealed: Set(seal(key, id, &after)),
        updated_at: Set(tx.now()),
        ..Default::default()
    };
    Ok(changed.update(tx.conn()).await?)
}

/// Deletes a reminder that is still at `version` and leaves a tombstone.
pub async fn delete(tx: &WriteTx, patient: PatientId, id: ReminderId, version: i32) -> ApiResult<()> {
    let row = find(tx.conn(), patient, id).await?;
    if row.version != version {
        return Err(ApiError::stale());
    }
    reminders::Entity::delete_by_id((patient, id)).exec(tx.conn()).await?;
    crate::sync::bury(tx, patient, "reminders", id).await
}
