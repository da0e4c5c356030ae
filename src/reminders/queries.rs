//! Rows of standing reminders. The owner is part of every predicate.

use chrono::{DateTime, Utc};
use entity::{
    ids::{AccountId, PatientId, ReminderId},
    reminders,
};
use sea_orm::{ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, Set};
use serde::{Deserialize, Serialize};

use super::{
    dto::{NextOccurrence, Reminder, ReminderCreate, ReminderPatch, Schedule},
    rules::{localtime::Zone, recurrence::Recurrence},
    standing::template_of,
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
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

/// Whether the care team set it, by hand or with a plan, and the patient has not written other words since.
pub fn set_by_care_team(row: &reminders::Model) -> bool {
    row.set_by.0 != row.patient_id.0
}

/// For whom a reminder is put into words.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    pub key: &'a DataKey,
    /// The patient's.
    pub zone: &'a str,
    pub locale: &'a str,
}

/// The reminder as it is read, with its next five occurrences. One of the content has its words until the patient
/// writes others.
pub fn view(row: reminders::Model, reader: Reader<'_>, now: DateTime<Utc>) -> ApiResult<Reminder> {
    let zone = Zone::parse(reader.zone).map_err(ApiError::internal)?;
    let (mut words, rule) = (words(&row, reader.key)?, recurrence(&row)?);
    let by_care_team = set_by_care_team(&row);
    let comes = row.active && row.rested_at.is_none();
    let coming = if comes { rule.next_n(now, &zone, 5) } else { Vec::new() };
    if let Some((title, body)) = template_of(&row).map(|template| template.text(reader.locale)) {
        words.title = words.title.or_else(|| Some(title.to_owned()));
        words.body = words.body.or_else(|| Some(body.to_owned()));
    }
    Ok(Reminder {
        id: row.id,
        version: row.version,
        category: row.category,
        schedule: Schedule::from(&rule),
        title: words.title,
        body: words.body,
        active: row.active,
        template_id: row.template_id,
        rested_at: row.rested_at,
        set_by_care_team: by_care_team,
        next: coming
            .into_iter()
            .map(|next| NextOccurrence { at: next.due, local: next.local.to_string() })
            .collect(),
        created_at: row.created_at,
        updated_at: row.updated_at,
    })
}

/// Inserts a reminder that `by` sets; 409 when there are too many.
pub async fn insert(
    tx: &WriteTx,
    patient: PatientId,
    key: &DataKey,
    (id, by): (ReminderId, AccountId),
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
        set_by: by,
        created_at: tx.now(),
        updated_at: tx.now(),
        template_id: None,
        unanswered: 0,
        rested_at: None,
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
        .all(conn)
        .await?)
}

/// Changes a reminder that is still at `version`, on behalf of `by`, else 412.
pub async fn update(
    tx: &WriteTx,
    patient: PatientId,
    key: &DataKey,
    (id, version, by): (ReminderId, i32, AccountId),
    patch: ReminderPatch,
) -> ApiResult<reminders::Model> {
    let row = find(tx.conn(), patient, id).await?;
    if row.version != version {
        return Err(ApiError::stale());
    }
    let before = words(&row, key)?;
    // Its answer to the question whether it shall go on, or a new beginning.
    let wakes = patch.active.is_some() || patch.schedule.is_some();
    let words = before.clone();
    let after = Words { title: patch.title.apply(words.title), body: patch.body.apply(words.body) };
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
        // Words are their author's: what a patient writes into a rule of the care team, the team no longer reads.
        set_by: Set(if after == before { row.set_by } else { by }),
        updated_at: Set(tx.now()),
        unanswered: Set(if wakes { 0 } else { row.unanswered }),
        rested_at: Set(row.rested_at.filter(|_| !wakes)),
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
