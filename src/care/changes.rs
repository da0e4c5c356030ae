//! A number on each care relation that rises with everything its member would find changed in the review queue, so that
//! a poll is answered from one index. What is private never moves it: nobody learns from it that a patient was writing.

use entity::ids::{AccountId, JournalEntryId, PatientId};
use sea_orm::{ConnectionTrait, DbErr, Statement, Value};

const RISE: &str =
    "UPDATE care_relations SET review_seq = review_seq + 1 WHERE patient_id = $1 AND ended_at IS NULL";

async fn run(conn: &impl ConnectionTrait, sql: String, values: Vec<Value>) -> Result<(), DbErr> {
    let statement = Statement::from_sql_and_values(conn.get_database_backend(), sql, values);
    conn.execute_raw(statement).await.map(drop)
}

/// Something that the whole care team sees has changed: an alert, or the end of all shares.
pub async fn changed_for_team(conn: &impl ConnectionTrait, patient: PatientId) -> Result<(), DbErr> {
    run(conn, RISE.to_owned(), vec![patient.0.into()]).await
}

/// Something that one member sees has changed.
pub async fn changed_for(
    conn: &impl ConnectionTrait,
    patient: PatientId,
    member: AccountId,
) -> Result<(), DbErr> {
    run(conn, format!("{RISE} AND member_id = $2"), vec![patient.0.into(), member.0.into()]).await
}

/// What of an entry has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryChange {
    /// Only the words: whoever was shown a frozen revision learns nothing of it.
    Words,
    /// Its mark, or that it is there.
    Mark,
}

/// An entry has changed for those who read it. New words are to be reviewed again.
pub async fn entry_changed(
    conn: &impl ConnectionTrait,
    patient: PatientId,
    entry: JournalEntryId,
    change: EntryChange,
) -> Result<(), DbErr> {
    let live = if change == EntryChange::Words { " AND frozen_revision IS NULL" } else { "" };
    let open = format!("patient_id = $1 AND entry_id = $2 AND ended_at IS NULL{live}");
    let values = || vec![patient.0.into(), entry.0.into()];
    let readers = format!("{RISE} AND member_id IN (SELECT member_id FROM journal_shares WHERE {open})");
    run(conn, readers, values()).await?;
    if change == EntryChange::Words {
        let again =
            format!("UPDATE journal_shares SET reviewed_at = NULL WHERE {open} AND reviewed_at IS NOT NULL");
        run(conn, again, values()).await?;
    }
    Ok(())
}
