//! Versions of a record: rows are added and never changed. The patient is part of every predicate.

use entity::{
    administrations::{self, Column, Model},
    ids::{AccountId, PatientId, SessionId},
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder,
    QuerySelect, Statement,
};
use serde::{Deserialize, Serialize};

use super::{
    super::queries as session_rows,
    dto::{Administration, AdministrationRecord},
    rules,
};
use crate::{
    accounts,
    app::AppState,
    db::WriteTx,
    error::{ApiError, ApiResult},
    vault::{DataKey, KeyOwner, OwnerKind, Place},
};

/// Most versions of a record.
const MOST: i32 = 50;

/// What is sealed.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    record: AdministrationRecord,
    by: String,
}

fn place(session: SessionId, version: i32) -> Place {
    Place::new("administrations", "record_sealed", session).part(version)
}

/// The key of what the clinic keeps about a patient.
pub async fn record_key(
    app: &AppState,
    conn: &impl ConnectionTrait,
    patient: PatientId,
) -> ApiResult<DataKey> {
    let owner = KeyOwner::new(OwnerKind::ClinicRecord, patient);
    Ok(app.vault.unwrap(&accounts::wrapped(conn, owner).await?)?)
}

fn view(row: Model, key: &DataKey) -> ApiResult<Administration> {
    let kept: Kept = key.open_json(place(row.session_id, row.version), &row.record_sealed)?;
    Ok(Administration {
        session_id: row.session_id,
        version: row.version,
        record: kept.record,
        recorded_by: row.recorded_by,
        recorded_by_name: kept.by,
        recorded_at: row.recorded_at,
    })
}

/// The versions of a session's record, latest first and at most so many; 404 when there is none.
pub async fn versions(
    conn: &impl ConnectionTrait,
    (patient, session): (PatientId, SessionId),
    key: &DataKey,
    most: u64,
) -> ApiResult<Vec<Administration>> {
    let rows = administrations::Entity::find()
        .filter(Column::PatientId.eq(patient))
        .filter(Column::SessionId.eq(session))
        .order_by_desc(Column::Version)
        .limit(most)
        .all(conn)
        .await?;
    if rows.is_empty() {
        return Err(ApiError::NotFound);
    }
    rows.into_iter().map(|row| view(row, key)).collect()
}

/// The latest version.
pub async fn latest(
    conn: &impl ConnectionTrait,
    of: (PatientId, SessionId),
    key: &DataKey,
) -> ApiResult<Administration> {
    versions(conn, of, key, 1).await?.pop().ok_or(ApiError::NotFound)
}

/// The latest version of every record of a patient, by session.
pub async fn all_latest(
    conn: &impl ConnectionTrait,
    patient: PatientId,
    key: &DataKey,
) -> ApiResult<Vec<Administration>> {
    let sql = "SELECT a.* FROM administrations a WHERE a.patient_id = $1 AND NOT EXISTS (SELECT 1 \
         FROM administrations n WHERE n.patient_id = a.patient_id AND n.session_id = a.session_id \
         AND n.version > a.version) ORDER BY a.session_id";
    let statement = Statement::from_sql_and_values(conn.get_database_backend(), sql, [patient.0.into()]);
    let rows = Model::find_by_statement(statement).all(conn).await?;
    rows.into_iter().map(|row| view(row, key)).collect()
}

/// Adds a version to a record that is at `version`, 0 before there is any.
pub async fn add(
    tx: &WriteTx,
    (patient, session): (PatientId, SessionId),
    key: &DataKey,
    (me, name): (AccountId, String),
    (version, record): (i32, AdministrationRecord),
) -> ApiResult<Administration> {
    let row = session_rows::find(tx.conn(), patient, session).await?;
    rules::check_session(&row)?;
    if newest(tx, patient, session).await? != version {
        return Err(ApiError::stale());
    }
    rules::check_record(&record, &row, version, tx.now())?;
    if version >= MOST {
        let detail = "It was corrected so often that no further version is kept. Write a note in the chart.";
        return Err(ApiError::conflict("too_many_corrections", detail));
    }
    let row = Model {
        patient_id: patient,
        session_id: session,
        version: version + 1,
        recorded_by: me,
        recorded_at: tx.now(),
        record_sealed: key.seal_json(place(session, version + 1), &Kept { record, by: name }),
    };
    let active: administrations::ActiveModel = row.clone().into();
    administrations::Entity::insert(active.reset_all()).exec_without_returning(tx.conn()).await?;
    view(row, key)
}

/// The number of the latest version, 0 without one.
async fn newest(tx: &WriteTx, patient: PatientId, session: SessionId) -> ApiResult<i32> {
    let newest: Option<i32> = administrations::Entity::find()
        .select_only()
        .column(Column::Version)
        .filter(Column::PatientId.eq(patient))
        .filter(Column::SessionId.eq(session))
        .order_by_desc(Column::Version)
        .limit(1)
        .into_tuple()
        .one(tx.conn())
        .await?;
    Ok(newest.unwrap_or(0))
}
