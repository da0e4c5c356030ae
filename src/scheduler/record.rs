//! Recording in one transaction: one statement for all states, each row guarded by its fence, one for the deliveries,
//! one for the health of the devices, and one for the next occurrence of every standing rule that fired.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use entity::{
    ids::{AccountId, NotificationId, SubscriptionId},
    notifications,
};
use sea_orm::{ConnectionTrait, DatabaseTransaction, Statement, Value};

use super::{TickReport, facts::Facts};
use crate::{
    app::AppState,
    db::{
        Engine,
        many::{Cell, Kind, Rows},
    },
    error::ApiResult,
    reminders::{
        RULE, goes_on, insert, recurrence, recurring_facts, row_of,
        rules::{
            planned::{Planned, PlannedState},
            recurring::plan_recurring,
        },
    },
};

/// What became of one claimed notification.
#[derive(Clone)]
pub struct Outcome {
    pub row: notifications::Model,
    /// What it was judged by.
    pub facts: Arc<Facts>,
    /// The state to record.
    pub state: &'static str,
    pub reason: Option<&'static str>,
    /// When it became so.
    pub at: DateTime<Utc>,
    /// When to try again, for what is not over yet.
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// Whether the row belongs to another time now.
    pub moved: bool,
    pub deliveries: Vec<Delivered>,
}

/// What one device's push service answered.
#[derive(Debug, Clone)]
pub struct Delivered {
    pub subscription: SubscriptionId,
    /// The subscription as it was when the attempt was made.
    pub revision: i32,
    pub outcome: &'static str,
    pub status: Option<i32>,
}

impl Outcome {
    /// States after which a notification is over.
    fn is_over(&self) -> bool {
        !matches!(self.state, "retrying" | "planned")
    }

    /// Attempts so far: the claim counted one that may not have come about.
    fn attempts(&self) -> i32 {
        let given_back = self.deliveries.is_empty() && self.next_attempt_at.is_some();
        self.row.attempts - i32::from(given_back)
    }
}

/// Writes what became of them. A row whose fence has moved on belongs to somebody else and stays as they left it, and
/// so does everything else that this attempt would have said about it. Reports what was this worker's to write.
pub async fn record(app: &AppState, outcomes: &[Outcome]) -> ApiResult<TickReport> {
    let mut report = TickReport::default();
    if outcomes.is_empty() {
        return Ok(report);
    }
    let (now, engine) = (app.clock.now(), app.db.engine());
    let txn = app.db.begin().await?;
    record_moves(&txn, engine, outcomes).await?;
    let ours = record_states(&txn, engine, outcomes, now).await?;
    let is_ours = |row: &notifications::Model| ours.contains(&(row.recipient_id, row.id, row.fence));
    let ours: Vec<&Outcome> = outcomes.iter().filter(|outcome| is_ours(&outcome.row)).collect();
    record_deliveries(&txn, engine, &ours).await?;
    record_subscriptions(&txn, engine, &ours, now).await?;
    plan_next(app, &txn, &ours, now).await?;
    txn.commit().await?;
    for outcome in ours {
        report.add(outcome);
        count(outcome);
    }
    Ok(report)
}

fn count(outcome: &Outcome) {
    let (state, reason) = (outcome.state, outcome.reason.unwrap_or_default());
    metrics::counter!("notifications_total", "state" => state, "reason" => reason).increment(1);
    if state == "accepted" {
        let late = (outcome.at - outcome.row.due_at).to_std().unwrap_or_default();
        metrics::histogram!("notification_lateness_seconds").record(late.as_secs_f64());
    }
    let gone = outcome.deliveries.iter().filter(|delivery| delivery.outcome == "gone").count();
    if gone > 0 {
        metrics::counter!("push_subscriptions_disabled_total").increment(gone as u64);
    }
}

async fn send(txn: &DatabaseTransaction, sql: String, values: Vec<Value>) -> ApiResult<()> {
    txn.execute_raw(Statement::from_sql_and_values(txn.get_database_backend(), sql, values)).await?;
    Ok(())
}

const MOVES: &[(&str, Kind)] = &[
    ("recipient", Kind::Uuid),
    ("notification", Kind::Uuid),
    ("held", Kind::Big),
    ("due", Kind::Time),
    ("ends", Kind::Time),
    ("day", Kind::Date),
];

