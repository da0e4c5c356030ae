//! Nobody can be in two sessions at once: neither the patient nor the member of staff, unless it is the same group.

use axum::http::StatusCode;
use chrono::{DateTime, Duration, Utc};
use entity::{
    ids::{AccountId, PatientId, SessionId},
    sessions::{self, Column},
};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect, Statement};
use uuid::Uuid;

use crate::{
    db::{Engine, WriteTx},
    error::{ApiError, ApiResult, FieldError},
    reminders::rules::session::SessionState,
};

/// Longest session, so that the search begins near the first of them.
const LONGEST: Duration = Duration::hours(12);

/// A time that a session is about to take.
#[derive(Debug, Clone)]
pub struct Slot {
    pub id: SessionId,
    pub starts_at: DateTime<Utc>,
    pub ends_at: DateTime<Utc>,
    pub group_id: Option<Uuid>,
    /// Its name in a plan, for the refusal.
    pub key: Option<String>,
    /// Which field chose the time.
    pub pointer: &'static str,
}

impl Slot {
    pub fn of(row: &sessions::Model, pointer: &'static str) -> Self {
        Self {
            id: row.id,
            starts_at: row.starts_at,
            ends_at: row.ends_at,
            group_id: row.group_id,
            key: row.plan_key.clone(),
            pointer,
        }
    }
}

type Taken = (SessionId, PatientId, DateTime<Utc>, DateTime<Utc>, Option<Uuid>);

/// 409 when a slot meets another session of the patient or of the member. The member's row is locked first, so that
/// two patients who are scheduled at the same moment cannot both get the hour. Two statements, however many slots.
pub async fn refuse_overlaps(
    tx: &WriteTx,
    patient: PatientId,
    member: AccountId,
    slots: &[Slot],
) -> ApiResult<()> {
    refuse_taken(tx, patient, member, slots).await?;
    refuse_among_themselves(slots)
}

/// The same for slots of which only one will be taken.
pub async fn refuse_taken(
    tx: &WriteTx,
    patient: PatientId,
    member: AccountId,
    slots: &[Slot],
) -> ApiResult<()> {
    let starts = slots.iter().map(|slot| slot.starts_at).min();
    let ends = slots.iter().map(|slot| slot.ends_at).max();
    let (Some(starts), Some(ends)) = (starts, ends) else { return Ok(()) };
    if tx.engine() == Engine::Postgres {
        let sql = "SELECT id FROM accounts WHERE id = $1 FOR NO KEY UPDATE";
        let backend = tx.conn().get_database_backend();
        tx.conn().query_one_raw(Statement::from_sql_and_values(backend, sql, [member.0.into()])).await?;
    }
    let open = [SessionState::Planned.as_str(), SessionState::Started.as_str()];
    let taken: Vec<Taken> = sessions::Entity::find()
        .select_only()
        .columns([Column::Id, Column::PatientId, Column::StartsAt, Column::EndsAt, Column::GroupId])
        .filter(Condition::any().add(Column::PatientId.eq(patient)).add(Column::MemberId.eq(member)))
        .filter(Column::State.is_in(open))
        .filter(Column::StartsAt.lt(ends))
        .filter(Column::StartsAt.gt(starts - LONGEST))
        .filter(Column::EndsAt.gt(starts))
        .into_tuple()
        .all(tx.conn())
        .await?;
    // What moves with the others is where it will be, not where it was.
    let others = taken.iter().filter(|(id, ..)| !slots.iter().any(|slot| slot.id == *id));
    for (_, whose, from, to, group) in others {
        let meets = |slot: &&Slot| {
            let same_group = slot.group_id.is_some() && slot.group_id == *group;
            slot.starts_at < *to && *from < slot.ends_at && !same_group
        };
        if let Some(slot) = slots.iter().find(meets) {
            return Err(refusal(slot, *whose == patient));
        }
    }
    Ok(())
}

fn refuse_among_themselves(slots: &[Slot]) -> ApiResult<()> {
    for (index, slot) in slots.iter().enumerate() {
        let meets = |other: &Slot| other.starts_at < slot.ends_at && slot.starts_at < other.ends_at;
        if slots[..index].iter().any(meets) {
            return Err(refusal(slot, true));
        }
    }
    Ok(())
}

fn refusal(slot: &Slot, of_patient: bool) -> ApiError {
    let name = slot.key.as_deref().unwrap_or("The session");
    let at = slot.starts_at.format("%Y-%m-%dT%H:%MZ");
    let (code, detail) = if of_patient {
        (
            "session_overlap",
            format!(
                "{name} at {at} would overlap with another session of the patient. Choose another time, or move that one first."
            ),
        )
    } else {
        (
            "member_overlap",
            format!(
                "{name} at {at} would overlap with a session that the therapist has with somebody else. Choose another time or member_id, or move that one first."
            ),
        )
    };
    let errors = vec![FieldError::new(slot.pointer, code, "is taken; choose another time")];
    ApiError::Refused { status: StatusCode::CONFLICT, code, detail, errors }
}
