//! Asking staff for the record of a session: without it nobody knows whether what follows a session applies, so it waits.

use chrono::{DateTime, Duration, Utc};
use entity::{
    ids::{AccountId, ClinicId, PatientId, SessionId},
    notifications::{self, Column},
    sessions,
};
use sea_orm::{ColumnTrait, EntityTrait, FromQueryResult, Statement, sea_query::ExprTrait};
use uuid::Uuid;

use super::{
    RECORD,
    comments::{cancel, note},
    facts::session_state,
    insert::insert,
    planner::row_of,
    rules::{
        policy::Reason,
        session::{RECORD_EXPECTED_WITHIN, SessionState},
    },
};
use crate::{accounts::treats, app::AppState, db::WriteTx, error::ApiResult};

/// Older ones are not asked for any more; the roster still shows them.
const ASKED_WITHIN: Duration = Duration::days(14);

/// Sessions whose end has long passed, whose therapist still has the patient in care and was not asked since.
fn without_record() -> String {
    format!(
        "SELECT s.patient_id, s.id, s.ends_at, s.member_id, m.zone, a.clinic_id FROM sessions s \
         JOIN accounts a ON a.id = s.patient_id AND a.state = 'active' \
         JOIN accounts m ON m.id = s.member_id AND m.state = 'active' AND {} \
         WHERE s.patient_id > $1 AND s.patient_id <= $2 AND s.state IN ('planned','started') \
         AND s.ends_at > $3 AND s.ends_at <= $4 AND EXISTS (SELECT 1 FROM care_relations r \
         WHERE r.patient_id = s.patient_id AND r.member_id = s.member_id AND r.ended_at IS NULL) \
         AND NOT EXISTS (SELECT 1 FROM notifications n WHERE n.recipient_id = s.member_id \
         AND n.origin_id = s.id AND n.origin_kind = 'record' AND n.due_at >= s.ends_at)",
        treats("m")
    )
}

/// One session without a record, and whom to ask.
#[derive(FromQueryResult)]
pub struct Unrecorded {
    pub patient_id: PatientId,
    pub clinic_id: ClinicId,
    id: SessionId,
    ends_at: DateTime<Utc>,
    member_id: AccountId,
    zone: String,
}

/// Those of the patients after `after` up to and with `last`.
pub async fn unrecorded(app: &AppState, after: Uuid, last: Uuid) -> ApiResult<Vec<Unrecorded>> {
    let (conn, now) = (app.db.reader(), app.clock.now());
    let values =
        [after.into(), last.into(), (now - ASKED_WITHIN).into(), (now - RECORD_EXPECTED_WITHIN).into()];
    let statement = Statement::from_sql_and_values(conn.get_database_backend(), without_record(), values);
    Ok(Unrecorded::find_by_statement(statement).all(conn).await?)
}

/// Asks whom the session was with, in the discreet words of every message to staff. Nothing if it was recorded or moved
/// a moment ago, or if another worker asks.
pub async fn ask(tx: &WriteTx, session: &Unrecorded) -> ApiResult<()> {
    let row = sessions::Entity::find_by_id((session.patient_id, session.id)).one(tx.conn()).await?;
    let waits = |row: &sessions::Model| {
        matches!(session_state(row), SessionState::Planned | SessionState::Started)
            && row.ends_at == session.ends_at
    };
    if !row.as_ref().is_some_and(waits) {
        return Ok(());
    }
    let slot = format!("{RECORD}:{}:{}", session.id, session.ends_at.timestamp());
    let planned = note(tx, &session.zone, slot, RECORD)?;
    let row = row_of(session.patient_id, (RECORD, session.id.0), tx.new_id().into(), planned, tx.now());
    insert(tx.conn(), &[notifications::Model { recipient_id: session.member_id, ..row }], tx.now()).await?;
    tx.wake_scheduler();
    Ok(())
}

/// Takes the question back: the session was recorded, or takes place at another time.
pub async fn withdraw_question(tx: &WriteTx, member: AccountId, session: SessionId) -> ApiResult<()> {
    let which = Column::RecipientId.eq(member).and(Column::OriginKind.eq(RECORD));
    cancel(tx, which.and(Column::OriginId.eq(session.0)), Reason::AlreadyDone).await
}
