//! Rows of erasures.

use chrono::Duration;
use entity::{
    erasures,
    ids::{AccountId, ClinicId, PatientId},
};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Set};
use uuid::Uuid;

use crate::{
    app::AppState,
    audit::Event,
    db::{WriteTx, Writing},
    error::ApiResult,
    mail::{self, Letter},
};

/// How long a patient can think again.
pub const DELAY: Duration = Duration::days(7);

pub async fn find(conn: &impl ConnectionTrait, patient: PatientId) -> ApiResult<Option<erasures::Model>> {
    Ok(erasures::Entity::find_by_id(patient).one(conn).await?)
}

/// Notes that the patient wants it. Asked twice, the first time counts.
pub async fn request(tx: &WriteTx, patient: PatientId, clinic: ClinicId) -> ApiResult<erasures::Model> {
    if let Some(row) = find(tx.conn(), patient).await? {
        return Ok(row);
    }
    let row = erasures::Model {
        patient_id: patient,
        clinic_id: clinic,
        requested_at: tx.now(),
        due_at: tx.now() + DELAY,
        done_at: None,
    };
    let active = erasures::ActiveModel {
        patient_id: Set(row.patient_id),
        clinic_id: Set(row.clinic_id),
        requested_at: Set(row.requested_at),
        due_at: Set(row.due_at),
        done_at: Set(None),
    };
    erasures::Entity::insert(active).exec_without_returning(tx.conn()).await?;
    tx.audit(Event::new("erasure.request", patient, format!("patients/{patient}")));
    Ok(row)
}

/// Tells every patient whose erasure was pending in a restored backup that it waits for a week anew: the backup cannot
/// know whether they have stopped it since. Returns how many there are.
pub async fn tell_put_off(app: &AppState) -> ApiResult<usize> {
    let pending = erasures::Entity::find()
        .filter(erasures::Column::DoneAt.is_null())
        .filter(erasures::Column::DueAt.gt(app.clock.now()))
        .all(app.db.reader())
        .await?;
    for row in &pending {
        let patient = row.patient_id;
        let writing = Writing {
            actor: AccountId(Uuid::nil()),
            stream: row.clinic_id.0,
            patient: Some(patient),
            request_id: "command-line",
        };
        app.db
            .write(&writing, async |tx| {
                tx.audit(Event::new("erasure.put_off_by_restore", patient, format!("patients/{patient}")));
                mail::offer(app, tx, patient.into(), &Letter::ErasurePutOff { at: row.due_at }).await
            })
            .await?;
    }
    Ok(pending.len())
}

/// Stops what was asked for; nothing happens if nothing was.
pub async fn cancel(tx: &WriteTx, patient: PatientId) -> ApiResult<()> {
    let gone = erasures::Entity::delete_many()
        .filter(erasures::Column::PatientId.eq(patient))
        .filter(erasures::Column::DoneAt.is_null())
        .exec(tx.conn())
        .await?;
    if gone.rows_affected > 0 {
        tx.audit(Event::new("erasure.cancel", patient, format!("patients/{patient}")));
    }
    Ok(())
}
