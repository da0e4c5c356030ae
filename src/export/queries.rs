//! Rows of archives. The owner is part of every predicate.

use chrono::Duration;
use entity::{
    export_chunks, exports,
    ids::{ExportId, JobId, PatientId},
    jobs,
};
use sea_orm::{ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};

use crate::{
    audit::Event,
    db::WriteTx,
    error::{ApiError, ApiResult},
    vault::{DataKey, Place},
};

pub const BUILDING: &str = "building";
pub const READY: &str = "ready";
pub const FAILED: &str = "failed";

/// The kind of the jobs that make archives; each has its archive's id.
pub const KIND: &str = "export";

/// How long an archive waits to be taken, from when it was asked for and again from when it is ready.
pub const LIFE: Duration = Duration::hours(48);

fn place(id: ExportId, number: i32) -> Place {
    Place::new("export_chunks", "content_sealed", id).part(number)
}

/// One that is being made counts; any other is replaced.
pub async fn request(tx: &WriteTx, patient: PatientId, locale: &str) -> ApiResult<exports::Model> {
    let own = || exports::Entity::find().filter(exports::Column::PatientId.eq(patient));
    let under_way = own()
        .filter(exports::Column::State.eq(BUILDING))
        .filter(exports::Column::ExpiresAt.gt(tx.now()))
        .order_by_desc(exports::Column::RequestedAt)
        .one(tx.conn())
        .await?;
    if let Some(row) = under_way {
        return Ok(row);
    }
    for old in own().all(tx.conn()).await? {
        delete(tx.conn(), patient, old.id).await?;
    }
    let id = ExportId(tx.new_id());
    let row = exports::Model {
        patient_id: patient,
        id,
        state: BUILDING.to_owned(),
        locale: locale.to_owned(),
        requested_at: tx.now(),
        ready_at: None,
        expires_at: tx.now() + LIFE,
        bytes: 0,
        chunks: 0,
    };
    let job = jobs::Model {
        id: JobId(id.0),
        kind: KIND.to_owned(),
        owner_id: patient.0,
        payload_sealed: None,
        state: "planned".to_owned(),
        run_at: tx.now(),
        lease_until: None,
        fence: 0,
        attempts: 0,
        created_at: tx.now(),
    };
    let insert = exports::ActiveModel::from(row.clone()).reset_all();
    exports::Entity::insert(insert).exec_without_returning(tx.conn()).await?;
    let job = jobs::ActiveModel::from(job).reset_all();
    jobs::Entity::insert(job).exec_without_returning(tx.conn()).await?;
    tx.audit(Event::new("export.request", patient, format!("exports/{id}")));
    Ok(row)
}

/// One that has not expired.
pub async fn find(
    conn: &impl ConnectionTrait,
    patient: PatientId,
    id: ExportId,
    now: chrono::DateTime<chrono::Utc>,
) -> ApiResult<exports::Model> {
    exports::Entity::find_by_id((patient, id))
        .filter(exports::Column::ExpiresAt.gt(now))
        .one(conn)
        .await?
        .ok_or(ApiError::NotFound)
}

/// The archive with its bytes and its job.
pub async fn delete(conn: &impl ConnectionTrait, patient: PatientId, id: ExportId) -> ApiResult<()> {
    delete_chunks(conn, patient, id).await?;
    exports::Entity::delete_by_id((patient, id)).exec(conn).await?;
    jobs::Entity::delete_by_id(JobId(id.0)).exec(conn).await?;
    Ok(())
}

pub async fn delete_chunks(conn: &impl ConnectionTrait, patient: PatientId, id: ExportId) -> ApiResult<()> {
    export_chunks::Entity::delete_many()
        .filter(export_chunks::Column::PatientId.eq(patient))
        .filter(export_chunks::Column::ExportId.eq(id))
        .exec(conn)
        .await?;
    Ok(())
}

pub async fn insert_chunk(
    conn: &impl ConnectionTrait,
    key: &DataKey,
    (patient, id): (PatientId, ExportId),
    number: i32,
    content: &[u8],
) -> ApiResult<()> {
    let row = export_chunks::Model {
        patient_id: patient,
        export_id: id,
        number,
        content_sealed: key.seal(place(id, number), content),
    };
    let row = export_chunks::ActiveModel::from(row).reset_all();
    export_chunks::Entity::insert(row).exec_without_returning(conn).await?;
    Ok(())
}

pub async fn load_chunk(
    conn: &impl ConnectionTrait,
    key: &DataKey,
    (patient, id): (PatientId, ExportId),
    number: i32,
) -> ApiResult<Vec<u8>> {
    let row = export_chunks::Entity::find_by_id((patient, id, number)).one(conn).await?;
    Ok(key.open(place(id, number), &row.ok_or(ApiError::NotFound)?.content_sealed)?)
}
