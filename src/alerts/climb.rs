//! The climb: what is due goes one step up. Whoever is told gets a row of the ledger in the same transaction, so that a
//! worker that dies in between has either told nobody or told them for good; two workers find the step taken.

use std::collections::{HashMap, hash_map::Entry};

use chrono::{DateTime, Duration, Utc};
use entity::{
    alerts, clinics,
    ids::{AccountId, AlertId, ClinicId, NotificationId, PatientId},
    notifications,
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, FromQueryResult,
    QueryFilter, Statement, Value, sea_query::Expr,
};

use super::{ALERT, ladder::Ladder};
use crate::{
    accounts::treats,
    app::AppState,
    care,
    content::Priority,
    db::{WriteTx, Writing},
    error::{ApiError, ApiResult},
    mail::{self, Letter},
    measures::{Responder, ResponsePolicyContent, response_policy},
    plans,
    reminders::{
        row_of,
        rules::{
            localtime::Zone,
            planned::{Planned, PlannedState},
        },
    },
};

/// Most alerts of one round.
const BATCH: i64 = 100;
/// How long a push or mail about an alert is of use; the ladder has gone on by then.
const FRESH: Duration = Duration::hours(24);

#[derive(FromQueryResult)]
struct Due {
    patient_id: PatientId,
    id: AlertId,
    step: i32,
    raised_at: DateTime<Utc>,
    next_at: DateTime<Utc>,
    clinic_id: ClinicId,
}

/// A clinic's ladder, and who stands in by its policy.
struct Clinic {
    ladder: Ladder,
    covering: Option<AccountId>,
}

/// Lets every alert climb whose time has come. Returns how many there were.
pub async fn climb(app: &AppState) -> ApiResult<usize> {
    let (conn, now) = (app.db.reader(), app.clock.now());
    let statement = Statement::from_sql_and_values(
        conn.get_database_backend(),
        "SELECT o.patient_id, o.id, o.step, o.raised_at, o.next_at, a.clinic_id FROM alerts o \
         JOIN accounts a ON a.id = o.patient_id AND a.state = 'active' \
         WHERE o.acknowledged_at IS NULL AND o.next_at <= $1 ORDER BY o.next_at, o.id LIMIT $2",
        [now.into(), BATCH.into()],
    );
    let due = Due::find_by_statement(statement).all(conn).await?;
    let (mut clinics, mut failed) = (HashMap::new(), None);
    for alert in &due {
        // What is wrong with one alert or with one clinic's policy holds up no other.
        if let Err(error) = climb_one(app, alert, &mut clinics).await {
            tracing::error!(?error, "an alert did not climb");
            failed = Some(error);
        }
    }
    failed.map_or(Ok(due.len()), Err)
}

async fn climb_one(app: &AppState, alert: &Due, clinics: &mut HashMap<ClinicId, Clinic>) -> ApiResult<()> {
    let clinic = match clinics.entry(alert.clinic_id) {
        Entry::Occupied(known) => known.into_mut(),
        Entry::Vacant(place) => place.insert(clinic(app, alert.clinic_id).await?),
    };
    step_up(app, alert, clinic).await
}

/// When the next step of an alert is due.
pub async fn next_due(app: &AppState) -> ApiResult<Option<DateTime<Utc>>> {
    let conn = app.db.reader();
    let statement = Statement::from_string(
        conn.get_database_backend(),
        "SELECT o.next_at FROM alerts o JOIN accounts a ON a.id = o.patient_id AND a.state = 'active' \
         WHERE o.acknowledged_at IS NULL AND o.next_at IS NOT NULL ORDER BY o.next_at LIMIT 1",
    );
    let row = conn.query_one_raw(statement).await?;
    Ok(row.map(|row| row.try_get("", "next_at")).transpose()?)
}

