//! What a handover takes along: the shares of both kinds, read and copied the same way.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use entity::ids::{AccountId, PatientId};
use sea_orm::{ConnectionTrait, Statement, Value};
use uuid::Uuid;

use crate::{
    db::{Engine, WriteTx, many::Ids},
    error::ApiResult,
};

/// A table of shares with what a copy takes along.
pub struct Kept {
    table: &'static str,
    record_id: &'static str,
    columns: &'static str,
    fresh: &'static str,
}

pub const KEPT: [Kept; 2] = [
    Kept {
        table: "journal_shares",
        record_id: "entry_id",
        columns: ", frozen_revision",
        fresh: ", frozen_revision = excluded.frozen_revision, reviewed_at = NULL",
    },
    Kept { table: "goal_shares", record_id: "goal_id", columns: "", fresh: "" },
];

/// Shares of the patient `$1` with the member `$2` that are open at `$3`.
const OPEN: &str =
    "patient_id = $1 AND member_id = $2 AND ended_at IS NULL AND (until IS NULL OR until > $3)";

/// What the patient shares now, by whom it is shared with.
pub async fn shared_ids(
    conn: &impl ConnectionTrait,
    kept: &Kept,
    patient: PatientId,
    now: DateTime<Utc>,
) -> ApiResult<HashMap<AccountId, Vec<Uuid>>> {
    let Kept { table, record_id, .. } = kept;
    let sql = format!(
        "SELECT member_id, {record_id} AS id FROM {table} WHERE patient_id = $1 AND ended_at IS NULL \
         AND (until IS NULL OR until > $2) ORDER BY shared_at DESC, {record_id}"
    );
    let statement =
        Statement::from_sql_and_values(conn.get_database_backend(), sql, [patient.0.into(), now.into()]);
    let mut shared: HashMap<AccountId, Vec<Uuid>> = HashMap::new();
    for row in conn.query_all_raw(statement).await? {
        shared.entry(row.try_get("", "member_id")?).or_default().push(row.try_get("", "id")?);
    }
    Ok(shared)
}

/// Gives the new member the same shares, with the same end and the same frozen words. What they read already they go on
/// reading as it was shared with them.
pub async fn copy(
    tx: &WriteTx,
    kept: &Kept,
    (patient, from, to): (PatientId, AccountId, AccountId),
    ids: Vec<Uuid>,
) -> ApiResult<()> {
    let ids = Ids::new(Engine::of(tx.conn()), ids);
    let Kept { table, record_id, columns, fresh } = kept;
    let sql = format!(
        "INSERT INTO {table} (patient_id, {record_id}, member_id, until, shared_at, ended_at{columns}) \
         SELECT patient_id, {record_id}, $4, until, $3, NULL{columns} FROM {table} \
         WHERE {OPEN} AND {} \
         ON CONFLICT (patient_id, {record_id}, member_id) DO UPDATE SET until = excluded.until, \
         shared_at = excluded.shared_at, ended_at = NULL{fresh} \
         WHERE {table}.ended_at IS NOT NULL OR {table}.until <= $3",
        ids.hold(record_id, 5)
    );
    let values: [Value; 5] = [patient.0.into(), from.0.into(), tx.now().into(), to.0.into(), ids.value()];
    let statement = Statement::from_sql_and_values(tx.conn().get_database_backend(), sql, values);
    tx.conn().execute_raw(statement).await?;
    Ok(())
}
