//! Erasing those whose time has come: one transaction a patient, driven by the data map.

use entity::{
    TABLES,
    data_map::{Erasure, Owner, TableRule},
    ids::{ClinicId, PatientId},
};
use sea_orm::{ConnectionTrait, QueryResult, Statement};

use super::{ledger, remains};
use crate::{
    app::AppState,
    audit::Event,
    db::{WriteTx, Writing},
    error::{ApiError, ApiResult},
};

/// Most patients in one go.
const BATCH: i64 = 20;

/// What the map cannot say: rows of others that tell of the patient, and a label that may name them.
const TRACES: [&str; 4] = [
    "DELETE FROM deliveries WHERE notification_id IN \
     (SELECT id FROM notifications WHERE subject_patient_id = $1)",
    "DELETE FROM notifications WHERE subject_patient_id = $1",
    "DELETE FROM refresh_tokens WHERE login_id IN (SELECT id FROM logins WHERE account_id = $1)",
    "UPDATE invitations SET label_sealed = NULL, used_by = NULL WHERE used_by = $1",
];

/// Erases every patient whose week is over. Returns how many; call it again while it is a full batch.
pub async fn run_due(app: &AppState) -> ApiResult<usize> {
    let (due, mut failed) = (due(app).await?, None);
    for (patient, clinic) in &due {
        let writing = Writing {
            actor: (*patient).into(),
            stream: clinic.0,
            patient: Some(*patient),
            request_id: "erasure",
        };
        match app.db.write(&writing, async |tx| erase(tx, *patient).await).await {
            Ok(()) => app.remains.note(),
            // Another worker was faster, or the patient stopped it a moment ago.
            Err(ApiError::NotFound) => {}
            // What is wrong with one keeps nobody else's promise from being kept.
            Err(error) => {
                tracing::error!(%error, "a patient could not be erased");
                failed = Some(error);
            }
        }
    }
    // What stays is said in the log, and taken the next time.
    let _gone = remains::clear(app).await;
    if !due.is_empty() {
        ledger::note(app).await?;
    }
    failed.map_or(Ok(due.len()), Err)
}

async fn due(app: &AppState) -> ApiResult<Vec<(PatientId, ClinicId)>> {
    let conn = app.db.reader();
    let statement = Statement::from_sql_and_values(
        conn.get_database_backend(),
        "SELECT patient_id, clinic_id FROM erasures WHERE done_at IS NULL AND due_at <= $1 \
         ORDER BY due_at, patient_id LIMIT $2",
        [app.clock.now().into(), BATCH.into()],
    );
    let rows = conn.query_all_raw(statement).await?;
    let of = |row: &QueryResult| Ok((row.try_get("", "patient_id")?, row.try_get("", "clinic_id")?));
    rows.iter().map(of).collect()
}

async fn erase(tx: &WriteTx, patient: PatientId) -> ApiResult<()> {
    let done = "UPDATE erasures SET done_at = $2 WHERE patient_id = $1 AND done_at IS NULL AND due_at <= $2";
    let backend = tx.conn().get_database_backend();
    let values = [patient.0.into(), tx.now().into()];
    let noted = tx.conn().execute_raw(Statement::from_sql_and_values(backend, done, values)).await?;
    if noted.rows_affected() == 0 {
        return Err(ApiError::NotFound);
    }
    let own =
        TABLES.iter().filter(|table| table.erasure == Erasure::RowsGo).filter_map(|table| own_rows(table));
    for sql in TRACES.into_iter().map(str::to_owned).chain(own) {
        let statement = Statement::from_sql_and_values(backend, sql, [patient.0.into()]);
        tx.conn().execute_raw(statement).await?;
    }
    tx.audit(Event::new("erasure.done", patient, format!("patients/{patient}")));
    Ok(())
}

/// The statement that takes a patient's rows out of a table whose rows go; the clinic's own key of its record stays.
fn own_rows(table: &TableRule) -> Option<String> {
    let name = table.table;
    match table.owner {
        Owner::Patient(column) | Owner::Account(column) => {
            Some(format!("DELETE FROM {name} WHERE {column} = $1"))
        }
        Owner::KeyOwner(column) => {
            let kind = if name == "data_keys" { " AND owner_kind = 'patient'" } else { "" };
            Some(format!("DELETE FROM {name} WHERE {column} = $1{kind}"))
        }
        // Before their logins: see `TRACES`.
        Owner::Login(_) | Owner::Clinic(_) | Owner::Nobody => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_whose_rows_go_has_a_statement() {
        for table in TABLES.iter().filter(|table| table.erasure == Erasure::RowsGo) {
            let traced = TRACES.iter().any(|sql| sql.starts_with(&format!("DELETE FROM {} ", table.table)));
            assert!(own_rows(table).is_some() || traced, "nothing erases {}", table.table);
        }
    }
}
