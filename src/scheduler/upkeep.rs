//! What a worker does beside sending: it looks for rules that nothing is planned for, forgets what is old, and does
//! what was asked for later. Apart from the loop that sends, which waits for none of it.

use std::time::Duration;

use entity::ids::AccountId;
use sea_orm::{ConnectionTrait, Statement};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::keeping::Keeping;
use crate::{
    accounts, app::AppState, attachments, db::many::Ids, erasure, error::ApiResult, reminders, sync,
};

/// How long a round of everything takes at least.
const EVERY: Duration = Duration::from_secs(300);
/// Rest between two steps of the walk over all accounts, so that a large practice notices nothing of it.
const REST: Duration = Duration::from_secs(1);
/// Accounts looked at in one step.
const STEP: i64 = 500;

/// Keeps house until `stop`, at once and then every few minutes.
pub async fn run(app: AppState, stop: CancellationToken) {
    let mut keeping = Keeping::default();
    loop {
        keep(&app).await;
        keeping.run(&app).await;
        let rest = tokio::join!(walk(&app, &stop), tokio::time::timeout(EVERY, stop.cancelled()));
        if rest.1.is_ok() {
            keeping.anchor(&app).await;
            return;
        }
    }
}

async fn keep(app: &AppState) {
    if let Err(error) = reminders::catch_up(app).await {
        tracing::warn!(?error, "planning by a clinic's new timeline is not done; the next sweep goes on");
    }
    if let Err(error) = sync::purge(app).await {
        tracing::warn!(?error, "old deletions were not forgotten; the next sweep tries again");
    }
    if let Err(error) = erasure::run_due(app).await {
        tracing::error!(?error, "an erasure that is due was not done; the next sweep tries again");
    }
    if let Err(error) = accounts::purge(app).await {
        tracing::warn!(?error, "old attempts were not forgotten; the next sweep tries again");
    }
    if let Err(error) = attachments::sweep(app).await {
        tracing::warn!(?error, "the sweep for abandoned uploads failed");
    }
}

/// One walk over all accounts, a few at a time.
async fn walk(app: &AppState, stop: &CancellationToken) {
    let mut after = Uuid::nil();
    loop {
        match step(app, after).await {
            Ok(Some(last)) => after = last,
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(
                    ?error,
                    "a step of the walk over all accounts failed; the next walk tries again"
                );
                return;
            }
        }
        if tokio::time::timeout(REST, stop.cancelled()).await.is_ok() {
            return;
        }
    }
}

/// Returns where the next step begins, if there is one.
async fn step(app: &AppState, after: Uuid) -> ApiResult<Option<Uuid>> {
    let accounts = accounts_after(app, after).await?;
    sweep_of(app, after, &accounts).await?;
    forget_of(app, &accounts).await?;
    Ok(next_step(&accounts))
}

fn next_step(accounts: &[AccountId]) -> Option<Uuid> {
    accounts.last().filter(|_| accounts.len() as i64 == STEP).map(|last| last.0)
}

async fn accounts_after(app: &AppState, after: Uuid) -> ApiResult<Vec<AccountId>> {
    let conn = app.db.reader();
    let statement = Statement::from_sql_and_values(
        conn.get_database_backend(),
        "SELECT id FROM accounts WHERE id > $1 ORDER BY id LIMIT $2",
        [after.into(), STEP.into()],
    );
    let rows = conn.query_all_raw(statement).await?;
    Ok(rows.iter().map(|row| row.try_get_by_index(0)).collect::<Result<_, _>>()?)
}

/// Plans whatever is missing for anybody, and by the clinics' timelines of now. Returns how many patients were planned
/// anew.
pub async fn sweep(app: &AppState) -> ApiResult<usize> {
    let (mut found, mut after) = (reminders::catch_up(app).await?, Some(Uuid::nil()));
    while let Some(from) = after {
        let accounts = accounts_after(app, from).await?;
        found += sweep_of(app, from, &accounts).await?;
        after = next_step(&accounts);
    }
    Ok(found)
}

async fn sweep_of(app: &AppState, after: Uuid, accounts: &[AccountId]) -> ApiResult<usize> {
    match accounts.last() {
        Some(last) => reminders::sweep_between(app, after, last.0).await,
        None => Ok(0),
    }
}

/// Deletes what is over and older than `scheduler.ledger_days`. Returns how many notifications that were.
pub async fn forget_old(app: &AppState) -> ApiResult<u64> {
    let (mut forgotten, mut after) = (0, Some(Uuid::nil()));
    while let Some(from) = after {
        let accounts = accounts_after(app, from).await?;
        forgotten += forget_of(app, &accounts).await?;
        after = next_step(&accounts);
    }
    Ok(forgotten)
}

async fn forget_of(app: &AppState, accounts: &[AccountId]) -> ApiResult<u64> {
    let before = app.clock.now() - chrono::Duration::days(app.config.scheduler.ledger_days);
    let ids = Ids::new(app.db.engine(), accounts.iter().map(|id| id.0));
    let txn = app.db.begin().await?;
    let backend = txn.get_database_backend();
    let of = ids.hold("recipient_id", 1);
    let deliveries = format!(
        "DELETE FROM deliveries WHERE {of} AND at < $2 AND EXISTS (SELECT 1 FROM notifications n \
         WHERE n.recipient_id = deliveries.recipient_id AND n.id = deliveries.notification_id \
         AND n.due_at < $2 AND n.state NOT IN ('planned','claimed','retrying'))"
    );
    let ledger = format!(
        "DELETE FROM notifications WHERE {of} AND due_at < $2 AND state NOT IN ('planned','claimed','retrying')"
    );
    let values = [ids.value(), before.into()];
    txn.execute_raw(Statement::from_sql_and_values(backend, deliveries, values.clone())).await?;
    let gone = txn.execute_raw(Statement::from_sql_and_values(backend, ledger, values)).await?;
    txn.commit().await?;
    Ok(gone.rows_affected())
}
