//! Recording a batch in one transaction: one statement a state, each guarded by the fence, and the next occurrence of
//! every standing rule that fired.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Utc};
use entity::{
    deliveries,
    ids::{AccountId, NotificationId, SubscriptionId},
    notifications, push_subscriptions,
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter, Set,
    Statement, Value,
    sea_query::{Expr, OnConflict},
};

use super::facts::Facts;
use crate::{
    app::AppState,
    error::ApiResult,
    reminders::{
        RULE, recurrence, recurring_facts, row_of,
        rules::{
            planned::{Planned, PlannedState},
            recurring::plan_recurring,
        },
    },
};

/// What became of one claimed notification.
#[derive(Debug)]
pub struct Outcome {
    pub row: notifications::Model,
    /// The state to record.
    pub state: &'static str,
    pub reason: Option<String>,
    /// When to try again, for what is not over yet.
    pub next_attempt_at: Option<DateTime<Utc>>,
    pub deliveries: Vec<Delivered>,
}

/// What one device's push service answered.
#[derive(Debug)]
pub struct Delivered {
    pub subscription: SubscriptionId,
    /// The subscription as it was when the attempt was made.
    pub revision: i32,
    pub outcome: &'static str,
    pub status: Option<i32>,
}

/// States after which a notification is over.
fn is_over(state: &str) -> bool {
    !matches!(state, "retrying" | "planned")
}

/// Writes the batch. A row whose fence has moved on belongs to somebody else and stays as they left it, and so does
/// everything else that this attempt would have said about it.
pub async fn record(app: &AppState, facts: &Facts, mut outcomes: Vec<Outcome>) -> ApiResult<()> {
    let now = app.clock.now();
    let txn = app.db.begin().await?;
    let ours = record_states(&txn, &outcomes, now).await?;
    outcomes.retain(|outcome| ours.contains(&(outcome.row.recipient_id, outcome.row.id)));
    record_deliveries(&txn, &outcomes, now).await?;
    record_subscriptions(&txn, &outcomes, now).await?;
    plan_next(app, &txn, facts, &outcomes, now).await?;
    txn.commit().await?;
    Ok(())
}

/// Returns the rows that were still this worker's.
async fn record_states(
    txn: &DatabaseTransaction,
    outcomes: &[Outcome],
    now: DateTime<Utc>,
) -> ApiResult<HashSet<(AccountId, NotificationId)>> {
    type Ending<'a> = (&'static str, Option<&'a str>, Option<DateTime<Utc>>);
    let mut ours = HashSet::with_capacity(outcomes.len());
    let mut groups: BTreeMap<Ending<'_>, Vec<&notifications::Model>> = BTreeMap::new();
    for outcome in outcomes {
        let ending = (outcome.state, outcome.reason.as_deref(), outcome.next_attempt_at);
        groups.entry(ending).or_default().push(&outcome.row);
    }
    for ((state, reason, next_attempt_at), rows) in groups {
        let accepted_at = (state == "accepted").then_some(now);
        let mut values: Vec<Value> = vec![
            state.into(),
            reason.map(str::to_owned).into(),
            accepted_at.into(),
            next_attempt_at.into(),
            now.into(),
        ];
        let mut list = Vec::with_capacity(rows.len());
        for row in rows {
            let n = values.len();
            list.push(format!("(${},${},${})", n + 1, n + 2, n + 3));
            values.extend([row.recipient_id.0.into(), row.id.0.into(), row.fence.into()]);
        }
        let sql = format!(
            "UPDATE notifications SET state = $1, reason = $2, accepted_at = $3, \
             next_attempt_at = COALESCE($4, next_attempt_at), lease_until = NULL, updated_at = $5 \
             WHERE (recipient_id, id, fence) IN (VALUES {}) AND state = 'claimed' RETURNING recipient_id, id",
            list.join(",")
        );
        let statement = Statement::from_sql_and_values(txn.get_database_backend(), sql, values);
        for row in txn.query_all_raw(statement).await? {
            ours.insert((row.try_get("", "recipient_id")?, row.try_get("", "id")?));
        }
    }
    Ok(ours)
}