async fn clinic(app: &AppState, id: ClinicId) -> ApiResult<Clinic> {
    let row = clinics::Entity::find_by_id(id).one(app.db.reader()).await?.ok_or(ApiError::NotFound)?;
    let ground = plans::ground_of(&row)?;
    Ok(match policy(app, &row).await {
        Some(policy) => Clinic {
            covering: policy.covering_member_id,
            ladder: Ladder { steps: policy.steps, hours: plans::Hours::new(policy.hours), zone: ground.zone },
        },
        None => Clinic { covering: None, ladder: Ladder::unwritten(ground.hours, ground.zone) },
    })
}

/// Nothing also when it cannot be opened: somebody must be told all the same.
async fn policy(app: &AppState, row: &clinics::Model) -> Option<ResponsePolicyContent> {
    row.response_policy_sealed.as_ref()?;
    let opened = match care::clinic_key(app, row.id).await {
        Ok(key) => response_policy(row, &key),
        Err(error) => Err(error),
    };
    opened.unwrap_or_else(|error| {
        tracing::error!(
            ?error,
            "a clinic's response policy cannot be read; its alerts go to everybody there"
        );
        None
    })
}

/// Somebody who is to be told, as whom, and in which step.
type Told = (AccountId, Responder, usize);

/// Tells whoever comes next, in the transaction that moves the alert up: whoever was told is written down with the step,
/// or neither is.
async fn step_up(app: &AppState, alert: &Due, clinic: &Clinic) -> ApiResult<()> {
    let writing = Writing {
        actor: alert.patient_id.into(),
        stream: alert.clinic_id.0,
        // Nothing of it travels to the patient's devices.
        patient: None,
        request_id: "alerts",
    };
    app.db
        .write(&writing, async |tx| {
            let (step, due, told) = next(tx, alert, clinic).await?;
            // Acknowledged a moment ago, or taken by another worker: then nothing of this round counts.
            if moved(tx, alert, (step, due)).await? {
                tell(app, tx, alert, &told, &clinic.ladder.zone).await?;
            }
            Ok(())
        })
        .await
}

/// The step after this one, when it is due, and who is told now. A step with nobody in it goes straight on to the one
/// after it.
async fn next(tx: &WriteTx, alert: &Due, clinic: &Clinic) -> ApiResult<(usize, DateTime<Utc>, Vec<Told>)> {
    let (ladder, now) = (&clinic.ladder, tx.now());
    let mut step = usize::try_from(alert.step).unwrap_or_default();
    // Beyond the last step the time is kept in the row itself.
    let last = step >= ladder.steps.len();
    let due = if last { alert.next_at } else { ladder.due(step, alert.raised_at, now).max(alert.raised_at) };
    let mut told = Vec::new();
    if due > now {
        return Ok((step, due, told));
    }
    loop {
        let to = ladder.to(step);
        let people = recipients(tx.conn(), alert, clinic, to, now).await?;
        told.extend(people.into_iter().map(|who| (who, to, step)));
        step += 1;
        if !told.is_empty() || step >= ladder.steps.len() {
            break;
        }
    }
    if told.is_empty() {
        tracing::error!("an alert has nobody who could be told; somebody has to join the clinic's staff");
        metrics::counter!("alerts_unheard_total").increment(1);
    }
    Ok((step, ladder.due(step, alert.raised_at, now).max(now + Duration::minutes(1)), told))
}

async fn moved(tx: &WriteTx, alert: &Due, (step, due): (usize, DateTime<Utc>)) -> ApiResult<bool> {
    let moved = alerts::Entity::update_many()
        .col_expr(alerts::Column::Step, Expr::value(i32::try_from(step).unwrap_or(i32::MAX)))
        .col_expr(alerts::Column::NextAt, Expr::value(due))
        .filter(alerts::Column::PatientId.eq(alert.patient_id))
        .filter(alerts::Column::Id.eq(alert.id))
        .filter(alerts::Column::Step.eq(alert.step))
        .filter(alerts::Column::NextAt.eq(alert.next_at))
        .filter(alerts::Column::AcknowledgedAt.is_null())
        .exec(tx.conn())
        .await?;
    Ok(moved.rows_affected > 0)
}

