//! The outbox: rows of `jobs` of the kind `mail`.

use chrono::{DateTime, Duration, Utc};
use entity::{
    accounts,
    ids::{AccountId, JobId},
    jobs,
};
use futures_util::future::join_all;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, sea_query::Expr,
};

use super::{
    letter::Letter,
    sender::{Failure, Mail},
};
use crate::{
    accounts::{email_place, wrapped},
    alerts,
    app::AppState,
    db::WriteTx,
    error::{ApiError, ApiResult},
    jobs::claim,
    vault::{DataKey, KeyOwner, OwnerKind, Place},
};

const MAIL: &str = "mail";
/// Longer than a mail server may take.
const LEASE: Duration = Duration::minutes(2);
const BATCH: i64 = 10;
const FIRST_PAUSE: Duration = Duration::minutes(1);
const LONGEST_PAUSE: Duration = Duration::hours(1);

/// What one tick did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MailReport {
    pub claimed: usize,
    pub sent: usize,
    /// Tried again later.
    pub retrying: usize,
    /// Given up: refused for good, too old, or to nobody.
    pub dropped: usize,
}

fn place(job: JobId) -> Place {
    Place::new("jobs", "payload_sealed", job)
}

async fn key(app: &AppState, conn: &impl ConnectionTrait, account: AccountId) -> ApiResult<DataKey> {
    for kind in [OwnerKind::Account, OwnerKind::Patient] {
        match wrapped(conn, KeyOwner::new(kind, account)).await {
            Ok(wrapped) => return Ok(app.vault.unwrap(&wrapped)?),
            Err(ApiError::NotFound) => {}
            Err(error) => return Err(error),
        }
    }
    Err(ApiError::NotFound)
}

/// Puts a letter into the outbox with this transaction. Where it goes is read when it is sent.
pub async fn enqueue(app: &AppState, tx: &WriteTx, to: AccountId, letter: &Letter) -> ApiResult<()> {
    insert(tx, to, &key(app, tx.conn(), to).await?, letter).await
}

/// Like [`enqueue`], beside another channel: whoever has no key that opens gets no mail, and nothing else stops.
pub async fn offer(app: &AppState, tx: &WriteTx, to: AccountId, letter: &Letter) -> ApiResult<()> {
    match key(app, tx.conn(), to).await {
        Ok(key) => insert(tx, to, &key, letter).await,
        Err(ApiError::NotFound) => Ok(()),
        Err(ApiError::Internal(error)) if !error.is::<DbErr>() => {
            tracing::error!(%error, "a mail cannot be sealed for its reader");
            Ok(())
        }
        Err(error) => Err(error),
    }
}

async fn insert(tx: &WriteTx, to: AccountId, key: &DataKey, letter: &Letter) -> ApiResult<()> {
    let id = JobId(tx.new_id());
    let row = jobs::Model {
        id,
        kind: MAIL.to_owned(),
        owner_id: to.0,
        payload_sealed: Some(key.seal_json(place(id), letter)),
        state: "planned".to_owned(),
        run_at: tx.now(),
        lease_until: None,
        fence: 0,
        attempts: 0,
        created_at: tx.now(),
    };
    let row: jobs::ActiveModel = row.into();
    jobs::Entity::insert(row.reset_all()).exec_without_returning(tx.conn()).await?;
    Ok(())
}

/// Sends one batch of what is due. Call it again while it claims something.
pub async fn tick(app: &AppState) -> ApiResult<MailReport> {
    let batch = claim(app, MAIL, LEASE, BATCH).await?;
    let mut report = MailReport { claimed: batch.len(), ..MailReport::default() };
    let endings = join_all(batch.iter().map(|job| deliver(app, job))).await;
    for (job, ending) in batch.iter().zip(endings) {
        // One that cannot be opened must not keep the others from being recorded: they would be sent again.
        let ending = ending.unwrap_or_else(|error| {
            tracing::error!(?error, "a mail could not be opened; it is tried again");
            Ending::Later
        });
        let outcome = match ending {
            Ending::Sent => {
                report.sent += 1;
                "sent"
            }
            Ending::Later => {
                report.retrying += 1;
                "retrying"
            }
            Ending::Never => {
                report.dropped += 1;
                "dropped"
            }
        };
        metrics::counter!("mails_total", "outcome" => outcome).increment(1);
        record(app, job, outcome == "retrying").await?;
    }
    Ok(report)
}

