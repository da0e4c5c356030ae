//! Logins: one family of refresh tokens a device. A token's successor is derived from the family and a counter, so
//! that a lost answer can be repeated although only hashes are stored; an older token that comes back ends the family.

use aws_lc_rs::digest;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, Duration, Utc};
use entity::{
    accounts,
    ids::{AccountId, ClinicId, LoginId},
    logins, push_subscriptions, refresh_tokens,
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect, QueryTrait, Set,
    sea_query::{Expr, ExprTrait, OnConflict},
};

use super::caller::ENROLMENT;
use crate::{
    app::AppState,
    audit::Event,
    db::{WriteTx, Writing},
    error::{ApiError, ApiResult},
    mail::{self, Letter},
    vault::{DataKey, Place},
};

/// How long a lost answer to a refresh is repeated.
const LOST_ANSWER: Duration = Duration::seconds(30);

/// A pair of tokens for one login.
pub struct Issued {
    pub account: AccountId,
    pub login: LoginId,
    pub refresh_token: String,
    pub refresh_expires_at: DateTime<Utc>,
    /// A second factor has to be set up first.
    pub totp_required: bool,
    /// What the device keeps, so that it is known next time; only when it was not.
    pub device_secret: Option<String>,
}

/// Whom a login is for.
#[derive(Debug)]
pub struct NewLogin<'a> {
    pub account: AccountId,
    pub epoch: i32,
    pub is_patient: bool,
    /// Which factors were shown: `password`, `totp`, or `enrolment` while one is missing.
    pub assurance: &'a str,
    pub device: &'a str,
}

/// How long a login lives, idle and at most.
struct Life {
    idle: Duration,
    most: Duration,
}

fn life(app: &AppState, is_patient: bool) -> Life {
    let auth = &app.config.auth;
    if is_patient {
        Life { idle: Duration::days(auth.patient_idle_days), most: Duration::days(auth.patient_max_days) }
    } else {
        Life { idle: Duration::minutes(auth.staff_idle_minutes), most: Duration::hours(auth.staff_max_hours) }
    }
}

fn token(app: &AppState, login: LoginId, counter: i64) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(app.refresh_mac.sign(&[login.0.as_bytes(), &counter.to_be_bytes()]))
}

fn token_hash(token: &str) -> Vec<u8> {
    digest::digest(&digest::SHA256, token.as_bytes()).as_ref().to_vec()
}

/// Where the name of a device is sealed.
pub fn device_place(login: LoginId) -> Place {
    Place::new("logins", "device_name_sealed", login)
}

/// The name of the device, opened with the account's key.
pub fn device_name(login: &logins::Model, key: &DataKey) -> ApiResult<String> {
    Ok(key.open_text(device_place(login.id), &login.device_name_sealed)?)
}

/// Starts a login on a device.
pub async fn issue(app: &AppState, tx: &WriteTx, new: NewLogin<'_>, key: &DataKey) -> ApiResult<Issued> {
    let NewLogin { account, epoch, is_patient, assurance, device } = new;
    let now = tx.now();
    let id = LoginId(app.random.uuid_v7(now));
    let life = life(app, is_patient);
    let idle_expires_at = now + life.idle.min(life.most);
    let row = logins::ActiveModel {
        id: Set(id),
        account_id: Set(account),
        epoch: Set(epoch),
        assurance: Set(assurance.to_owned()),
        factor_at: Set(now),
        counter: Set(1),
        rotated_at: Set(now),
        device_name_sealed: Set(key.seal_text(device_place(id), device)),
        created_at: Set(now),
        last_used_at: Set(now),
        idle_expires_at: Set(idle_expires_at),
        expires_at: Set(now + life.most),
        revoked_at: Set(None),
        revoke_reason: Set(None),
    };
    logins::Entity::insert(row).exec_without_returning(tx.conn()).await?;
    let refresh_token = token(app, id, 1);
    remember(tx.conn(), id, 1, &refresh_token).await?;
    Ok(Issued {
        account,
        login: id,
        refresh_token,
        refresh_expires_at: idle_expires_at,
        totp_required: assurance == ENROLMENT,
        device_secret: None,
    })
}

