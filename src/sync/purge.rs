//! Deletions and operations are remembered for half a year. What is forgotten leaves a mark, so that a device that
//! was away for longer begins again instead of missing it.

use chrono::Duration;
use entity::ids::PatientId;
use sea_orm::{ConnectionTrait, Statement};

use crate::{app::AppState, error::ApiResult};

/// How long deletions and operations are remembered.
const MEMORY: Duration = Duration::days(180);
/// Most patients in one go.
const BATCH: i64 = 200;

/// Forgets what is too old. Returns of how many patients; call it again while it is a full batch.
pub async fn purge(app: &AppState) -> ApiResult<usize> {
    let conn = app.db.reader();
    let before = app.clock.now() - MEMORY;
    let statement = Statement::from_sql_and_values(
        conn.get_database_backend(),
        "SELECT patient_id FROM tombstones WHERE deleted_at < $1 \
         UNION SELECT patient_id FROM sync_ops WHERE applied_at < $1 LIMIT $2",
        [before.into(), BATCH.into()],
    );
    let patients = conn.query_all_raw(statement).await?;
    for row in &patients {
        let patient: PatientId = row.try_get("", "patient_id")?;
        let txn = app.db.begin().await?;
        for sql in [
            // Also the lock of the patient's row: no push is in between.
            "UPDATE patients SET sync_floor = (SELECT COALESCE(MAX(t.sync_seq), patients.sync_floor) \
             FROM tombstones t WHERE t.patient_id = $1 AND t.deleted_at < $2) WHERE patient_id = $1",
            "DELETE FROM tombstones WHERE patient_id = $1 AND deleted_at < $2",
            "DELETE FROM sync_ops WHERE patient_id = $1 AND applied_at < $2",
        ] {
            let values = [patient.0.into(), before.into()];
            txn.execute_raw(Statement::from_sql_and_values(txn.get_database_backend(), sql, values)).await?;
        }
        txn.commit().await?;
    }
    Ok(patients.len())
}