enum Ending {
    Sent,
    Later,
    Never,
}

async fn deliver(app: &AppState, job: &jobs::Model) -> ApiResult<Ending> {
    let now = app.clock.now();
    let Some((letter, mail)) = open(app, job, now).await? else { return Ok(Ending::Never) };
    Ok(match app.mail.send(mail).await {
        Ok(()) => {
            note(app, job, &letter).await;
            Ending::Sent
        }
        Err(Failure::Later(why)) => {
            tracing::warn!(why, attempt = job.attempts, "a mail did not leave; it is tried again");
            Ending::Later
        }
        Err(Failure::Never(why)) => {
            tracing::warn!(why, "a mail was refused for good");
            Ending::Never
        }
    })
}

/// What the ledger says of a mail about an alert. The mail has left; that it is not noted must not send it again.
async fn note(app: &AppState, job: &jobs::Model, letter: &Letter) {
    let Letter::Attention { notification } = letter else { return };
    let to = AccountId(job.owner_id);
    if let Err(error) = alerts::mailed(app.db.writer(), to, *notification, app.clock.now()).await {
        tracing::warn!(%error, "a mail left, and the ledger does not say so");
    }
}

/// None for what is too old or over, and for accounts that are closed or gone.
async fn open(app: &AppState, job: &jobs::Model, now: DateTime<Utc>) -> ApiResult<Option<(Letter, Mail)>> {
    if now - job.created_at >= Letter::LONGEST {
        return Ok(None);
    }
    let conn = app.db.reader();
    let account = accounts::Entity::find_by_id(AccountId(job.owner_id))
        .filter(accounts::Column::State.eq("active"))
        .one(conn)
        .await?;
    let (Some(account), Some(sealed)) = (account, &job.payload_sealed) else { return Ok(None) };
    let key = match key(app, conn, account.id).await {
        Err(ApiError::NotFound) => return Ok(None),
        key => key?,
    };
    let letter: Letter = key.open_json(place(job.id), sealed)?;
    if now - job.created_at >= letter.life() {
        return Ok(None);
    }
    if let Letter::Attention { notification } = letter
        && !alerts::still_calls(conn, account.id, notification).await?
    {
        return Ok(None);
    }
    let to = key.open_text(email_place(account.id), &account.email_sealed)?;
    let written = letter.written(&account.locale, &account.zone, &app.config.app_url);
    let mail = Mail { id: job.id.0, name: letter.name(), to, written, at: now };
    Ok(Some((letter, mail)))
}

/// A minute, then twice as long each time, up to an hour.
fn pause(attempts: i32) -> Duration {
    let doublings = u32::try_from(attempts - 1).unwrap_or(0).min(10);
    (FIRST_PAUSE * 2_i32.pow(doublings)).min(LONGEST_PAUSE)
}

/// What is over goes, with its secrets; the rest waits. Nothing happens if the lease is somebody else's by now.
async fn record(app: &AppState, job: &jobs::Model, again: bool) -> ApiResult<()> {
    let conn = app.db.writer();
    if again {
        jobs::Entity::update_many()
            .col_expr(jobs::Column::State, Expr::value("planned"))
            .col_expr(jobs::Column::RunAt, Expr::value(app.clock.now() + pause(job.attempts)))
            .filter(jobs::Column::Id.eq(job.id))
            .filter(jobs::Column::Fence.eq(job.fence))
            .exec(conn)
            .await?;
        return Ok(());
    }
    jobs::Entity::delete_many()
        .filter(jobs::Column::Id.eq(job.id))
        .filter(jobs::Column::Fence.eq(job.fence))
        .exec(conn)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_an_hour() {
        let minutes: Vec<i64> = (1..=9).map(|attempt| pause(attempt).num_minutes()).collect();
        assert_eq!(minutes, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(pause(i32::MAX), LONGEST_PAUSE);
    }
}