async fn remember(conn: &impl ConnectionTrait, login: LoginId, counter: i64, token: &str) -> ApiResult<()> {
    let row = refresh_tokens::ActiveModel {
        token_hash: Set(token_hash(token)),
        login_id: Set(login),
        counter: Set(counter),
    };
    refresh_tokens::Entity::insert(row)
        .on_conflict(OnConflict::new().do_nothing().to_owned())
        .exec_without_returning(conn)
        .await?;
    Ok(())
}

struct Family {
    login: logins::Model,
    account: accounts::Model,
    counter: i64,
}

/// Exchanges a refresh token for its successor.
///
/// Rotation with reuse detection (RFC 9700, section 4.14.2). 401 for anything but the present token, or the one before
/// it within half a minute of its exchange; any older one also ends the login on that device.
pub async fn refresh(app: &AppState, presented: &str, request_id: &str) -> ApiResult<Issued> {
    let family = family(app, presented).await?.ok_or(ApiError::Unauthenticated)?;
    let writing =
        Writing { actor: family.account.id, stream: family.account.clinic_id.0, patient: None, request_id };
    let outcome = app.db.write(&writing, async |tx| rotate(app, tx, &family).await).await?;
    outcome.ok_or(ApiError::Unauthenticated)
}

async fn family(app: &AppState, presented: &str) -> ApiResult<Option<Family>> {
    if presented.len() != 43 {
        return Ok(None);
    }
    let conn = app.db.reader();
    let Some(row) = refresh_tokens::Entity::find_by_id(token_hash(presented)).one(conn).await? else {
        return Ok(None);
    };
    let Some(login) = logins::Entity::find_by_id(row.login_id).one(conn).await? else { return Ok(None) };
    let account = accounts::Entity::find_by_id(login.account_id).one(conn).await?;
    Ok(account.map(|account| Family { login, account, counter: row.counter }))
}

/// The successor; none when the token was refused, which may have revoked the family (and that must be committed).
async fn rotate(app: &AppState, tx: &WriteTx, family: &Family) -> ApiResult<Option<Issued>> {
    let (login, account, now) = (&family.login, &family.account, tx.now());
    let life = life(app, account.kind == "patient");
    let idle_expires_at = Ord::min(now + life.idle, login.expires_at);
    let alive = logins::Entity::update_many()
        .col_expr(logins::Column::Counter, Expr::value(family.counter + 1))
        .col_expr(logins::Column::RotatedAt, Expr::value(now))
        .col_expr(logins::Column::LastUsedAt, Expr::value(now))
        .col_expr(logins::Column::IdleExpiresAt, Expr::value(idle_expires_at))
        .filter(logins::Column::Id.eq(login.id))
        .filter(logins::Column::Counter.eq(family.counter))
        .filter(logins::Column::RevokedAt.is_null())
        .filter(logins::Column::IdleExpiresAt.gt(now))
        .filter(logins::Column::ExpiresAt.gt(now))
        .filter(logins::Column::Epoch.eq(account.epoch))
        .exec(tx.conn())
        .await?
        .rows_affected
        == 1;
    if !alive && !lost_answer(app, tx, family).await? {
        return Ok(None);
    }
    let refresh_token = token(app, login.id, family.counter + 1);
    remember(tx.conn(), login.id, family.counter + 1, &refresh_token).await?;
    Ok(Some(Issued {
        account: account.id,
        login: login.id,
        refresh_token,
        refresh_expires_at: idle_expires_at,
        totp_required: login.assurance == ENROLMENT,
        device_secret: None,
    }))
}

/// Whether the token was exchanged a moment ago and its successor is still unused. Anything older ends the family.
async fn lost_answer(app: &AppState, tx: &WriteTx, family: &Family) -> ApiResult<bool> {
    let Some(login) = logins::Entity::find_by_id(family.login.id).one(tx.conn()).await? else {
        return Ok(false);
    };
    if login.revoked_at.is_some() || login.idle_expires_at <= tx.now() || login.epoch != family.account.epoch
    {
        return Ok(false);
    }
    if login.counter == family.counter + 1 && tx.now() - login.rotated_at <= LOST_ANSWER {
        return Ok(true);
    }
    revoke(tx, login.id, "refresh_token_reused").await?;
    tx.audit(
        Event::new("accounts.refresh_reuse", login.account_id, format!("logins/{}", login.id)).refused(),
    );
    mail::enqueue(app, tx, login.account_id, &Letter::LoginEnded { at: tx.now() }).await?;
    Ok(false)
}