/// The word in the ledger for whom a step is for.
pub fn category(to: Responder) -> &'static str {
    match to {
        Responder::CareTeam => "alert_care_team",
        Responder::CoveringClinician => "alert_covering",
        Responder::ClinicLine => "alert_line",
    }
}

/// A push and a mail for each: a phone that is off and a mail server that is down are seldom so together.
async fn tell(app: &AppState, tx: &WriteTx, alert: &Due, told: &[Told], zone: &Zone) -> ApiResult<()> {
    let now = tx.now();
    for (who, to, step) in told {
        let planned = Planned {
            slot: format!("alert:{}:{step}", alert.id),
            template_id: None,
            category: category(*to).to_owned(),
            priority: Priority::High,
            routine: false,
            local_date: zone.local_date(now),
            due_at: now,
            expires_at: now + FRESH,
            state: PlannedState::Planned,
        };
        let notification = NotificationId(tx.new_id());
        let row = row_of(alert.patient_id, (ALERT, alert.id.0), notification, planned, now);
        let row = notifications::ActiveModel::from(notifications::Model { recipient_id: *who, ..row });
        notifications::Entity::insert(row.reset_all()).exec_without_returning(tx.conn()).await?;
        mail::offer(app, tx, *who, &Letter::Attention { notification }).await?;
    }
    Ok(())
}

/// The people of a step, as of now: who left, or treats nobody any more, is not among them, who stands in is.
async fn recipients(
    txn: &DatabaseTransaction,
    alert: &Due,
    clinic: &Clinic,
    to: Responder,
    now: DateTime<Utc>,
) -> ApiResult<Vec<AccountId>> {
    let (sql, values): (String, Vec<Value>) = match to {
        Responder::CareTeam => (care_team(), vec![alert.patient_id.0.into(), now.into()]),
        Responder::CoveringClinician => {
            let Some(covering) = clinic.covering else { return Ok(Vec::new()) };
            (
                format!("SELECT a.id FROM accounts a WHERE {} AND a.id = $2", clinicians()),
                vec![alert.clinic_id.0.into(), covering.0.into()],
            )
        }
        Responder::ClinicLine => (
            format!("SELECT a.id FROM accounts a WHERE {} ORDER BY a.id", clinicians()),
            vec![alert.clinic_id.0.into()],
        ),
    };
    let statement = Statement::from_sql_and_values(txn.get_database_backend(), sql, values);
    let rows = txn.query_all_raw(statement).await?;
    Ok(rows.iter().map(|row| row.try_get("", "id")).collect::<Result<_, _>>()?)
}

/// Everybody in whose care a patient is, or who stands in for them. One who was stopped, and one who stands in and was
/// stopped, is nobody who could be told: the step goes to whoever is there.
fn care_team() -> String {
    format!(
        "SELECT a.id FROM accounts a WHERE a.kind = 'staff' AND a.state = 'active' AND {} AND a.id IN \
         (SELECT COALESCE((SELECT c.covering_id FROM covers c \
         JOIN accounts x ON x.id = c.covering_id AND x.state = 'active' AND {} WHERE c.member_id = r.member_id \
         AND c.ended_at IS NULL AND c.starts_at <= $2 AND c.ends_at > $2 ORDER BY c.created_at DESC LIMIT 1), \
         r.member_id) FROM care_relations r WHERE r.patient_id = $1 AND r.ended_at IS NULL) ORDER BY a.id",
        treats("a"),
        treats("x")
    )
}

/// Everybody of a clinic who treats.
fn clinicians() -> String {
    format!("a.clinic_id = $1 AND a.kind = 'staff' AND a.state = 'active' AND {}", treats("a"))
}
