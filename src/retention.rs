//! What is kept for a time only, and goes when that is over. Everything else goes when its owner deletes it, or with
//! its patient (`erasure`). Once a day, in small bites, so that nobody waits for it.

use chrono::{DateTime, Duration, Utc};
use entity::{
    TABLES,
    data_map::{Erasure, Owner},
};
use sea_orm::{ConnectionTrait, Statement};

use crate::{app::AppState, erasure, error::ApiResult};

const BITE: i64 = 500;
/// How long a repeated request gets its first answer.
const ANSWERS: Duration = Duration::hours(24);

/// One kind of rows that go: their table, its key, which of them ($1 is the instant before which), and rows of others
/// that go before them (`due` holds the keys).
struct Kind {
    table: &'static str,
    key: &'static str,
    over: &'static str,
    before: &'static [&'static str],
    cutoff: DateTime<Utc>,
}

fn kinds(app: &AppState) -> [Kind; 3] {
    let (now, settings) = (app.clock.now(), &app.config.retention);
    let days = |days: i64| now - Duration::days(days);
    [
        Kind {
            table: "idempotency_keys",
            key: "account_id, operation, key",
            over: "created_at < $1",
            before: &[],
            cutoff: now - ANSWERS,
        },
        Kind {
            table: "logins",
            key: "id",
            over: "revoked_at < $1 OR expires_at < $1 OR idle_expires_at < $1",
            before: &[
                "DELETE FROM refresh_tokens WHERE login_id IN (SELECT id FROM due)",
                "DELETE FROM push_subscriptions WHERE login_id IN (SELECT id FROM due)",
            ],
            cutoff: days(settings.ended_logins_days),
        },
        Kind {
            table: "invitations",
            key: "id",
            over: "used_at < $1 OR revoked_at < $1 OR expires_at < $1",
            before: &[],
            cutoff: days(settings.invitations_days),
        },
    ]
}

/// Takes away whatever is over. Returns how many rows.
pub async fn run(app: &AppState) -> ApiResult<u64> {
    let mut gone = 0;
    for kind in kinds(app) {
        loop {
            let bitten = bite(app, &kind).await?;
            gone += bitten;
            if bitten < BITE.unsigned_abs() {
                break;
            }
        }
    }
    gone += clinic_records(app).await?;
    if gone > 0 {
        app.remains.note();
        let _gone = erasure::clear_remains(app).await;
    }
    Ok(gone)
}

async fn bite(app: &AppState, kind: &Kind) -> ApiResult<u64> {
    let Kind { table, key, over, .. } = kind;
    let txn = app.db.begin().await?;
    let backend = txn.get_database_backend();
    // The same rows in each statement: the order is that of the key, and nothing else is between them.
    let due = format!("WITH due AS (SELECT {key} FROM {table} WHERE {over} ORDER BY {key} LIMIT $2)");
    let values = || [kind.cutoff.into(), BITE.into()];
    for sql in kind.before {
        let sql = format!("{due} {sql}");
        txn.execute_raw(Statement::from_sql_and_values(backend, sql, values())).await?;
    }
    let sql = format!("{due} DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM due)");
    let bitten =
        txn.execute_raw(Statement::from_sql_and_values(backend, sql, values())).await?.rows_affected();
    txn.commit().await?;
    Ok(bitten)
}

/// What the clinic kept of patients who were erased, with the key that sealed it. The audit chain stays.
async fn clinic_records(app: &AppState) -> ApiResult<u64> {
    let years = app.config.retention.clinic_record_years;
    let cutoff = app.clock.now() - Duration::days(365 * years);
    let txn = app.db.begin().await?;
    let mut gone = 0;
    let of_erased = "IN (SELECT patient_id FROM erasures WHERE done_at < $1)";
    let kept = TABLES.iter().filter(|table| table.table != "erasures").filter_map(|table| match table {
        table if matches!(table.erasure, Erasure::RowsGo) => None,
        table => match table.owner {
            Owner::Patient(column) => Some(format!("DELETE FROM {} WHERE {column} {of_erased}", table.table)),
            _ => None,
        },
    });
    let key = format!("DELETE FROM data_keys WHERE owner_kind = 'clinic_record' AND owner_id {of_erased}");
    for sql in kept.chain([key]) {
        let statement = Statement::from_sql_and_values(txn.get_database_backend(), sql, [cutoff.into()]);
        gone += txn.execute_raw(statement).await?.rows_affected();
    }
    txn.commit().await?;
    Ok(gone)
}
