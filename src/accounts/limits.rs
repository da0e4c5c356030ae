//! Limits on guessing, counted in the database so that all replicas share them. Buckets are keyed hashes: the table
//! tells neither addresses nor networks.

use chrono::Duration;
use sea_orm::{ConnectionTrait, EntityTrait, Statement};

use crate::{
    app::AppState,
    error::{ApiError, ApiResult},
};

const WINDOW: Duration = Duration::minutes(15);

/// What is counted together.
#[derive(Debug, Clone, Copy)]
pub enum Bucket<'a> {
    /// Log-ins to one address from one network.
    LoginPair { email: &'a str, network: &'a str },
    /// Log-ins, registrations and invitation look-ups from one network.
    Network(&'a str),
}

impl Bucket<'_> {
    fn most(&self) -> i32 {
        match self {
            Self::LoginPair { .. } => 10,
            Self::Network(_) => 300,
        }
    }

    fn key(&self, app: &AppState) -> Vec<u8> {
        match self {
            Self::LoginPair { email, network } => {
                app.limits_mac.sign(&[b"pair", &app.vault.index().email(email), network.as_bytes()])
            }
            Self::Network(network) => app.limits_mac.sign(&[b"network", network.as_bytes()]),
        }
        .to_vec()
    }
}

/// Counts an attempt; 429 when there were too many in the last quarter of an hour.
pub async fn count_attempt(app: &AppState, bucket: Bucket<'_>) -> ApiResult<()> {
    let now = app.clock.now();
    let statement = Statement::from_sql_and_values(
        app.db.writer().get_database_backend(),
        "INSERT INTO login_attempts (bucket, attempts, window_start) VALUES ($1, 1, $2) \
         ON CONFLICT (bucket) DO UPDATE SET \
         attempts = CASE WHEN login_attempts.window_start <= $3 THEN 1 ELSE login_attempts.attempts + 1 END, \
         window_start = CASE WHEN login_attempts.window_start <= $3 THEN $2 ELSE login_attempts.window_start END \
         RETURNING attempts, window_start",
        [bucket.key(app).into(), now.into(), (now - WINDOW).into()],
    );
    let row = app
        .db
        .writer()
        .query_one_raw(statement)
        .await?
        .ok_or_else(|| ApiError::internal("no row returned"))?;
    let attempts: i32 = row.try_get("", "attempts")?;
    if attempts <= bucket.most() {
        return Ok(());
    }
    let since: chrono::DateTime<chrono::Utc> = row.try_get("", "window_start")?;
    let left = (since + WINDOW - now).num_seconds().max(1);
    Err(ApiError::TooMany { retry_after: u64::try_from(left).unwrap_or(1) })
}

/// Forgets a bucket after a success.
pub async fn forget(app: &AppState, bucket: Bucket<'_>) -> ApiResult<()> {
    entity::login_attempts::Entity::delete_by_id(bucket.key(app)).exec(app.db.writer()).await?;
    Ok(())
}
