//! What planning and sending need to know of a patient, turned from rows into the rules' own types.

use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use entity::{ids::PatientId, sessions};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, Statement,
};

use super::parse_policy;
use super::rules::{
    localtime::Zone,
    policy::{HushWindow, Policy},
    session::{SessionFacts, SessionState},
    timeline::Timeline,
};
use crate::{
    consents,
    error::{ApiError, ApiResult},
};

/// Reminders follow a session by a month at most.
const TAIL: Duration = Duration::days(45);

/// A patient's wall clock, wishes and sessions.
#[derive(Debug)]
pub struct PatientFacts {
    pub zone: Zone,
    pub policy: Policy,
    pub sessions: Vec<sessions::Model>,
    pub hush: Vec<HushWindow>,
    /// What the clinic sends around sessions.
    pub timeline: Arc<Timeline>,
    /// Of the clinic's timeline, and of the one that was planned by last.
    pub timeline_version: i32,
    pub planned_version: i32,
    /// Whether a treatment plan is under way.
    pub active_plan: bool,
    /// Whether anything may be planned at all.
    pub consented: bool,
}

#[derive(FromQueryResult)]
struct Row {
    zone: String,
    policy: Option<String>,
    paused_until: Option<DateTime<Utc>>,
    timeline: Option<String>,
    timeline_version: i32,
    planned_version: i32,
    active_plan: i32,
}

const FACTS: &str = "SELECT a.zone, p.policy, p.paused_until, c.timeline, c.timeline_version, \
     t.timeline_version AS planned_version, CASE WHEN EXISTS (SELECT 1 FROM plans x \
     WHERE x.patient_id = a.id AND x.state = 'active') THEN 1 ELSE 0 END AS active_plan \
     FROM accounts a JOIN clinics c ON c.id = a.clinic_id JOIN patients t ON t.patient_id = a.id \
     LEFT JOIN delivery_policies p ON p.patient_id = a.id WHERE a.id = $1";

impl PatientFacts {
    pub async fn load(
        conn: &impl ConnectionTrait,
        patient: PatientId,
        now: DateTime<Utc>,
    ) -> ApiResult<Self> {
        let statement =
            Statement::from_sql_and_values(conn.get_database_backend(), FACTS, [patient.0.into()]);
        let row = Row::find_by_statement(statement).one(conn).await?.ok_or(ApiError::NotFound)?;
        let sessions = sessions::Entity::find()
            .filter(sessions::Column::PatientId.eq(patient))
            .filter(sessions::Column::EndsAt.gt(now - TAIL))
            .order_by_asc(sessions::Column::StartsAt)
            .all(conn)
            .await?;
        let timeline = Timeline::read(row.timeline.as_deref());
        let hush = hush_windows(&sessions, timeline.hush_margin);
        Ok(Self {
            zone: Zone::parse(&row.zone).map_err(ApiError::internal)?,
            policy: parse_policy(row.policy.as_deref(), row.paused_until),
            sessions,
            hush,
            timeline,
            timeline_version: row.timeline_version,
            planned_version: row.planned_version,
            active_plan: row.active_plan != 0,
            consented: consents::holds(conn, patient, consents::Purpose::Reminders).await?,
        })
    }
}

/// Where a stored session stands.
pub fn session_state(row: &sessions::Model) -> SessionState {
    SessionState::from_word(&row.state).unwrap_or(SessionState::Planned)
}

/// Whether a session was neither cancelled nor missed.
pub fn takes_place(row: &sessions::Model) -> bool {
    !matches!(session_state(row), SessionState::Cancelled | SessionState::NoShow)
}

/// The times in which a patient is left in peace.
pub fn hush_windows(sessions: &[sessions::Model], margin: Duration) -> Vec<HushWindow> {
    sessions
        .iter()
        .filter(|row| row.kind == "dosing" && takes_place(row))
        .map(|row| {
            HushWindow::of_dosing(row.started_at.unwrap_or(row.starts_at), row.ends_at, row.ended_at, margin)
        })
        .collect()
}

/// One session as the rules see it, among the patient's others.
pub fn session_facts(row: &sessions::Model, all: &[sessions::Model], hush: &[HushWindow]) -> SessionFacts {
    let peers = || {
        all.iter().filter(|other| other.id != row.id && takes_place(other) && other.plan_id == row.plan_id)
    };
    let same_kind = || peers().filter(|other| other.kind == row.kind);
    SessionFacts {
        id: row.id.0,
        kind: row.kind.clone(),
        location: row.location.clone(),
        starts_at: row.starts_at,
        ends_at: row.ends_at,
        placement: row.placement,
        state: session_state(row),
        completed_at: row.ended_at,
        is_first_of_kind: !same_kind().any(|other| other.starts_at < row.starts_at),
        is_last_of_kind: !same_kind().any(|other| other.starts_at > row.starts_at),
        next_dosing_start: peers()
            .filter(|other| other.kind == "dosing" && other.starts_at > row.starts_at)
            .map(|other| other.starts_at)
            .min(),
        hush: hush.to_vec(),
    }
}