/// Gives what belongs to another time that time, as long as it is still this worker's.
async fn record_moves(txn: &DatabaseTransaction, engine: Engine, outcomes: &[Outcome]) -> ApiResult<()> {
    let mut rows = Rows::new(engine, MOVES);
    for outcome in outcomes.iter().filter(|outcome| outcome.moved) {
        rows.push([
            Cell::Uuid(outcome.row.recipient_id.0),
            Cell::Uuid(outcome.row.id.0),
            Cell::Number(outcome.row.fence),
            Cell::Time(outcome.row.due_at),
            Cell::Time(outcome.row.expires_at),
            Cell::Date(outcome.row.local_date),
        ]);
    }
    if rows.is_empty() {
        return Ok(());
    }
    let (source, values) = rows.source(1);
    let sql = format!(
        "UPDATE notifications SET due_at = r.due, expires_at = r.ends, local_date = r.day FROM {source} \
         WHERE recipient_id = r.recipient AND id = r.notification AND fence = r.held AND state = 'claimed'"
    );
    send(txn, sql, values).await
}

const STATES: &[(&str, Kind)] = &[
    ("recipient", Kind::Uuid),
    ("notification", Kind::Uuid),
    ("held", Kind::Big),
    ("became", Kind::Text),
    ("because", Kind::Text),
    ("taken_at", Kind::Time),
    ("again_at", Kind::Time),
    ("tries", Kind::Int),
];

/// Returns the rows that were still this worker's.
async fn record_states(
    txn: &DatabaseTransaction,
    engine: Engine,
    outcomes: &[Outcome],
    now: DateTime<Utc>,
) -> ApiResult<HashSet<(AccountId, NotificationId, i64)>> {
    let mut rows = Rows::new(engine, STATES);
    for outcome in outcomes {
        rows.push([
            Cell::Uuid(outcome.row.recipient_id.0),
            Cell::Uuid(outcome.row.id.0),
            Cell::Number(outcome.row.fence),
            Cell::Text(outcome.state),
            outcome.reason.into(),
            (outcome.state == "accepted").then_some(outcome.at).into(),
            outcome.next_attempt_at.into(),
            Cell::Number(outcome.attempts().into()),
        ]);
    }
    let (source, mut values) = rows.source(2);
    values.insert(0, now.into());
    // PostgreSQL's statistics are of a time when hardly anything was claimed. Believing them it compares each claimed
    // row with each row of the batch, so the state is compared in a way that they say nothing about.
    let sql = format!(
        "UPDATE notifications SET state = r.became, reason = r.because, accepted_at = r.taken_at, \
         next_attempt_at = COALESCE(r.again_at, next_attempt_at), attempts = r.tries, lease_until = NULL, \
         updated_at = $1 FROM {source} WHERE recipient_id = r.recipient AND id = r.notification \
         AND fence = r.held AND COALESCE(state, '') = 'claimed' RETURNING recipient_id, id, fence"
    );
    let statement = Statement::from_sql_and_values(txn.get_database_backend(), sql, values);
    let mut ours = HashSet::with_capacity(outcomes.len());
    for row in txn.query_all_raw(statement).await? {
        ours.insert((row.try_get_by_index(0)?, row.try_get_by_index(1)?, row.try_get_by_index(2)?));
    }
    Ok(ours)
}

const DELIVERIES: &[(&str, Kind)] = &[
    ("recipient", Kind::Uuid),
    ("notification", Kind::Uuid),
    ("device", Kind::Uuid),
    ("answer", Kind::Text),
    ("code", Kind::Int),
    ("tries", Kind::Int),
    ("answered_at", Kind::Time),
];

async fn record_deliveries(
    txn: &DatabaseTransaction,
    engine: Engine,
    outcomes: &[&Outcome],
) -> ApiResult<()> {
    let mut rows = Rows::new(engine, DELIVERIES);
    for outcome in outcomes {
        for delivery in &outcome.deliveries {
            rows.push([
                Cell::Uuid(outcome.row.recipient_id.0),
                Cell::Uuid(outcome.row.id.0),
                Cell::Uuid(delivery.subscription.0),
                Cell::Text(delivery.outcome),
                delivery.status.map_or(Cell::Null, |status| Cell::Number(status.into())),
                Cell::Number(outcome.row.attempts.into()),
                Cell::Time(outcome.at),
            ]);
        }
    }
    if rows.is_empty() {
        return Ok(());
    }
    let (source, values) = rows.source(1);
    // "WHERE true" tells SQLite that the conflict is the insert's, not a join's.
    let sql = format!(
        "INSERT INTO deliveries (recipient_id, notification_id, subscription_id, outcome, status, attempts, at) \
         SELECT r.recipient, r.notification, r.device, r.answer, r.code, r.tries, r.answered_at FROM {source} \
         WHERE true ON CONFLICT (recipient_id, notification_id, subscription_id) DO UPDATE SET \
         outcome = excluded.outcome, status = excluded.status, attempts = excluded.attempts, at = excluded.at"
    );
    send(txn, sql, values).await
}

