//! Rows of check-ins. The owner is part of every predicate.

use entity::{
    checkins,
    ids::{CheckinId, ClinicId, PatientId},
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};

use super::{
    calls,
    dto::{Checkin, CheckinPatch},
    rules::{self, Detail, Draft},
};
use crate::{
    db::WriteTx,
    error::{ApiError, ApiResult},
    page::Page,
    vault::{DataKey, Place},
};

fn place(id: CheckinId) -> Place {
    Place::new("checkins", "detail_sealed", id)
}

/// The words of a check-in, sealed for its row; nothing when there are none.
pub fn seal(key: &DataKey, id: CheckinId, detail: &Detail) -> Option<Vec<u8>> {
    (!detail.is_empty()).then(|| key.seal_json(place(id), detail))
}

/// The words of a check-in, opened.
pub fn detail(row: &checkins::Model, key: &DataKey) -> ApiResult<Detail> {
    match &row.detail_sealed {
        Some(sealed) => Ok(key.open_json(place(row.id), sealed)?),
        None => Ok(Detail::default()),
    }
}

/// The check-in as its owner reads it.
pub fn view(row: checkins::Model, key: &DataKey) -> ApiResult<Checkin> {
    let detail = detail(&row, key)?;
    Ok(with_words(row, detail))
}

fn with_words(row: checkins::Model, detail: Detail) -> Checkin {
    Checkin {
        id: row.id,
        version: row.version,
        mood: row.mood,
        anxiety: row.anxiety,
        energy: row.energy,
        sleep_hours: row.sleep_hours,
        emotions: detail.emotions,
        note: detail.note,
        scheduled_at: row.scheduled_at,
        started_at: row.started_at,
        taken_at: row.taken_at,
        local_date: row.local_date,
        local_time: row.local_time,
        time_zone: row.zone,
        created_at: row.created_at,
        updated_at: row.updated_at,
        crisis_card: None,
    }
}

/// Inserts the draft, and the alerts of what it calls for beside it.
pub async fn insert(
    tx: &WriteTx,
    (patient, clinic): (PatientId, ClinicId),
    key: &DataKey,
    id: CheckinId,
    draft: Draft,
) -> ApiResult<checkins::Model> {
    let mut row = checkins::Model {
        patient_id: patient,
        id,
        version: 1,
        sync_seq: tx.sync_seq(),
        local_date: draft.local_date,
        local_time: draft.local_time,
        zone: draft.zone,
        scheduled_at: draft.scheduled_at,
        started_at: draft.started_at,
        taken_at: draft.taken_at,
        mood: draft.mood,
        anxiety: draft.anxiety,
        energy: draft.energy,
        sleep_hours: draft.sleep_hours,
        detail_sealed: seal(key, id, &draft.detail),
        flagged: false,
        created_at: tx.now(),
        updated_at: tx.now(),
    };
    row.flagged = calls::judge(tx, (patient, clinic), &row, &draft.detail).await?;
    let active: checkins::ActiveModel = row.clone().into();
    checkins::Entity::insert(active.reset_all()).exec_without_returning(tx.conn()).await?;
    Ok(row)
}

/// One check-in, 404 unless it is the patient's.
pub async fn find(
    conn: &impl ConnectionTrait,
    patient: PatientId,
    id: CheckinId,
) -> ApiResult<checkins::Model> {
    checkins::Entity::find_by_id((patient, id)).one(conn).await?.ok_or(ApiError::NotFound)
}

/// A page, latest first.
pub async fn list(
    conn: &impl ConnectionTrait,
    patient: PatientId,
    page: &Page,
) -> ApiResult<Vec<checkins::Model>> {
    let query = checkins::Entity::find().filter(checkins::Column::PatientId.eq(patient));
    Ok(page.newest_first(query, checkins::Column::TakenAt, checkins::Column::Id).all(conn).await?)
}

/// The latest of a patient, the earliest first. Without a key their words stay shut: the care team reads numbers only.
pub async fn all(
    conn: &impl ConnectionTrait,
    patient: PatientId,
    key: Option<&DataKey>,
    most: u64,
) -> ApiResult<Vec<Checkin>> {
    let mut rows = checkins::Entity::find()
        .filter(checkins::Column::PatientId.eq(patient))
        .order_by_desc(checkins::Column::TakenAt)
        .order_by_desc(checkins::Column::Id)
        .limit(most)
        .all(conn)
        .await?;
    rows.reverse();
    let words = |row: &checkins::Model| match key {
        Some(key) => detail(row, key),
        None => Ok(Detail::default()),
    };
    rows.into_iter().map(|row| words(&row).map(|detail| with_words(row, detail))).collect()
}

/// Changes a check-in that is still at `version`, else 412. What it calls for only now raises its alert now.
pub async fn update(
    tx: &WriteTx,
    (patient, clinic): (PatientId, ClinicId),
    key: &DataKey,
    (id, version): (CheckinId, i32),
    patch: CheckinPatch,
) -> ApiResult<checkins::Model> {
    let row = find(tx.conn(), patient, id).await?;
    if row.version != version {
        return Err(ApiError::stale());
    }
    let detail = rules::patched(detail(&row, key)?, &patch);
    let mut changed = checkins::Model {
        version: version + 1,
        sync_seq: tx.sync_seq(),
        mood: patch.mood.unwrap_or(row.mood),
        anxiety: patch.anxiety.apply(row.anxiety),
        energy: patch.energy.apply(row.energy),
        sleep_hours: patch.sleep_hours.apply(row.sleep_hours),
        detail_sealed: seal(key, id, &detail),
        updated_at: tx.now(),
        ..row
    };
    // Once raised it stays: a later edit does not take an alert back.
    changed.flagged |= calls::judge(tx, (patient, clinic), &changed, &detail).await?;
    Ok(checkins::ActiveModel::from(changed).reset_all().update(tx.conn()).await?)
}

/// Deletes a check-in that is still at `version` and leaves a tombstone for devices that are offline.
pub async fn delete(tx: &WriteTx, patient: PatientId, id: CheckinId, version: i32) -> ApiResult<()> {
    let row = find(tx.conn(), patient, id).await?;
    if row.version != version {
        return Err(ApiError::stale());
    }
    checkins::Entity::delete_by_id((patient, id)).exec(tx.conn()).await?;
    crate::sync::bury(tx, patient, "checkins", id).await
}
