//! Rows of requests, as their patient has them. The patient is part of every predicate.

use chrono::{DateTime, Utc};
use entity::{
    ids::{AccountId, ClinicId, PatientId, SessionId, SessionRequestId},
    session_requests::{self, Column, Model},
    sessions,
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    Set, Statement,
};
use serde::{Deserialize, Serialize};

use super::{
    super::queries as session_rows,
    dto::{RequestKind, RequestState, SessionOffer, SessionRequest, SessionRequestCreate},
    rules,
};
use crate::{
    db::WriteTx,
    error::{ApiError, ApiResult},
    page::Page,
    reminders::{rules::session::SessionState, session_state},
    vault::{DataKey, Place},
};

/// Most requests that wait at a time.
const MOST_OPEN: u64 = 10;

const OPEN: [&str; 2] = [RequestState::Open.as_str(), RequestState::Offered.as_str()];

/// What the clinic answered: sealed with the clinic's key, because whoever answers has no other.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Kept {
    #[serde(default)]
    pub offer: Option<SessionOffer>,
    #[serde(default)]
    pub message: Option<String>,
    /// When the session began, as the offer was made.
    #[serde(default)]
    pub was: Option<DateTime<Utc>>,
    /// The zone of whoever offered: what a new session is planned in.
    #[serde(default)]
    pub zone: String,
}

fn preferred_place(id: SessionRequestId) -> Place {
    Place::new("session_requests", "preferred_sealed", id)
}

fn note_place(id: SessionRequestId) -> Place {
    Place::new("session_requests", "note_sealed", id)
}

fn answer_place(id: SessionRequestId) -> Place {
    Place::new("session_requests", "answer_sealed", id)
}

/// Where a request stands now.
pub fn state_of(row: &Model, now: DateTime<Utc>) -> RequestState {
    RequestState::parse(&row.state, row.offer_expires_at, now)
}

/// The clinic's answer, if there is one.
pub fn kept(row: &Model, clinic: &DataKey) -> ApiResult<Kept> {
    let sealed = row.answer_sealed.as_ref();
    Ok(sealed.map(|sealed| clinic.open_json(answer_place(row.id), sealed)).transpose()?.unwrap_or_default())
}

/// The keys that open a request.
#[derive(Clone, Copy)]
pub struct Keys<'a> {
    pub patient: &'a DataKey,
    pub clinic: &'a DataKey,
}

/// A request for whoever may read all of it but the note.
pub fn view(row: Model, keys: Keys<'_>, now: DateTime<Utc>) -> ApiResult<SessionRequest> {
    let kept = kept(&row, keys.clinic)?;
    Ok(SessionRequest {
        id: row.id,
        version: row.version,
        kind: RequestKind::parse(&row.kind),
        state: state_of(&row, now),
        session_id: row.session_id,
        preferred: keys.patient.open_json(preferred_place(row.id), &row.preferred_sealed)?,
        note: None,
        offer: kept.offer,
        message: kept.message,
        answered_at: row.answered_at,
        created_at: row.created_at,
        updated_at: row.updated_at,
    })
}

/// The patient's own words.
pub fn note(row: &Model, key: &DataKey) -> ApiResult<Option<String>> {
    let sealed = row.note_sealed.as_ref();
    Ok(sealed.map(|sealed| key.open_text(note_place(row.id), sealed)).transpose()?)
}

/// A request with its note.
pub fn view_with_note(row: Model, keys: Keys<'_>, now: DateTime<Utc>) -> ApiResult<SessionRequest> {
    let note = note(&row, keys.patient)?;
    Ok(SessionRequest { note, ..view(row, keys, now)? })
}

/// A page, newest first: those to the clinic that the patient belongs to.
pub async fn list(
    conn: &impl ConnectionTrait,
    (patient, clinic): (PatientId, ClinicId),
    page: &Page,
) -> ApiResult<Vec<Model>> {
    let query = session_requests::Entity::find()
        .filter(Column::PatientId.eq(patient))
        .filter(Column::ClinicId.eq(clinic));
    Ok(page.newest_first(query, Column::CreatedAt, Column::Id).all(conn).await?)
}

/// What a patient asks a clinic for and still waits, the oldest first; without notes.
pub async fn all_open(
    conn: &impl ConnectionTrait,
    (patient, clinic): (PatientId, ClinicId),
    keys: Keys<'_>,
    now: DateTime<Utc>,
) -> ApiResult<Vec<SessionRequest>> {
    let rows = session_requests::Entity::find()
        .filter(Column::PatientId.eq(patient))
        .filter(Column::ClinicId.eq(clinic))
        .filter(Column::State.is_in(OPEN))
        .order_by_asc(Column::Id)
        .all(conn)
        .await?;
    rows.into_iter().map(|row| view(row, keys, now)).collect()
}

/// One request, 404 unless it is the patient's.
pub async fn find(
    conn: &impl ConnectionTrait,
    (patient, clinic): (PatientId, ClinicId),
    id: SessionRequestId,
) -> ApiResult<Model> {
    let row = session_requests::Entity::find_by_id((patient, id)).one(conn).await?;
    row.filter(|row| row.clinic_id == clinic).ok_or(ApiError::NotFound)
}

