//! Ending what a patient shares, in every table that keeps shares: by the end of care, or of the consent to sharing.

use entity::ids::{AccountId, PatientId};
use sea_orm::{ConnectionTrait, Statement, Value};

use crate::{db::WriteTx, error::ApiResult};

/// A table of shares, and the records that are shared by it.
struct Shares {
    table: &'static str,
    records: &'static str,
    /// The column of `table` that names the record.
    record_id: &'static str,
}

/// Every table of shares. A share ends by its `ended_at`; its record's `sync_seq` tells the patient's devices.
const SHARES: [Shares; 2] = [
    Shares { table: "journal_shares", records: "journal_entries", record_id: "entry_id" },
    Shares { table: "goal_shares", records: "goals", record_id: "goal_id" },
];

/// Ends what the patient shares with one member, or with everybody.
pub async fn end_shares(tx: &WriteTx, patient: PatientId, member: Option<AccountId>) -> ApiResult<()> {
    let whose = if member.is_some() { " AND member_id = $3" } else { "" };
    let run = async |sql: String, change: Value| {
        let mut values = vec![patient.0.into(), change];
        values.extend(member.map(|member| Value::from(member.0)));
        let statement = Statement::from_sql_and_values(tx.conn().get_database_backend(), sql, values);
        tx.conn().execute_raw(statement).await
    };
    for Shares { table, records, record_id } in SHARES {
        let open = format!("patient_id = $1 AND ended_at IS NULL{whose}");
        let touched = format!(
            "UPDATE {records} SET sync_seq = $2 WHERE patient_id = $1 \
             AND id IN (SELECT {record_id} FROM {table} WHERE {open})"
        );
        run(touched, tx.sync_seq().into()).await?;
        run(format!("UPDATE {table} SET ended_at = $2 WHERE {open}"), tx.now().into()).await?;
    }
    if member.is_none() {
        super::changed_for_team(tx.conn(), patient).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::SHARES;

    #[test]
    fn every_table_of_shares_is_ended() {
        let tables = entity::TABLES.iter().map(|rules| rules.table).filter(|name| name.ends_with("_shares"));
        let known: Vec<&str> = SHARES.iter().map(|shares| shares.table).collect();
        for table in tables {
            assert!(known.contains(&table), "{table}: add it to SHARES, or withdrawing leaves it open");
        }
    }
}
