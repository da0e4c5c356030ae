//! A new password for whoever lost theirs: a token by mail, or a code from the front desk (`desk.rs`). Both open the
//! choice of a password once and nothing else; neither logs anybody in.

use aws_lc_rs::digest;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, Duration, Utc};
use entity::{accounts, ids::AccountId, reset_requests, reset_tokens};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set,
    sea_query::{Expr, OnConflict},
};
use secrecy::ExposeSecret;

use super::{
    Bucket, desk, devices,
    limits::{self, count_attempts},
    logins, queries,
    register::own_key,
    reset_dto::{PasswordReset, PasswordResetRequest},
    step_up, strength,
};
use crate::{
    app::AppState,
    audit::Event,
    db::WriteTx,
    error::{ApiError, ApiResult},
    mail::{self, Letter},
    validate::Checks,
};

const MAIL: &str = "mail";
const MAIL_LIFE: Duration = Duration::minutes(30);
/// Whoever asked so long ago has asked again, or no longer waits.
const REQUEST_LIFE: Duration = Duration::days(1);
const BATCH: u64 = 50;

fn hash(token: &str) -> Vec<u8> {
    digest::digest(&digest::SHA256, token.as_bytes()).as_ref().to_vec()
}

/// Notes that somebody asks. Whether the address has an account is looked up later, by a worker: what is answered here,
/// and how long that takes, tells nothing.
pub async fn ask(app: &AppState, input: &PasswordResetRequest, network: &str) -> ApiResult<()> {
    let buckets = [Bucket::Network(network), Bucket::Overall, Bucket::ResetMail(&input.email)];
    count_attempts(app, &buckets).await?;
    let row = reset_requests::ActiveModel {
        email_index: Set(app.vault.index().email(&input.email)),
        requested_at: Set(app.clock.now()),
    };
    reset_requests::Entity::insert(row)
        .on_conflict(
            OnConflict::column(reset_requests::Column::EmailIndex)
                .update_column(reset_requests::Column::RequestedAt)
                .to_owned(),
        )
        .exec_without_returning(app.db.writer())
        .await?;
    Ok(())
}

/// Puts mails into the outbox for those who asked and have an account. Returns how many had asked.
pub async fn answer_requests(app: &AppState) -> ApiResult<usize> {
    let asked = reset_requests::Entity::find()
        .order_by_asc(reset_requests::Column::RequestedAt)
        .limit(BATCH)
        .all(app.db.reader())
        .await?;
    let mut answered = 0;
    for request in &asked {
        // One that cannot be answered must not keep the others from their mail.
        match answer_request(app, request).await {
            Ok(()) => answered += 1,
            Err(error) => tracing::error!(?error, "who asked for a new password cannot be written to"),
        }
    }
    Ok(answered)
}

async fn answer_request(app: &AppState, request: &reset_requests::Model) -> ApiResult<()> {
    let account = accounts::Entity::find()
        .filter(accounts::Column::EmailIndex.eq(request.email_index.clone()))
        .filter(accounts::Column::State.eq("active"))
        .one(app.db.reader())
        .await?;
    let lives = app.clock.now() - request.requested_at < REQUEST_LIFE;
    let Some(account) = account.filter(|_| lives) else {
        reset_requests::Entity::delete_by_id(request.email_index.clone()).exec(app.db.writer()).await?;
        return Ok(());
    };
    let writing = logins::anonymous(account.id, account.clinic_id, "password-reset");
    app.db.write(&writing, async |tx| answer(app, tx, request, account.id).await).await
}

async fn answer(
    app: &AppState,
    tx: &WriteTx,
    request: &reset_requests::Model,
    account: AccountId,
) -> ApiResult<()> {
    let gone = reset_requests::Entity::delete_by_id(request.email_index.clone()).exec(tx.conn()).await?;
    if gone.rows_affected == 0 {
        // Another worker was faster.
        return Ok(());
    }
    let token = BASE64_URL_SAFE_NO_PAD.encode(app.random.bytes::<32>());
    keep(tx, account, MAIL, hash(&token), None, MAIL_LIFE).await?;
    tx.audit(Event::new("accounts.ask_reset", account, format!("accounts/{account}")));
    mail::enqueue(app, tx, account, &Letter::PasswordReset { token }).await
}

/// The one token of its kind that an account has: a later one takes the place of an earlier one.
pub async fn keep(
    tx: &WriteTx,
    account: AccountId,
    kind: &str,
    token_hash: Vec<u8>,
    made_by: Option<AccountId>,
    life: Duration,
) -> ApiResult<DateTime<Utc>> {
    let expires_at = tx.now() + life;
    reset_tokens::Entity::delete_by_id((account, kind.to_owned())).exec(tx.conn()).await?;
    let row = reset_tokens::Model {
        account_id: account,
        kind: kind.to_owned(),
        token_hash,
        made_by,
        created_at: tx.now(),
        expires_at,
        ready_at: None,
    };
    let row: reset_tokens::ActiveModel = row.into();
    reset_tokens::Entity::insert(row.reset_all()).exec_without_returning(tx.conn()).await?;
    Ok(expires_at)
}

pub async fn find(app: &AppState, kind: &str, hash: Vec<u8>) -> ApiResult<Option<reset_tokens::Model>> {
    Ok(reset_tokens::Entity::find()
        .filter(reset_tokens::Column::TokenHash.eq(hash))
        .filter(reset_tokens::Column::Kind.eq(kind))
        .filter(reset_tokens::Column::ExpiresAt.gt(app.clock.now()))
        .one(app.db.reader())
        .await?)
}

