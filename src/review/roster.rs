//! Everybody in a therapist's care, read with a fixed number of statements.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use entity::{
    ids::{AccountId, PatientId},
    session_readiness, sessions,
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QuerySelect, Statement,
};

use super::dto::{NextAppointment, OpenAlerts, PatientGlance, UnrecordedSession};
use crate::{
    accounts::SealedName,
    alerts::rank,
    app::AppState,
    error::ApiResult,
    journal::readable,
    reminders::{reachable, rules::session::RECORD_EXPECTED_WITHIN},
    sessions::readiness_items,
};

/// More patients than one therapist has.
const MOST: i64 = 500;

/// The member `$1`'s open relations with patients whose accounts are open.
const MINE: &str = "care_relations r JOIN accounts a ON a.id = r.patient_id AND a.state = 'active'";

#[derive(FromQueryResult)]
struct Row {
    patient_id: PatientId,
    started_at: DateTime<Utc>,
    #[sea_orm(nested)]
    name: SealedName,
    last_checkin_at: Option<DateTime<Utc>>,
}

#[derive(FromQueryResult)]
struct Waiting {
    patient_id: PatientId,
    entries: i64,
}

#[derive(FromQueryResult)]
struct Alerts {
    patient_id: PatientId,
    level: String,
    alerts: i64,
}

/// The whole roster of a member, sorted.
pub async fn load(
    app: &AppState,
    conn: &impl ConnectionTrait,
    me: AccountId,
    now: DateTime<Utc>,
) -> ApiResult<Vec<PatientGlance>> {
    let rows = people(conn, me).await?;
    let ids: Vec<PatientId> = rows.iter().map(|row| row.patient_id).collect();
    let reach = reachable(conn, &ids, now).await?;
    let unreviewed = unreviewed(conn, me, now).await?;
    let mut alerts = open_alerts(conn, me).await?;
    let mut next = next_sessions(conn, me, now).await?;
    let mut unrecorded = unrecorded_sessions(conn, me, now).await?;
    let mut items = Vec::with_capacity(rows.len());
    for row in rows {
        let (_key, display_name) = row.name.of_patient(&app.vault, row.patient_id)?;
        items.push(PatientGlance {
            patient_id: row.patient_id,
            display_name,
            since: row.started_at,
            last_checkin_at: row.last_checkin_at,
            unreviewed: unreviewed.get(&row.patient_id).copied().unwrap_or_default(),
            open_alerts: alerts.remove(&row.patient_id),
            next_session: next.remove(&row.patient_id),
            unrecorded_sessions: unrecorded.remove(&row.patient_id).unwrap_or_default(),
            reachable_by_push: reach.get(&row.patient_id).is_some_and(|reach| reach.is_reachable()),
        });
    }
    items.sort_by_cached_key(|item| {
        let grave = item.open_alerts.as_ref().map(|alerts| rank(&alerts.level));
        let starts_at = item.next_session.as_ref().map_or(DateTime::<Utc>::MAX_UTC, |next| next.starts_at);
        (std::cmp::Reverse(grave), starts_at, item.display_name.to_lowercase(), item.patient_id)
    });
    Ok(items)
}

async fn people(conn: &impl ConnectionTrait, me: AccountId) -> ApiResult<Vec<Row>> {
    let sql = format!(
        "SELECT r.patient_id, r.started_at, a.name_sealed, k.kek_id, k.generation, k.wrapped, \
         (SELECT c.taken_at FROM checkins c WHERE c.patient_id = r.patient_id \
         ORDER BY c.taken_at DESC, c.id DESC LIMIT 1) AS last_checkin_at FROM {MINE} \
         JOIN data_keys k ON k.owner_kind = 'patient' AND k.owner_id = r.patient_id \
         WHERE r.member_id = $1 AND r.ended_at IS NULL ORDER BY r.started_at DESC, r.patient_id LIMIT $2"
    );
    let values = [me.0.into(), MOST.into()];
    let statement = Statement::from_sql_and_values(conn.get_database_backend(), sql, values);
    Ok(Row::find_by_statement(statement).all(conn).await?)
}

async fn unreviewed(
    conn: &impl ConnectionTrait,
    me: AccountId,
    now: DateTime<Utc>,
) -> ApiResult<HashMap<PatientId, i64>> {
    let sql = format!(
        "SELECT s.patient_id, COUNT(*) AS entries FROM {} \
         WHERE s.member_id = $1 AND s.reviewed_at IS NULL GROUP BY s.patient_id",
        readable("$2")
    );
    let values = [me.0.into(), now.into()];
    let statement = Statement::from_sql_and_values(conn.get_database_backend(), sql, values);
    let rows = Waiting::find_by_statement(statement).all(conn).await?;
    Ok(rows.into_iter().map(|row| (row.patient_id, row.entries)).collect())
}

