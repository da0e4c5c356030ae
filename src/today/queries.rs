//! What the day is made of: a fixed number of statements, however long the history is.

use chrono::{DateTime, Duration, Utc};
use entity::{ids::PatientId, measure_assignments, sessions};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect,
    Statement,
};

use super::rules::{Asked, Facts, Last, MOST_TASKS, Next};
use crate::{
    accounts::Patient,
    error::ApiResult,
    reminders::rules::localtime::Zone,
    sessions::{ReadinessItem, checklist, has_intention},
};

/// The next session with what there is to tick off.
pub type Upcoming = (sessions::Model, Vec<ReadinessItem>);

#[derive(FromQueryResult)]
struct Marks {
    in_care: bool,
    checked_in: bool,
    written: bool,
}

/// Facts for the rules, and the next session for the screen. An open alert is known from the day's exercise.
pub async fn facts(
    conn: &impl ConnectionTrait,
    me: &Patient,
    zone: &Zone,
    (alert_open, now): (bool, DateTime<Utc>),
) -> ApiResult<(Facts, Option<Upcoming>)> {
    let patient = me.id();
    let (next, last) = (next(conn, patient, now).await?, last(conn, patient, now).await?);
    let today = zone.local_date(now);
    let ended_at = last.as_ref().map(|row| row.ended_at.unwrap_or(row.ends_at));
    let marks = marks(conn, patient, today, ended_at.unwrap_or(now)).await?;
    let upcoming = match next {
        Some(row) => {
            let items = checklist(conn, &row, &me.locale).await?;
            Some((row, items))
        }
        None => None,
    };
    let next = upcoming.as_ref().map(|(row, items)| -> ApiResult<Next> {
        Ok(Next {
            kind: row.kind.clone(),
            starts_at: row.starts_at,
            started: row.state == "started",
            today: zone.local_date(row.starts_at) == today,
            has_intention: has_intention(row, &me.key)?,
            open_items: items.iter().filter(|item| !item.done).count(),
        })
    });
    let facts = Facts {
        in_care: marks.in_care,
        alert_open,
        next: next.transpose()?,
        last: ended_at.map(|ended_at| Last {
            ended_at,
            today: zone.local_date(ended_at) == today,
            written_since: marks.written,
        }),
        measures: open_measures(conn, patient, now).await?,
        checked_in_today: marks.checked_in,
    };
    Ok((facts, upcoming))
}

/// The session under way, else the one that comes next; one that nobody recorded counts until its planned end.
async fn next(
    conn: &impl ConnectionTrait,
    patient: PatientId,
    now: DateTime<Utc>,
) -> ApiResult<Option<sessions::Model>> {
    use sessions::Column;
    Ok(sessions::Entity::find()
        .filter(Column::PatientId.eq(patient))
        .filter(Column::State.is_in(["planned", "started"]))
        .filter(Column::EndsAt.gt(now - Duration::hours(2)))
        .order_by_asc(Column::StartsAt)
        .order_by_asc(Column::Id)
        .one(conn)
        .await?)
}

async fn last(
    conn: &impl ConnectionTrait,
    patient: PatientId,
    now: DateTime<Utc>,
) -> ApiResult<Option<sessions::Model>> {
    use sessions::Column;
    Ok(sessions::Entity::find()
        .filter(Column::PatientId.eq(patient))
        .filter(Column::Kind.eq("dosing"))
        .filter(Column::State.eq("completed"))
        .filter(Column::StartsAt.lte(now))
        .order_by_desc(Column::StartsAt)
        .order_by_desc(Column::Id)
        .one(conn)
        .await?)
}

async fn open_measures(
    conn: &impl ConnectionTrait,
    patient: PatientId,
    now: DateTime<Utc>,
) -> ApiResult<Vec<Asked>> {
    use measure_assignments::Column;
    let rows = measure_assignments::Entity::find()
        .filter(Column::PatientId.eq(patient))
        .filter(Column::State.eq("open"))
        .filter(Column::OpensAt.lte(now))
        .order_by_asc(Column::DueAt)
        .order_by_asc(Column::Id)
        .limit(MOST_TASKS as u64)
        .all(conn)
        .await?;
    Ok(rows.into_iter().map(|row| Asked { measure_id: row.measure_id, assignment_id: row.id }).collect())
}

async fn marks(
    conn: &impl ConnectionTrait,
    patient: PatientId,
    today: chrono::NaiveDate,
    since: DateTime<Utc>,
) -> ApiResult<Marks> {
    let statement = Statement::from_sql_and_values(
        conn.get_database_backend(),
        "SELECT EXISTS (SELECT 1 FROM care_relations WHERE patient_id = $1 AND ended_at IS NULL) AS in_care, \
         EXISTS (SELECT 1 FROM checkins WHERE patient_id = $1 AND local_date = $2) AS checked_in, \
         EXISTS (SELECT 1 FROM journal_entries WHERE patient_id = $1 AND created_at >= $3) AS written",
        [patient.0.into(), today.into(), since.into()],
    );
    let row = Marks::find_by_statement(statement).one(conn).await?;
    Ok(row.unwrap_or(Marks { in_care: false, checked_in: false, written: false }))
}