/// Chooses a new password with the token of a mail. Every login ends; a second factor stays.
pub async fn reset(app: &AppState, input: &PasswordReset, network: &str, request_id: &str) -> ApiResult<()> {
    count_attempts(app, &[Bucket::Network(network), Bucket::Overall]).await?;
    let token = find(app, MAIL, hash(input.token.expose_secret())).await?;
    choose(app, (token, Way::Mail), input.password.expose_secret(), request_id).await
}

/// What opened the choice of a password.
#[derive(Clone, Copy)]
pub enum Way<'a> {
    Mail,
    /// A code of the front desk, with one of the patient's own.
    OwnCode(&'a str),
    /// A code of the front desk, after the wait.
    Waited,
}

impl Way<'_> {
    fn is_desk(self) -> bool {
        !matches!(self, Self::Mail)
    }

    /// What is said of a token that does not fit, and where.
    pub fn invalid(self) -> ApiError {
        let pointer = if self.is_desk() { "/code" } else { "/token" };
        ApiError::invalid_field(
            pointer,
            "reset_invalid",
            "is not valid, was used, or is too old; ask for a new one",
        )
    }

    fn action(self) -> &'static str {
        if self.is_desk() { "accounts.recover" } else { "accounts.reset_password" }
    }
}

/// Chooses the password and ends every login. Whoever comes from the front desk loses the second factor: it was on the
/// phone that is lost.
pub async fn choose(
    app: &AppState,
    (token, way): (Option<reset_tokens::Model>, Way<'_>),
    password: &str,
    request_id: &str,
) -> ApiResult<()> {
    let token = token.ok_or_else(|| way.invalid())?;
    let row = accounts::Entity::find_by_id(token.account_id)
        .filter(accounts::Column::State.eq("active"))
        .one(app.db.reader())
        .await?
        .ok_or_else(|| way.invalid())?;
    let email = check(app, &row, password, way.is_desk()).await?;
    let hash = app.passwords.hash(password).await?;
    let writing = logins::anonymous(row.id, row.clinic_id, request_id);
    app.db
        .write(&writing, async |tx| {
            spend(tx, &token, way).await?;
            set_password(tx, row.id, hash, step_up::is_short(password)).await?;
            // Also the one that is lost; whoever guesses on it is a stranger from now on.
            devices::forget_all(tx, row.id).await?;
            if way.is_desk() {
                desk::open(app, tx, row.id, way).await?;
            }
            tx.audit(Event::new(way.action(), row.id, format!("accounts/{}", row.id)));
            logins::end_others(tx, row.id, None, "password_reset").await?;
            mail::enqueue(app, tx, row.id, &Letter::PasswordWasReset { at: tx.now() }).await
        })
        .await?;
    // The owner comes to the login as a stranger: what others tried at the old password must not shut them out.
    limits::forget(app, Bucket::Address(&email)).await
}

/// Uses the token up: of any number of requests at once, one gets on. One that has to wait is good only afterwards.
async fn spend(tx: &WriteTx, token: &reset_tokens::Model, way: Way<'_>) -> ApiResult<()> {
    let mut spending = reset_tokens::Entity::delete_many()
        .filter(reset_tokens::Column::TokenHash.eq(token.token_hash.clone()))
        .filter(reset_tokens::Column::ExpiresAt.gt(tx.now()));
    if matches!(way, Way::Waited) {
        spending = spending.filter(reset_tokens::Column::ReadyAt.lte(tx.now()));
    }
    if spending.exec(tx.conn()).await?.rows_affected == 0 {
        return Err(way.invalid());
    }
    Ok(())
}

/// What a new password takes with it: everything that would open the choice of another one.
pub async fn set_password(tx: &WriteTx, account: AccountId, hash: String, short: bool) -> ApiResult<()> {
    accounts::Entity::update_many()
        .col_expr(accounts::Column::PasswordHash, Expr::value(hash))
        .col_expr(accounts::Column::PasswordShort, Expr::value(short))
        .filter(accounts::Column::Id.eq(account))
        .exec(tx.conn())
        .await?;
    reset_tokens::Entity::delete_many()
        .filter(reset_tokens::Column::AccountId.eq(account))
        .exec(tx.conn())
        .await?;
    Ok(())
}

/// Returns the account's address.
async fn check(app: &AppState, row: &accounts::Model, password: &str, desk: bool) -> ApiResult<String> {
    let key = own_key(app, app.db.reader(), row.id, row.kind == "patient").await?;
    let email = key.open_text(queries::email_place(row.id), &row.email_sealed)?;
    let name = queries::display_name(row, &key)?;
    let least = if desk { strength::ALONE } else { step_up::least(row) };
    let mut checks = Checks::default();
    strength::check(&mut checks, "/password", password, &[&email, &name], least);
    checks.finish()?;
    Ok(email)
}

/// Forgets tokens that are too old.
pub async fn purge(app: &AppState) -> ApiResult<()> {
    reset_tokens::Entity::delete_many()
        .filter(reset_tokens::Column::ExpiresAt.lt(app.clock.now()))
        .exec(app.db.writer())
        .await?;
    Ok(())
}