/// Ends one login and what its device was subscribed to.
pub async fn revoke(tx: &WriteTx, login: LoginId, reason: &str) -> ApiResult<()> {
    logins::Entity::update_many()
        .col_expr(logins::Column::RevokedAt, Expr::value(tx.now()))
        .col_expr(logins::Column::RevokeReason, Expr::value(reason))
        .filter(logins::Column::Id.eq(login))
        .filter(logins::Column::RevokedAt.is_null())
        .exec(tx.conn())
        .await?;
    refresh_tokens::Entity::delete_many()
        .filter(refresh_tokens::Column::LoginId.eq(login))
        .exec(tx.conn())
        .await?;
    push_subscriptions::Entity::delete_many()
        .filter(push_subscriptions::Column::LoginId.eq(login))
        .exec(tx.conn())
        .await?;
    Ok(())
}

/// Ends every login of an account but `keep`, also those that are being made right now: their epoch is over. 401 when
/// `keep` itself has ended meanwhile.
pub async fn end_others(
    tx: &WriteTx,
    account: AccountId,
    keep: Option<LoginId>,
    reason: &str,
) -> ApiResult<()> {
    let keep = keep.unwrap_or(LoginId(uuid::Uuid::nil()));
    accounts::Entity::update_many()
        .col_expr(accounts::Column::Epoch, Expr::col(accounts::Column::Epoch).add(1))
        .filter(accounts::Column::Id.eq(account))
        .exec(tx.conn())
        .await?;
    let kept = logins::Entity::update_many()
        .col_expr(logins::Column::Epoch, Expr::col(logins::Column::Epoch).add(1))
        .filter(logins::Column::Id.eq(keep))
        .filter(logins::Column::RevokedAt.is_null())
        .exec(tx.conn())
        .await?;
    if kept.rows_affected == 0 && !keep.0.is_nil() {
        return Err(ApiError::Unauthenticated);
    }
    logins::Entity::update_many()
        .col_expr(logins::Column::RevokedAt, Expr::value(tx.now()))
        .col_expr(logins::Column::RevokeReason, Expr::value(reason))
        .filter(logins::Column::AccountId.eq(account))
        .filter(logins::Column::Id.ne(keep))
        .filter(logins::Column::RevokedAt.is_null())
        .exec(tx.conn())
        .await?;
    let others = logins::Entity::find()
        .select_only()
        .column(logins::Column::Id)
        .filter(logins::Column::AccountId.eq(account))
        .filter(logins::Column::Id.ne(keep))
        .into_query();
    refresh_tokens::Entity::delete_many()
        .filter(refresh_tokens::Column::LoginId.in_subquery(others))
        .exec(tx.conn())
        .await?;
    push_subscriptions::Entity::delete_many()
        .filter(push_subscriptions::Column::AccountId.eq(account))
        .filter(push_subscriptions::Column::LoginId.ne(keep))
        .exec(tx.conn())
        .await?;
    Ok(())
}

/// Notes that a factor was given just now. 401 when the login has ended meanwhile.
pub async fn freshen(tx: &WriteTx, login: LoginId) -> ApiResult<()> {
    let alive = logins::Entity::update_many()
        .col_expr(logins::Column::FactorAt, Expr::value(tx.now()))
        .filter(logins::Column::Id.eq(login))
        .filter(logins::Column::RevokedAt.is_null())
        .exec(tx.conn())
        .await?;
    if alive.rows_affected == 1 { Ok(()) } else { Err(ApiError::Unauthenticated) }
}

/// The writing of a person who has no login yet.
pub fn anonymous(account: AccountId, clinic: ClinicId, request_id: &str) -> Writing<'_> {
    Writing { actor: account, stream: clinic.0, patient: None, request_id }
}