const HEALTH: &[(&str, Kind)] = &[
    ("owner", Kind::Uuid),
    ("device", Kind::Uuid),
    ("taken_at", Kind::Time),
    ("failed_at", Kind::Time),
    ("failure", Kind::Text),
    ("gone", Kind::Int),
];

/// What a device's answers in this transaction add up to.
#[derive(Default)]
struct Health {
    taken_at: Option<DateTime<Utc>>,
    failure: Option<(DateTime<Utc>, &'static str)>,
    /// The revision of the subscription that is no more.
    gone: Option<i32>,
}

/// Health of the devices. One that is gone is switched off only if it is still the one that was tried.
async fn record_subscriptions(
    txn: &DatabaseTransaction,
    engine: Engine,
    outcomes: &[&Outcome],
    now: DateTime<Utc>,
) -> ApiResult<()> {
    // In one order, so that two workers never wait for each other in a circle.
    let mut devices: BTreeMap<(AccountId, SubscriptionId), Health> = BTreeMap::new();
    for outcome in outcomes {
        for delivery in &outcome.deliveries {
            let health = devices.entry((outcome.row.recipient_id, delivery.subscription)).or_default();
            match delivery.outcome {
                "accepted" => health.taken_at = health.taken_at.max(Some(outcome.at)),
                answer => health.failure = health.failure.max(Some((outcome.at, answer))),
            }
            if delivery.outcome == "gone" {
                health.gone = Some(delivery.revision);
            }
        }
    }
    let mut rows = Rows::new(engine, HEALTH);
    for ((owner, device), health) in &devices {
        rows.push([
            Cell::Uuid(owner.0),
            Cell::Uuid(device.0),
            health.taken_at.into(),
            health.failure.map(|(at, _)| at).into(),
            health.failure.map(|(_, failure)| failure).into(),
            health.gone.map_or(Cell::Null, |revision| Cell::Number(revision.into())),
        ]);
    }
    if rows.is_empty() {
        return Ok(());
    }
    let (source, mut values) = rows.source(2);
    values.insert(0, now.into());
    let sql = format!(
        "UPDATE push_subscriptions SET last_accepted_at = COALESCE(r.taken_at, last_accepted_at), \
         last_failure_at = COALESCE(r.failed_at, last_failure_at), \
         last_failure = COALESCE(r.failure, last_failure), \
         state = CASE WHEN revision = r.gone THEN 'gone' ELSE state END, \
         updated_at = CASE WHEN revision = r.gone THEN $1 ELSE updated_at END \
         FROM {source} WHERE account_id = r.owner AND id = r.device"
    );
    send(txn, sql, values).await
}

/// The next occurrence of every rule whose occurrence is over, in one insert; a slot that exists stays as it is.
async fn plan_next(
    app: &AppState,
    txn: &DatabaseTransaction,
    outcomes: &[&Outcome],
    now: DateTime<Utc>,
) -> ApiResult<()> {
    let next = outcomes.iter().filter_map(|outcome| next_of(app, outcome, now).transpose());
    insert(txn, &next.collect::<ApiResult<Vec<_>>>()?, now).await
}

/// The row that follows the occurrence of a standing rule.
fn next_of(app: &AppState, outcome: &Outcome, now: DateTime<Utc>) -> ApiResult<Option<notifications::Model>> {
    let (row, facts) = (&outcome.row, &outcome.facts);
    if row.origin_kind != RULE || !outcome.is_over() {
        return Ok(None);
    }
    let (Some(rule), Some(recipient)) = (facts.rule(row), facts.recipient(row.recipient_id)) else {
        return Ok(None);
    };
    if !goes_on(rule, recipient.active_plan) || recipient.consent_withdrawn {
        return Ok(None);
    }
    let recurrence = recurrence(rule)?;
    let seen = recurring_facts(rule, &recurrence, Some(&row.slot), facts.ignored(rule));
    let next = plan_recurring(now, &seen, &recipient.zone, &recipient.policy, &recipient.hush);
    Ok(next.map(|next| {
        // What is closed to it now is asked again when it is due, and the ledger then says why.
        let next = Planned { state: PlannedState::Planned, ..next };
        let id = NotificationId(app.random.uuid_v7(now));
        row_of(row.subject_patient_id, (RULE, row.origin_id), id, next, now)
    }))
}
