//! Nobody can be in two sessions at once: neither the patient nor the member of staff, unless it is the same group.

use axum::http::StatusCode;
use chrono::{DateTime, Duration, Utc};
use entity::{
    ids::{AccountId, PatientId, SessionId},
    sessions,
};
use sea_orm::{ConnectionTrait, FromQueryResult, Statement};
use uuid::Uuid;

use crate::{
    db::{
        Engine, WriteTx,
        many::{Cell, Kind, Rows},
    },
    error::{ApiError, ApiResult, FieldError},
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
    if slots.is_empty() {
        return Ok(());
    }
    if tx.engine() == Engine::Postgres {
        let sql = "SELECT id FROM accounts WHERE id = $1 FOR NO KEY UPDATE";
        let backend = tx.conn().get_database_backend();
        tx.conn().query_one_raw(Statement::from_sql_and_values(backend, sql, [member.0.into()])).await?;
    }
    let Some(met) = first_met(tx, patient, member, slots).await? else { return Ok(()) };
    let slot = usize::try_from(met.place).ok().and_then(|place| slots.get(place));
    Err(slot.map_or_else(
        || ApiError::internal("the database names a slot that was not asked about"),
        |slot| refusal(slot, met.of_patient != 0),
    ))
}

const SLOTS: &[(&str, Kind)] = &[
    ("place", Kind::Int),
    ("session", Kind::Uuid),
    ("party", Kind::Uuid),
    ("near", Kind::Time),
    ("starts", Kind::Time),
    ("ends", Kind::Time),
];

/// A slot that is taken, and by whom.
#[derive(FromQueryResult)]
struct Met {
    place: i32,
    of_patient: i32,
}

/// A member is with all of a group at once, and with nobody whose care has ended.
const OF_MEMBER: &str = "s.member_id = $2 AND (w.party IS NULL OR s.group_id IS NULL OR s.group_id <> w.party) \
     AND EXISTS (SELECT 1 FROM care_relations r WHERE r.patient_id = s.patient_id AND r.member_id = $2 \
     AND r.ended_at IS NULL)";

/// The first of the slots that is taken. What moves with the others is where it will be, not where it was. The slots
/// come first in each join, so that every one of them reads its own hours of a calendar and nothing else.
async fn first_met(
    tx: &WriteTx,
    patient: PatientId,
    member: AccountId,
    slots: &[Slot],
) -> ApiResult<Option<Met>> {
    let mut rows = Rows::new(tx.engine(), SLOTS);
    for (place, slot) in (0..).zip(slots) {
        rows.push([
            Cell::Number(place),
            Cell::Uuid(slot.id.0),
            slot.group_id.map_or(Cell::Null, Cell::Uuid),
            Cell::Time(slot.starts_at - LONGEST),
            Cell::Time(slot.starts_at),
            Cell::Time(slot.ends_at),
        ]);
    }
    let (source, texts) = rows.source(3);
    let taken = |whose: &str, of_patient: i32| {
        format!(
            "SELECT w.place, {of_patient} AS of_patient FROM wanted w CROSS JOIN sessions s WHERE {whose} \
             AND s.starts_at > w.near AND s.starts_at < w.ends AND s.ends_at > w.starts \
             AND s.state IN ('planned','started') AND s.id NOT IN (SELECT session FROM wanted)"
        )
    };
    let (of_patient, of_member) = (taken("s.patient_id = $1", 1), taken(OF_MEMBER, 0));
    let sql = format!(
        "WITH wanted AS (SELECT * FROM {source}) \
         SELECT * FROM ({of_patient} UNION ALL {of_member}) AS met ORDER BY place, of_patient DESC LIMIT 1"
    );
    let values = [vec![patient.0.into(), member.0.into()], texts].concat();
    let statement = Statement::from_sql_and_values(tx.conn().get_database_backend(), sql, values);
    Ok(Met::find_by_statement(statement).one(tx.conn()).await?)
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
