//! Requests as staff reach them: a coordinator those of the clinic's patients, a therapist those of patients in their
//! care, nobody those of a patient whose care by the clinic has ended.

use chrono::{DateTime, Utc};
use entity::{
    ids::{AccountId, SessionId, SessionRequestId},
    session_requests::Model,
    sessions,
};
use sea_orm::{ConnectionTrait, FromQueryResult, QueryResult, Statement, Value};

use super::{
    super::{
        overlaps::{Slot, refuse_taken},
        queries as session_rows,
    },
    dto::{
        PatientSessionRequest, RequestKind, RequestState, RequestedSession, SessionOffer, SessionOfferCreate,
    },
    queries::{self, Kept, Keys},
    rules,
};
use crate::{
    accounts::{Caller, Capability, SealedName},
    app::AppState,
    audit::Event,
    db::{WriteTx, Writing},
    error::{ApiError, ApiResult},
    page::Page,
    reminders,
    vault::DataKey,
};

/// A request with its patient.
pub struct Found {
    pub row: Model,
    pub key: DataKey,
    name: String,
    zone: String,
    session: Option<RequestedSession>,
}

#[derive(FromQueryResult)]
struct Rest {
    #[sea_orm(nested)]
    name: SealedName,
    patient_zone: String,
    #[sea_orm(nested)]
    session: About,
}

/// The session that a request is about, if it is about one.
#[derive(FromQueryResult)]
struct About {
    session_kind: Option<String>,
    session_location: Option<String>,
    session_state: Option<String>,
    session_starts_at: Option<DateTime<Utc>>,
    session_ends_at: Option<DateTime<Utc>>,
    session_member_id: Option<AccountId>,
}

const REACHED: &str = "SELECT r.*, a.name_sealed, a.zone AS patient_zone, k.kek_id, k.generation, k.wrapped, \
     s.kind AS session_kind, s.location AS session_location, s.state AS session_state, \
     s.starts_at AS session_starts_at, s.ends_at AS session_ends_at, s.member_id AS session_member_id \
     FROM session_requests r JOIN accounts a ON a.id = r.patient_id AND a.state = 'active' \
     JOIN data_keys k ON k.owner_kind = 'patient' AND k.owner_id = r.patient_id \
     LEFT JOIN sessions s ON s.patient_id = r.patient_id AND s.id = r.session_id \
     WHERE r.clinic_id = $1 AND EXISTS (SELECT 1 FROM care_relations c WHERE c.patient_id = r.patient_id \
     AND c.clinic_id = r.clinic_id AND c.ended_at IS NULL AND (c.member_id = $2 OR $3))";

async fn reach(
    app: &AppState,
    conn: &impl ConnectionTrait,
    me: &Caller,
    rest: &str,
    values: Vec<Value>,
) -> ApiResult<Vec<Found>> {
    let everybody = me.capabilities().has(Capability::Coordinator);
    let mut all: Vec<Value> = vec![me.clinic.0.into(), me.account.0.into(), everybody.into()];
    all.extend(values);
    let sql = format!("{REACHED} {rest}");
    let statement = Statement::from_sql_and_values(conn.get_database_backend(), sql, all);
    let rows = conn.query_all_raw(statement).await?;
    rows.iter().map(|row| found(app, row)).collect()
}

fn found(app: &AppState, row: &QueryResult) -> ApiResult<Found> {
    let (row, rest) = (Model::from_query_result(row, "")?, Rest::from_query_result(row, "")?);
    let (key, name) = rest.name.of_patient(&app.vault, row.patient_id)?;
    Ok(Found { row, key, name, zone: rest.patient_zone, session: rest.session.requested() })
}

impl About {
    fn requested(self) -> Option<RequestedSession> {
        Some(RequestedSession {
            kind: self.session_kind?,
            location: self.session_location?,
            state: self.session_state?,
            starts_at: self.session_starts_at?,
            ends_at: self.session_ends_at?,
            member_id: self.session_member_id?,
        })
    }
}

impl Found {
    /// All of it but the patient's note.
    pub fn view(self, clinic: &DataKey, now: DateTime<Utc>) -> ApiResult<PatientSessionRequest> {
        let (patient_id, has_note) = (self.row.patient_id, self.row.note_sealed.is_some());
        let request = queries::view(self.row, Keys { patient: &self.key, clinic }, now)?;
        let (display_name, session) = (self.name, self.session);
        Ok(PatientSessionRequest { request, patient_id, display_name, has_note, session })
    }

    /// A write about the patient on behalf of a member of staff.
    pub fn writing<'a>(&self, me: &'a Caller) -> Writing<'a> {
        Writing { patient: Some(self.row.patient_id), ..me.writing() }
    }
}