async fn record_deliveries(
    txn: &DatabaseTransaction,
    outcomes: &[Outcome],
    now: DateTime<Utc>,
) -> ApiResult<()> {
    use deliveries::Column::{
        At, Attempts, NotificationId, Outcome as Answer, RecipientId, Status, SubscriptionId,
    };
    let rows: Vec<deliveries::ActiveModel> = outcomes
        .iter()
        .flat_map(|outcome| {
            outcome.deliveries.iter().map(move |delivery| deliveries::ActiveModel {
                recipient_id: Set(outcome.row.recipient_id),
                notification_id: Set(outcome.row.id),
                subscription_id: Set(delivery.subscription),
                outcome: Set(delivery.outcome.to_owned()),
                status: Set(delivery.status),
                attempts: Set(outcome.row.attempts),
                at: Set(now),
            })
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    deliveries::Entity::insert_many(rows)
        .on_conflict(
            OnConflict::columns([RecipientId, NotificationId, SubscriptionId])
                .update_columns([Answer, Status, Attempts, At])
                .to_owned(),
        )
        .exec_without_returning(txn)
        .await?;
    Ok(())
}

/// Health of the devices. One that is gone is switched off only if it is still the one that was tried.
async fn record_subscriptions(
    txn: &DatabaseTransaction,
    outcomes: &[Outcome],
    now: DateTime<Utc>,
) -> ApiResult<()> {
    use push_subscriptions::{Column, Entity};
    let mut groups: BTreeMap<&str, Vec<(AccountId, &Delivered)>> = BTreeMap::new();
    for outcome in outcomes {
        for delivery in &outcome.deliveries {
            groups.entry(delivery.outcome).or_default().push((outcome.row.recipient_id, delivery));
        }
    }
    for (answer, tried) in groups {
        let mut query = Entity::update_many()
            .filter(Column::AccountId.is_in(tried.iter().map(|(account, _)| *account)))
            .filter(Column::Id.is_in(tried.iter().map(|(_, delivery)| delivery.subscription)));
        query = match answer {
            "accepted" => query.col_expr(Column::LastAcceptedAt, Expr::value(now)),
            _ => query
                .col_expr(Column::LastFailureAt, Expr::value(now))
                .col_expr(Column::LastFailure, Expr::value(answer)),
        };
        query.exec(txn).await?;
        if answer == "gone" {
            for (account, delivery) in tried {
                switch_off(txn, account, delivery, now).await?;
            }
        }
    }
    Ok(())
}

async fn switch_off(
    txn: &DatabaseTransaction,
    account: AccountId,
    delivery: &Delivered,
    now: DateTime<Utc>,
) -> ApiResult<()> {
    use push_subscriptions::{Column, Entity};
    Entity::update_many()
        .col_expr(Column::State, Expr::value("gone"))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .filter(Column::AccountId.eq(account))
        .filter(Column::Id.eq(delivery.subscription))
        .filter(Column::Revision.eq(delivery.revision))
        .exec(txn)
        .await?;
    Ok(())
}

/// The next occurrence of every rule whose occurrence is over, in one insert; a slot that exists stays as it is.
async fn plan_next(
    app: &AppState,
    txn: &DatabaseTransaction,
    facts: &Facts,
    outcomes: &[Outcome],
    now: DateTime<Utc>,
) -> ApiResult<()> {
    let mut rows = Vec::new();
    for outcome in outcomes.iter().filter(|outcome| outcome.row.origin_kind == RULE && is_over(outcome.state))
    {
        let row = &outcome.row;
        let (Some(rule), Some(recipient)) = (facts.rule(row), facts.recipient(row.recipient_id)) else {
            continue;
        };
        if !rule.active || recipient.consent_withdrawn {
            continue;
        }
        let rule_text = recurrence(rule)?;
        let seen = recurring_facts(rule, &rule_text, Some(&row.slot));
        let next = plan_recurring(now, &seen, &recipient.zone, &recipient.policy, &recipient.hush);
        if let Some(next) = next {
            let next = Planned { state: PlannedState::Planned, ..next };
            let id = NotificationId(app.random.uuid_v7(now));
            let row = row_of(row.subject_patient_id, (RULE, row.origin_id), id, next, now);
            rows.push(notifications::ActiveModel::from(row).reset_all());
        }
    }
    if rows.is_empty() {
        return Ok(());
    }
    notifications::Entity::insert_many(rows)
        .on_conflict(OnConflict::new().do_nothing().to_owned())
        .exec_without_returning(txn)
        .await?;
    Ok(())
}