async fn open_alerts(
    conn: &impl ConnectionTrait,
    me: AccountId,
) -> ApiResult<HashMap<PatientId, OpenAlerts>> {
    let sql = "SELECT r.patient_id, o.level, COUNT(*) AS alerts FROM care_relations r \
         JOIN alerts o ON o.patient_id = r.patient_id AND o.acknowledged_at IS NULL \
         WHERE r.member_id = $1 AND r.ended_at IS NULL GROUP BY r.patient_id, o.level";
    let statement = Statement::from_sql_and_values(conn.get_database_backend(), sql, [me.0.into()]);
    let mut open: HashMap<PatientId, OpenAlerts> = HashMap::new();
    for row in Alerts::find_by_statement(statement).all(conn).await? {
        let known = open.entry(row.patient_id).or_insert(OpenAlerts { count: 0, level: row.level.clone() });
        known.count += row.alerts;
        if rank(&row.level) > rank(&known.level) {
            known.level = row.level;
        }
    }
    Ok(open)
}

/// The session that is under way or comes next of each patient, with what is ticked off.
async fn next_sessions(
    conn: &impl ConnectionTrait,
    me: AccountId,
    now: DateTime<Utc>,
) -> ApiResult<HashMap<PatientId, NextAppointment>> {
    let sql = "SELECT s.* FROM care_relations r JOIN sessions s ON s.patient_id = r.patient_id \
         AND s.id = (SELECT n.id FROM sessions n WHERE n.patient_id = r.patient_id \
         AND n.state IN ('planned','started') AND n.ends_at > $2 ORDER BY n.starts_at, n.id LIMIT 1) \
         WHERE r.member_id = $1 AND r.ended_at IS NULL";
    let values = [me.0.into(), now.into()];
    let statement = Statement::from_sql_and_values(conn.get_database_backend(), sql, values);
    let rows = sessions::Model::find_by_statement(statement).all(conn).await?;
    let done = ticked(conn, &rows).await?;
    Ok(rows.into_iter().map(|row| (row.patient_id, appointment(&row, me, &done))).collect())
}

/// Sessions that should have been recorded by now, earliest first.
async fn unrecorded_sessions(
    conn: &impl ConnectionTrait,
    me: AccountId,
    now: DateTime<Utc>,
) -> ApiResult<HashMap<PatientId, Vec<UnrecordedSession>>> {
    let sql = "SELECT s.patient_id, s.id, s.kind, s.state, s.starts_at, s.ends_at FROM care_relations r \
         JOIN sessions s ON s.patient_id = r.patient_id AND s.state IN ('planned','started') \
         AND s.ends_at <= $2 WHERE r.member_id = $1 AND r.ended_at IS NULL ORDER BY s.ends_at, s.id LIMIT $3";
    let values = [me.0.into(), (now - RECORD_EXPECTED_WITHIN).into(), MOST.into()];
    let statement = Statement::from_sql_and_values(conn.get_database_backend(), sql, values);
    let mut found: HashMap<PatientId, Vec<UnrecordedSession>> = HashMap::new();
    for row in UnrecordedSession::find_by_statement(statement).all(conn).await? {
        found.entry(row.patient_id).or_default().push(row);
    }
    Ok(found)
}

/// The items that are ticked off for each of these sessions.
async fn ticked(
    conn: &impl ConnectionTrait,
    rows: &[sessions::Model],
) -> ApiResult<HashMap<PatientId, Vec<String>>> {
    use session_readiness::Column::{Done, Item, PatientId as Owner, SessionId};
    let found: Vec<(PatientId, String)> = session_readiness::Entity::find()
        .select_only()
        .columns([Owner, Item])
        .filter(Owner.is_in(rows.iter().map(|row| row.patient_id)))
        .filter(SessionId.is_in(rows.iter().map(|row| row.id)))
        .filter(Done.eq(true))
        .into_tuple()
        .all(conn)
        .await?;
    let mut done: HashMap<PatientId, Vec<String>> = HashMap::new();
    for (patient, item) in found {
        done.entry(patient).or_default().push(item);
    }
    Ok(done)
}

fn appointment(
    row: &sessions::Model,
    me: AccountId,
    done: &HashMap<PatientId, Vec<String>>,
) -> NextAppointment {
    let ticked = done.get(&row.patient_id);
    let items = || readiness_items(&row.kind, &row.location, row.route.as_deref());
    NextAppointment {
        id: row.id,
        kind: row.kind.clone(),
        state: row.state.clone(),
        starts_at: row.starts_at,
        with_me: row.member_id == me,
        readiness_done: items().filter(|item| ticked.is_some_and(|done| done.contains(&item.id))).count(),
        readiness_items: items().count(),
    }
}
