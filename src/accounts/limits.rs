//! Limits on guessing, counted in the database so that all replicas share them. Buckets are keyed hashes: the table
//! tells neither addresses nor networks. A device that an account knows is counted by itself: strangers who use every
//! other limit up cannot shut its owner out.

use std::collections::HashMap;

use chrono::{DateTime, Duration, Utc};
use entity::{
    ids::{AccountId, LoginId},
    login_attempts,
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Statement, Value,
    sea_query::{Expr, ExprTrait},
};

use crate::{
    app::AppState,
    error::{ApiError, ApiResult},
};

const WINDOW: Duration = Duration::minutes(15);
const DAY: Duration = Duration::hours(24);

/// What is counted together.
#[derive(Debug, Clone, Copy)]
pub enum Bucket<'a> {
    /// Log-ins to one address from one network.
    LoginPair { email: &'a str, network: &'a str },
    /// Log-ins to one address from anywhere, but for devices it knows.
    Address(&'a str),
    /// Log-ins of strangers to anybody.
    Overall,
    /// Log-ins from one device that the account knows.
    Device(&'a [u8]),
    /// Log-ins, registrations and invitation look-ups from one network.
    Network(&'a str),
    /// Factors given anew on one device that is logged in.
    Login(LoginId),
    /// Codes given anew on one device that is logged in, over a day: six digits are few.
    LoginDay(LoginId),
    /// Second factors of an account from one device that it knows, or from all others.
    Code { account: AccountId, device: Option<&'a [u8]> },
    /// The same over a day: six digits are few.
    CodeDay { account: AccountId, device: Option<&'a [u8]> },
    /// Mails that one address is sent because somebody asked.
    ResetMail(&'a str),
    /// Codes of the front desk tried for one address.
    Desk(&'a str),
}

impl Bucket<'_> {
    fn most(&self) -> i32 {
        match self {
            Self::ResetMail(_) => 3,
            Self::LoginPair { .. } | Self::Device(_) | Self::Login(_) | Self::Code { .. } | Self::Desk(_) => {
                10
            }
            Self::Address(_) | Self::CodeDay { .. } | Self::LoginDay(_) => 50,
            Self::Network(_) => 300,
            Self::Overall => 10_000,
        }
    }

    fn window(&self) -> Duration {
        if matches!(self, Self::CodeDay { .. } | Self::LoginDay(_)) { DAY } else { WINDOW }
    }

    /// Whether it counts strangers, and so is never reset by whoever gets in.
    fn of_strangers(&self) -> bool {
        matches!(self, Self::Network(_) | Self::Overall)
    }

    /// The seconds to wait after so many attempts since then, if they are too many.
    fn wait(&self, (attempts, since): (i32, DateTime<Utc>), now: DateTime<Utc>) -> Option<i64> {
        let over = (since + self.window() - now).num_seconds();
        (attempts > self.most() && since > now - self.window()).then(|| Ord::max(over, 1))
    }

    pub fn key(&self, app: &AppState) -> Vec<u8> {
        let index = |email| app.vault.index().email(email);
        let sign = |parts: &[&[u8]]| app.limits_mac.sign(parts).to_vec();
        match self {
            Self::LoginPair { email, network } => sign(&[b"pair", &index(email), network.as_bytes()]),
            Self::Address(email) => sign(&[b"address", &index(email)]),
            Self::Overall => sign(&[b"overall"]),
            Self::Device(hash) => sign(&[b"device", hash]),
            Self::Network(network) => sign(&[b"network", network.as_bytes()]),
            Self::Login(login) => sign(&[b"login", login.0.as_bytes()]),
            Self::LoginDay(login) => sign(&[b"login a day", login.0.as_bytes()]),
            Self::Code { account, device } => {
                sign(&[b"code", account.0.as_bytes(), device.unwrap_or_default()])
            }
            Self::CodeDay { account, device } => {
                sign(&[b"code a day", account.0.as_bytes(), device.unwrap_or_default()])
            }
            Self::ResetMail(email) => sign(&[b"reset mail", &index(email)]),
            Self::Desk(email) => sign(&[b"desk", &index(email)]),
        }
    }
}

/// Counts an attempt; 429 when there were too many in the bucket's time.
pub async fn count_attempt(app: &AppState, bucket: Bucket<'_>) -> ApiResult<()> {
    count_attempts(app, &[bucket]).await
}

/// Counts one attempt in each bucket with one statement; 429 when any of them is full. Whoever asks on against a limit
/// that no success resets is refused by a read: it must not cost what a write costs, which has one place on SQLite.
pub async fn count_attempts(app: &AppState, buckets: &[Bucket<'_>]) -> ApiResult<()> {
    let now = app.clock.now();
    refuse_strangers(app, buckets, now).await?;
    let mut keyed: Vec<(Vec<u8>, Bucket<'_>)> =
        buckets.iter().map(|bucket| (bucket.key(app), *bucket)).collect();
    // Always in one order, so that two requests never wait for each other.
    keyed.sort_by(|one, other| one.0.cmp(&other.0));
    let mut values: Vec<Value> = vec![now.into()];
    let (mut rows, mut over) = (Vec::new(), Vec::new());
    for (key, bucket) in &keyed {
        let n = values.len();
        rows.push(format!("(${}, 1, $1)", n + 1));
        over.push(format!(
            "(login_attempts.bucket = ${} AND login_attempts.window_start <= ${})",
            n + 1,
            n + 2
        ));
        values.extend([key.clone().into(), (now - bucket.window()).into()]);
    }
    let over = over.join(" OR ");
    let sql = format!(
        "INSERT INTO login_attempts (bucket, attempts, window_start) VALUES {} ON CONFLICT (bucket) DO UPDATE SET \
         attempts = CASE WHEN {over} THEN 1 ELSE login_attempts.attempts + 1 END, \
         window_start = CASE WHEN {over} THEN $1 ELSE login_attempts.window_start END \
         RETURNING bucket, attempts, window_start",
        rows.join(", ")
    );
    let conn = app.db.writer();
    let statement = Statement::from_sql_and_values(conn.get_database_backend(), sql, values);
    let mut counted: HashMap<Vec<u8>, (i32, DateTime<Utc>)> = HashMap::new();
    for row in conn.query_all_raw(statement).await? {
        let count = (row.try_get("", "attempts")?, row.try_get("", "window_start")?);
        counted.insert(row.try_get("", "bucket")?, count);
    }
    refuse_longest(keyed.iter().filter_map(|(key, bucket)| bucket.wait(*counted.get(key)?, now)))
}

/// 429 when the next attempt would be over a limit that no success resets.
async fn refuse_strangers(app: &AppState, buckets: &[Bucket<'_>], now: DateTime<Utc>) -> ApiResult<()> {
    let keyed: Vec<(Vec<u8>, &Bucket<'_>)> = buckets
        .iter()
        .filter(|bucket| bucket.of_strangers())
        .map(|bucket| (bucket.key(app), bucket))
        .collect();
    if keyed.is_empty() {
        return Ok(());
    }
    let keys = keyed.iter().map(|(key, _)| key.clone());
    let held = login_attempts::Entity::find()
        .filter(login_attempts::Column::Bucket.is_in(keys))
        .all(app.db.reader())
        .await?;
    refuse_longest(keyed.iter().filter_map(|(key, bucket)| {
        let held = held.iter().find(|held| held.bucket == *key)?;
        bucket.wait((held.attempts + 1, held.window_start), now)
    }))
}

fn refuse_longest(waits: impl IntoIterator<Item = i64>) -> ApiResult<()> {
    match waits.into_iter().max() {
        Some(seconds) => Err(ApiError::TooMany { retry_after: u64::try_from(seconds).unwrap_or(1) }),
        None => Ok(()),
    }
}

/// Forgets a bucket after a success.
pub async fn forget(app: &AppState, bucket: Bucket<'_>) -> ApiResult<()> {
    login_attempts::Entity::delete_by_id(bucket.key(app)).exec(app.db.writer()).await?;
    Ok(())
}

/// Takes one attempt back: it was no guess.
pub async fn forgive(app: &AppState, bucket: Bucket<'_>) -> ApiResult<()> {
    login_attempts::Entity::update_many()
        .col_expr(login_attempts::Column::Attempts, Expr::col(login_attempts::Column::Attempts).sub(1))
        .filter(login_attempts::Column::Bucket.eq(bucket.key(app)))
        .filter(login_attempts::Column::Attempts.gt(0))
        .exec(app.db.writer())
        .await?;
    Ok(())
}

/// Takes out what no limit looks at any more.
pub async fn purge(app: &AppState) -> ApiResult<()> {
    login_attempts::Entity::delete_many()
        .filter(login_attempts::Column::WindowStart.lt(app.clock.now() - DAY))
        .exec(app.db.writer())
        .await?;
    Ok(())
}