/// Keeps what the patient asks for.
pub async fn insert(
    tx: &WriteTx,
    (patient, clinic): (PatientId, ClinicId),
    key: &DataKey,
    input: SessionRequestCreate,
) -> ApiResult<Model> {
    rules::check_preferred(&input.preferred, tx.now())?;
    refuse_too_many(tx, patient, input.session_id).await?;
    if let Some(session) = input.session_id {
        let row = session_rows::find(tx.conn(), patient, session).await.map_err(|error| match error {
            ApiError::NotFound => {
                ApiError::invalid_field("/session_id", "unknown_session", "is none of your sessions")
            }
            error => error,
        })?;
        planned(&row)?;
    }
    let id = SessionRequestId(tx.new_id());
    let row = Model {
        patient_id: patient,
        id,
        version: 1,
        clinic_id: clinic,
        kind: input.kind.as_str().to_owned(),
        session_id: input.session_id,
        preferred_sealed: key.seal_json(preferred_place(id), &input.preferred),
        note_sealed: input.note.map(|note| key.seal_text(note_place(id), &note)),
        state: RequestState::Open.as_str().to_owned(),
        answer_sealed: None,
        offer_expires_at: None,
        answered_by: None,
        answered_at: None,
        created_at: tx.now(),
        updated_at: tx.now(),
    };
    let active: session_requests::ActiveModel = row.clone().into();
    session_requests::Entity::insert(active.reset_all()).exec_without_returning(tx.conn()).await?;
    Ok(row)
}

/// 409 unless the session is still to come.
pub fn planned(row: &sessions::Model) -> ApiResult<()> {
    let state = session_state(row);
    if state == SessionState::Planned {
        return Ok(());
    }
    let detail = format!("The session is {}; that can no longer be done with it.", state.as_str());
    Err(ApiError::conflict("wrong_session_state", detail))
}

async fn refuse_too_many(tx: &WriteTx, patient: PatientId, session: Option<SessionId>) -> ApiResult<()> {
    let open = session_requests::Entity::find()
        .filter(Column::PatientId.eq(patient))
        .filter(Column::State.is_in(OPEN));
    if open.clone().count(tx.conn()).await? >= MOST_OPEN {
        let detail = "So many requests wait for an answer already. Withdraw one first.";
        return Err(ApiError::conflict("too_many_requests", detail));
    }
    let Some(session) = session else { return Ok(()) };
    if open.filter(Column::SessionId.eq(session)).one(tx.conn()).await?.is_none() {
        return Ok(());
    }
    let detail = "Another request about this session waits for an answer. Withdraw that one first.";
    Err(ApiError::conflict("already_requested", detail))
}

/// Takes a request back; one that is withdrawn already stays so.
pub async fn withdraw(tx: &WriteTx, row: Model) -> ApiResult<()> {
    let state = state_of(&row, tx.now());
    if state == RequestState::Withdrawn {
        return Ok(());
    }
    rules::answerable(state)?;
    settle(tx, &row, RequestState::Withdrawn, row.session_id).await.map(drop)
}

/// Ends a request as the patient decided.
pub async fn settle(
    tx: &WriteTx,
    row: &Model,
    state: RequestState,
    session: Option<SessionId>,
) -> ApiResult<Model> {
    let change = session_requests::ActiveModel {
        patient_id: Set(row.patient_id),
        id: Set(row.id),
        version: Set(row.version + 1),
        state: Set(state.as_str().to_owned()),
        session_id: Set(session),
        updated_at: Set(tx.now()),
        ..Default::default()
    };
    Ok(change.update(tx.conn()).await?)
}

/// Notes what the clinic answers.
pub async fn answer(
    tx: &WriteTx,
    row: &Model,
    (me, key): (AccountId, &DataKey),
    state: RequestState,
    kept: &Kept,
) -> ApiResult<Model> {
    let change = session_requests::ActiveModel {
        patient_id: Set(row.patient_id),
        id: Set(row.id),
        version: Set(row.version + 1),
        state: Set(state.as_str().to_owned()),
        answer_sealed: Set(Some(key.seal_json(answer_place(row.id), kept))),
        offer_expires_at: Set(kept.offer.as_ref().map(|offer| offer.expires_at)),
        answered_by: Set(Some(me)),
        answered_at: Set(Some(tx.now())),
        updated_at: Set(tx.now()),
        ..Default::default()
    };
    Ok(change.update(tx.conn()).await?)
}

/// Whether a member of staff takes part in the patient's care now.
pub async fn in_care(conn: &impl ConnectionTrait, patient: PatientId, member: AccountId) -> ApiResult<bool> {
    let statement = Statement::from_sql_and_values(
        conn.get_database_backend(),
        "SELECT 1 AS one FROM care_relations WHERE patient_id = $1 AND member_id = $2 AND ended_at IS NULL",
        [patient.0.into(), member.0.into()],
    );
    Ok(conn.query_one_raw(statement).await?.is_some())
}