/// One page of what waits, newest first.
pub async fn list(
    app: &AppState,
    conn: &impl ConnectionTrait,
    me: &Caller,
    page: &Page,
) -> ApiResult<Vec<Found>> {
    let (after, limit) = page.bounds();
    let rest = "AND r.state IN ('open', 'offered') AND (r.created_at, r.id) < ($4, $5) \
         ORDER BY r.created_at DESC, r.id DESC LIMIT $6";
    reach(app, conn, me, rest, vec![after.at.into(), after.id.into(), limit.into()]).await
}

/// One request, 404 unless the member of staff reaches it.
pub async fn find(
    app: &AppState,
    conn: &impl ConnectionTrait,
    me: &Caller,
    id: SessionRequestId,
) -> ApiResult<Found> {
    reach(app, conn, me, "AND r.id = $4", vec![id.0.into()]).await?.pop().ok_or(ApiError::NotFound)
}

/// Under the patient's lock: the request that is at `version` and still waits, else 404, 412 or 409.
async fn waiting(
    app: &AppState,
    tx: &WriteTx,
    me: &Caller,
    (id, version): (SessionRequestId, i32),
) -> ApiResult<Found> {
    let found = find(app, tx.conn(), me, id).await?;
    if found.row.version != version {
        return Err(ApiError::stale());
    }
    rules::answerable(queries::state_of(&found.row, tx.now()))?;
    Ok(found)
}

/// Offers times, instead of what was offered before.
pub async fn offer(
    app: &AppState,
    tx: &WriteTx,
    (me, clinic): (&Caller, &DataKey),
    at: (SessionRequestId, i32),
    input: SessionOfferCreate,
) -> ApiResult<PatientSessionRequest> {
    let found = waiting(app, tx, me, at).await?;
    let session = session_of(tx, &found.row).await?;
    let with_me = me.capabilities().has(Capability::Therapist).then_some(me.account);
    let kind = RequestKind::parse(&found.row.kind);
    let offer = rules::offer(kind, session.as_ref(), with_me, &input, tx.now())?;
    refuse_impossible(tx, &found.row, session.as_ref(), &offer).await?;
    let kept = Kept {
        was: session.map(|session| session.starts_at),
        message: input.message,
        zone: me.zone.clone(),
        offer: Some(offer),
    };
    tx.audit(Event::new("requests.offer", found.row.patient_id, format!("session_requests/{}", at.0)));
    let row = queries::answer(tx, &found.row, (me.account, clinic), RequestState::Offered, &kept).await?;
    reminders::withdraw_offers(tx, row.patient_id, row.id).await?;
    reminders::announce_answer(tx, row.patient_id, &found.zone, (row.id, row.version)).await?;
    Found { row, ..found }.view(clinic, tx.now())
}

async fn session_of(tx: &WriteTx, row: &Model) -> ApiResult<Option<sessions::Model>> {
    let Some(id) = row.session_id else { return Ok(None) };
    let session = session_rows::find(tx.conn(), row.patient_id, id).await?;
    queries::planned(&session)?;
    Ok(Some(session))
}

/// A time that is taken cannot be offered, nor somebody who does not care for the patient.
async fn refuse_impossible(
    tx: &WriteTx,
    row: &Model,
    session: Option<&sessions::Model>,
    offer: &SessionOffer,
) -> ApiResult<()> {
    if session.is_none() && !queries::in_care(tx.conn(), row.patient_id, offer.member_id).await? {
        let detail = "is nobody of this patient's care team";
        return Err(ApiError::invalid_field("/member_id", "not_in_care", detail));
    }
    let slots: Vec<Slot> = offer
        .times
        .iter()
        .map(|time| Slot {
            id: session.map_or(SessionId(row.id.0), |session| session.id),
            starts_at: time.starts_at,
            ends_at: time.ends_at,
            group_id: session.and_then(|session| session.group_id),
            key: session.and_then(|session| session.plan_key.clone()),
            pointer: "/times",
        })
        .collect();
    refuse_taken(tx, row.patient_id, offer.member_id, &slots).await
}

/// Answers in words that it cannot be.
pub async fn decline(
    app: &AppState,
    tx: &WriteTx,
    (me, clinic): (&Caller, &DataKey),
    at: (SessionRequestId, i32),
    message: String,
) -> ApiResult<PatientSessionRequest> {
    let found = waiting(app, tx, me, at).await?;
    let kept = Kept { message: Some(message), ..Kept::default() };
    tx.audit(Event::new("requests.decline", found.row.patient_id, format!("session_requests/{}", at.0)));
    let row = queries::answer(tx, &found.row, (me.account, clinic), RequestState::Declined, &kept).await?;
    reminders::withdraw_offers(tx, row.patient_id, row.id).await?;
    reminders::announce_answer(tx, row.patient_id, &found.zone, (row.id, row.version)).await?;
    Found { row, ..found }.view(clinic, tx.now())
}
