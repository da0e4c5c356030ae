//! Devices that an account knows: whoever logged in once on a device keeps a secret there, and is not shut out on it by
//! what strangers try elsewhere.

use aws_lc_rs::digest;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::Duration;
use entity::{
    ids::{AccountId, LoginId},
    known_devices, logins,
};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect, QueryTrait, Set,
    Statement, sea_query::Expr,
};

use crate::{app::AppState, db::WriteTx, error::ApiResult};

/// Longer than any login lives.
const FORGOTTEN: Duration = Duration::days(400);

fn hash(secret: &str) -> Vec<u8> {
    digest::digest(&digest::SHA256, secret.as_bytes()).as_ref().to_vec()
}

/// The hash of the secret if the account behind the address knows it. One statement, whatever there is.
pub async fn find(app: &AppState, email: &str, secret: Option<&str>) -> ApiResult<Option<Vec<u8>>> {
    let Some(secret) = secret else { return Ok(None) };
    let conn = app.db.reader();
    let hash = hash(secret);
    let statement = Statement::from_sql_and_values(
        conn.get_database_backend(),
        "SELECT 1 AS one FROM known_devices d JOIN accounts a ON a.id = d.account_id \
         WHERE a.email_index = $1 AND d.device_hash = $2",
        [app.vault.index().email(email).into(), hash.clone().into()],
    );
    Ok(conn.query_one_raw(statement).await?.map(|_| hash))
}

/// Makes the device known; returns the secret that it keeps.
pub async fn remember(app: &AppState, tx: &WriteTx, account: AccountId) -> ApiResult<String> {
    let secret = BASE64_URL_SAFE_NO_PAD.encode(app.random.bytes::<32>());
    let row = known_devices::ActiveModel {
        account_id: Set(account),
        device_hash: Set(hash(&secret)),
        created_at: Set(tx.now()),
        last_used_at: Set(tx.now()),
    };
    known_devices::Entity::insert(row).exec_without_returning(tx.conn()).await?;
    Ok(secret)
}

/// Notes that a known device was used.
pub async fn touch(tx: &WriteTx, account: AccountId, hash: &[u8]) -> ApiResult<()> {
    known_devices::Entity::update_many()
        .col_expr(known_devices::Column::LastUsedAt, Expr::value(tx.now()))
        .filter(known_devices::Column::AccountId.eq(account))
        .filter(known_devices::Column::DeviceHash.eq(hash.to_vec()))
        .exec(tx.conn())
        .await?;
    Ok(())
}

/// When the login began that this device last used, or was first known by. Devices carry no login's name, so that
/// logins can be forgotten before them; but each was made known, or noted as used, in the instant of a login.
fn of_login(login: LoginId, account: AccountId) -> Condition {
    let began = logins::Entity::find()
        .select_only()
        .column(logins::Column::CreatedAt)
        .filter(logins::Column::Id.eq(login))
        .filter(logins::Column::AccountId.eq(account))
        .into_query();
    Condition::any()
        .add(known_devices::Column::LastUsedAt.in_subquery(began.clone()))
        .add(known_devices::Column::CreatedAt.in_subquery(began))
}

/// Forgets the device of a login that its owner ended from elsewhere: it may be in somebody else's hands.
pub async fn forget_of(tx: &WriteTx, account: AccountId, login: LoginId) -> ApiResult<()> {
    forget(tx, account, of_login(login, account)).await
}

/// Forgets every device of an account but that of this login.
pub async fn forget_others(tx: &WriteTx, account: AccountId, keep: LoginId) -> ApiResult<()> {
    forget(tx, account, of_login(keep, account).not()).await
}

async fn forget(tx: &WriteTx, account: AccountId, which: Condition) -> ApiResult<()> {
    known_devices::Entity::delete_many()
        .filter(known_devices::Column::AccountId.eq(account))
        .filter(which)
        .exec(tx.conn())
        .await?;
    Ok(())
}

/// Forgets every device of an account.
pub async fn forget_all(tx: &WriteTx, account: AccountId) -> ApiResult<()> {
    known_devices::Entity::delete_many()
        .filter(known_devices::Column::AccountId.eq(account))
        .exec(tx.conn())
        .await?;
    Ok(())
}

/// Forgets devices that nobody has logged in from for longer than a login lives.
pub async fn purge(app: &AppState) -> ApiResult<()> {
    known_devices::Entity::delete_many()
        .filter(known_devices::Column::LastUsedAt.lt(app.clock.now() - FORGOTTEN))
        .exec(app.db.writer())
        .await?;
    Ok(())
}
