//! Planning a patient's notifications anew inside the transaction of whatever changed: rows are read once, the rules
//! say what should be there, the daily cap is laid over it, and only the difference is written.

use chrono::{DateTime, Utc};
use entity::{
    ids::{NotificationId, PatientId, SessionId},
    notifications,
};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, Statement};
use uuid::Uuid;

use super::{
    SESSION,
    attention::streaks,
    board::Board,
    dto::SessionReminder,
    facts::{PatientFacts, session_facts},
    queries,
    rules::{
        planned::{Planned, PlannedState},
        policy::Reason,
        session::plan_session,
    },
};
use crate::{db::WriteTx, error::ApiResult};

/// Plans everything that is still to come for a patient. Call it last in a transaction that changed what plans depend
/// on: sessions, rules, zone, policy.
pub async fn replan_patient(tx: &WriteTx, patient: PatientId) -> ApiResult<()> {
    replan(tx, patient).await.map(drop)
}

/// The same, and says what it added to the ledger.
pub async fn replan(tx: &WriteTx, patient: PatientId) -> ApiResult<Vec<notifications::Model>> {
    let facts = PatientFacts::load(tx.conn(), patient, tx.now()).await?;
    let rules = queries::list(tx.conn(), patient).await?;
    if facts.planned_version != facts.timeline_version {
        note_version(tx, patient, facts.timeline_version).await?;
    }
    let mut board = Board::load(tx, patient).await?;
    if !facts.consented {
        board.end_all(Reason::ConsentWithdrawn);
        tx.wake_scheduler();
        return board.write(tx).await;
    }
    for session in &facts.sessions {
        let existing = board.of_origin(session.id.0);
        let seen = session_facts(session, &facts.sessions, &facts.hush);
        let templates = facts.timeline.templates();
        for change in plan_session(templates, tx.now(), &seen, &facts.zone, &facts.policy, &existing) {
            board.apply(change, SESSION, session.id.0);
        }
    }
    board.plan_snoozes(&facts, &rules);
    let streaks = streaks(tx.conn(), rules.iter(), tx.now()).await?;
    board.plan_rules(&rules, &facts, &streaks)?;
    board.cap(&facts);
    board.ask_again();
    tx.wake_scheduler();
    board.write(tx).await
}

/// Notes by which of the clinic's timelines a patient is planned.
async fn note_version(tx: &WriteTx, patient: PatientId, version: i32) -> ApiResult<()> {
    let sql = "UPDATE patients SET timeline_version = $2 WHERE patient_id = $1";
    let values = [patient.0.into(), version.into()];
    let statement = Statement::from_sql_and_values(tx.conn().get_database_backend(), sql, values);
    tx.conn().execute_raw(statement).await?;
    Ok(())
}

/// The row of a planned notification.
pub fn row_of(
    patient: PatientId,
    (origin_kind, origin_id): (&str, Uuid),
    id: NotificationId,
    planned: Planned,
    now: DateTime<Utc>,
) -> notifications::Model {
    let (state, reason) = match planned.state {
        PlannedState::Planned => ("planned", None),
        PlannedState::Suppressed(reason) => ("suppressed", Some(reason.as_str().to_owned())),
    };
    notifications::Model {
        recipient_id: patient.into(),
        id,
        subject_patient_id: patient,
        origin_kind: origin_kind.to_owned(),
        origin_id,
        template_id: planned.template_id,
        category: planned.category,
        priority: planned.priority.as_str().to_owned(),
        routine: planned.routine,
        local_date: planned.local_date,
        slot: planned.slot,
        due_at: planned.due_at,
        expires_at: planned.expires_at,
        state: state.to_owned(),
        reason,
        lease_until: None,
        fence: 0,
        attempts: 0,
        next_attempt_at: planned.due_at,
        accepted_at: None,
        mailed_at: None,
        shown_at: None,
        opened_at: None,
        done_at: None,
        snoozed_at: None,
        created_at: now,
        updated_at: now,
    }
}

/// The reminders around a session that is new, earliest first, out of what planning added.
pub fn of_new_session(session: SessionId, mut added: Vec<notifications::Model>) -> Vec<SessionReminder> {
    added.retain(|row| row.origin_id == session.0);
    added.sort_by_key(|row| (row.due_at, row.id));
    added.into_iter().map(SessionReminder::from).collect()
}

/// The reminders planned around one session, earliest first, as the answer to its change lists them.
pub async fn of_session(
    conn: &impl ConnectionTrait,
    patient: PatientId,
    session: SessionId,
) -> ApiResult<Vec<SessionReminder>> {
    let rows = notifications::Entity::find()
        .filter(notifications::Column::RecipientId.eq(patient.0))
        .filter(notifications::Column::OriginId.eq(session.0))
        .filter(notifications::Column::State.ne("cancelled"))
        .order_by_asc(notifications::Column::DueAt)
        .order_by_asc(notifications::Column::Id)
        .all(conn)
        .await?;
    Ok(rows.into_iter().map(SessionReminder::from).collect())
}
