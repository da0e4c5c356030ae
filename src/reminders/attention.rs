//! Whether standing rules are still reacted to. A device's receipt raises a cheap count on the rule, a reaction sets it
//! back; only where that count is up are the rows themselves looked at.

use std::collections::HashMap;

use chrono::{DateTime, Duration, Utc};
use entity::{ids::PatientId, notifications, reminders};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, Statement, Value,
};
use uuid::Uuid;

use super::{
    RULE,
    rules::attention::{HALVES_AFTER, Shown, ignored_in_row},
};
use crate::{
    db::{
        Engine,
        many::{Ids, Pairs},
    },
    error::ApiResult,
};

/// Seven occurrences of a weekly rule that comes half as often lie within it.
const LOOKS_BACK: Duration = Duration::days(120);

/// How many occurrences were ignored in a row, by rule.
#[derive(Debug, Default)]
pub struct Streaks(HashMap<(PatientId, Uuid), i32>);

impl Streaks {
    pub fn of(&self, rule: &reminders::Model) -> i32 {
        self.0.get(&(rule.patient_id, rule.id.0)).copied().unwrap_or(0)
    }
}

#[derive(FromQueryResult)]
struct Activity {
    patient_id: PatientId,
    at: DateTime<Utc>,
}

/// How often the last occurrences of these rules were ignored in a row, with two statements, and none while every rule
/// is reacted to.
pub async fn streaks<'a>(
    conn: &impl ConnectionTrait,
    rules: impl Iterator<Item = &'a reminders::Model>,
    now: DateTime<Utc>,
) -> ApiResult<Streaks> {
    let doubtful: Vec<&reminders::Model> = rules.filter(|rule| rule.unanswered >= HALVES_AFTER).collect();
    if doubtful.is_empty() {
        return Ok(Streaks::default());
    }
    let since = now - LOOKS_BACK;
    let activity = activity(conn, &doubtful, since).await?;
    let shown = shown(conn, &doubtful, since).await?;
    let streak = |rule: &&reminders::Model| {
        let key = (rule.patient_id, rule.id.0);
        let seen = shown.get(&key).map(Vec::as_slice).unwrap_or_default();
        let acts = activity.get(&rule.patient_id).map(Vec::as_slice).unwrap_or_default();
        (key, ignored_in_row(seen, acts, now))
    };
    Ok(Streaks(doubtful.iter().map(streak).collect()))
}

async fn shown(
    conn: &impl ConnectionTrait,
    rules: &[&reminders::Model],
    since: DateTime<Utc>,
) -> ApiResult<HashMap<(PatientId, Uuid), Vec<Shown>>> {
    use notifications::Column;
    let rules = rules.iter().map(|rule| (rule.patient_id.0, rule.id.0));
    let rows = notifications::Entity::find()
        .filter(Pairs::new(Engine::of(conn), rules).among("recipient_id", "origin_id"))
        .filter(Column::OriginKind.eq(RULE))
        .filter(Column::DueAt.gt(since))
        .filter(Column::ShownAt.is_not_null())
        .order_by_desc(Column::DueAt)
        .all(conn)
        .await?;
    let mut found: HashMap<_, Vec<Shown>> = HashMap::new();
    for row in rows {
        let Some(shown_at) = row.shown_at else { continue };
        let answered = row.opened_at.is_some() || row.done_at.is_some() || row.snoozed_at.is_some();
        let shown = Shown { shown_at, expires_at: row.expires_at, answered };
        found.entry((row.subject_patient_id, row.origin_id)).or_default().push(shown);
    }
    Ok(found)
}

/// When these patients did something of their own.
async fn activity(
    conn: &impl ConnectionTrait,
    rules: &[&reminders::Model],
    since: DateTime<Utc>,
) -> ApiResult<HashMap<PatientId, Vec<DateTime<Utc>>>> {
    let ids = Ids::new(Engine::of(conn), rules.iter().map(|rule| rule.patient_id.0));
    let values: [Value; 2] = [since.into(), ids.value()];
    let of = |table: &str, owner: &str, at: &str| {
        format!(
            "SELECT {owner} AS patient_id, {at} AS at FROM {table} WHERE {} AND {at} > $1",
            ids.hold(owner, 2)
        )
    };
    let sql = [
        of("checkins", "patient_id", "created_at"),
        of("journal_entries", "patient_id", "updated_at"),
        of("measure_responses", "patient_id", "created_at"),
        of("notifications", "recipient_id", "opened_at"),
        of("notifications", "recipient_id", "done_at"),
    ]
    .join(" UNION ALL ");
    let statement = Statement::from_sql_and_values(conn.get_database_backend(), sql, values);
    let mut found: HashMap<PatientId, Vec<DateTime<Utc>>> = HashMap::new();
    for row in Activity::find_by_statement(statement).all(conn).await? {
        found.entry(row.patient_id).or_default().push(row.at);
    }
    Ok(found)
}
