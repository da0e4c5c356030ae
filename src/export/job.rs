//! Making archives: taken under a lease with a fence, begun anew after a worker that died, and given up at once when
//! the account is closed, the archive replaced, or the patient erased.

use std::time::Duration as Wait;

use chrono::Duration;
use entity::{
    accounts, exports,
    ids::{AccountId, ExportId, JobId, PatientId},
    jobs,
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Statement,
    sea_query::Expr,
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{
    archive::Archive,
    page,
    queries::{self, FAILED, KIND, LIFE, READY},
    tables::{self, Keys},
};
use crate::{
    accounts::wrapped,
    app::AppState,
    attachments::{MediaType, Stored, load_chunk, parts},
    care::clinic_key,
    error::{ApiError, ApiResult},
    fhir,
    jobs::claim,
    vault::{DataKey, KeyOwner, OwnerKind},
};

/// What `records.json` says it is.
pub const FORMAT: &str = "afterglow-export";
/// Rises when an older program would read a new archive wrongly.
pub const VERSION: u64 = 1;

const LEASE: Duration = Duration::minutes(2);
/// An archive that fails so often is not tried again.
const MOST_ATTEMPTS: i32 = 5;
const SWEEP_BATCH: u64 = 100;

/// Makes archives until `stop`. One that was begun is left to the next worker, which begins it anew.
pub async fn run(app: AppState, stop: CancellationToken) {
    let wait = Wait::from_secs(app.config.scheduler.poll_seconds.max(1));
    loop {
        let made = tokio::select! {
            () = stop.cancelled() => return,
            made = run_due(&app) => made,
        };
        match made {
            Ok(0) => {}
            Ok(_) => continue,
            Err(error) => tracing::warn!(?error, "an archive was not made; its lease brings it back"),
        }
        if tokio::time::timeout(wait, stop.cancelled()).await.is_ok() {
            return;
        }
    }
}

/// Makes one archive that is asked for. Returns how many there were.
pub async fn run_due(app: &AppState) -> ApiResult<usize> {
    let Some(job) = claim(app, KIND, LEASE, 1).await?.pop() else { return Ok(0) };
    if job.attempts > MOST_ATTEMPTS {
        // The last one did not even end: it took the process with it.
        give_up(app, &job).await?;
        return Ok(1);
    }
    match build(app, &job).await {
        Ok(()) => metrics::counter!("exports_total", "outcome" => "ready").increment(1),
        // The right to it has ended, or another worker has it now.
        Err(ApiError::NotFound) => clean_up(app, &job).await?,
        Err(error) if job.attempts < MOST_ATTEMPTS => return Err(error),
        Err(error) => {
            tracing::error!(?error, "an archive could not be made");
            give_up(app, &job).await?;
        }
    }
    Ok(1)
}

/// One archive under way, as long as it is ours and allowed.
pub struct Building<'a> {
    app: &'a AppState,
    job: &'a jobs::Model,
    key: DataKey,
}

impl Building<'_> {
    fn whose(&self) -> (PatientId, ExportId) {
        whose(self.job)
    }

    /// Stores one piece, and keeps the lease. [`ApiError::NotFound`] when the archive is not to be made any more.
    pub async fn store(&self, number: i32, piece: &[u8]) -> ApiResult<()> {
        let txn = self.app.db.begin().await?;
        self.still(&txn).await?;
        queries::insert_chunk(&txn, &self.key, self.whose(), number, piece).await?;
        Ok(txn.commit().await?)
    }

    async fn still(&self, conn: &impl ConnectionTrait) -> ApiResult<()> {
        let lease = self.app.clock.now() + LEASE;
        let statement = Statement::from_sql_and_values(
            conn.get_database_backend(),
            "UPDATE jobs SET lease_until = $2, run_at = $2 WHERE id = $1 AND fence = $3 AND state = 'claimed' \
             AND EXISTS (SELECT 1 FROM exports e JOIN accounts a ON a.id = e.patient_id \
             WHERE e.patient_id = $4 AND e.id = $1 AND e.state = 'building' AND a.state = 'active')",
            [self.job.id.0.into(), lease.into(), self.job.fence.into(), self.job.owner_id.into()],
        );
        let held = conn.execute_raw(statement).await?.rows_affected();
        if held == 0 { Err(ApiError::NotFound) } else { Ok(()) }
    }
}

fn whose(job: &jobs::Model) -> (PatientId, ExportId) {
    (PatientId(job.owner_id), ExportId(job.id.0))
}

async fn build(app: &AppState, job: &jobs::Model) -> ApiResult<()> {
    let (patient, id) = whose(job);
    let conn = app.db.reader();
    let export = queries::find(conn, patient, id, app.clock.now()).await?;
    let own = wrapped(conn, KeyOwner::new(OwnerKind::Patient, patient)).await?;
    let record = match wrapped(conn, KeyOwner::new(OwnerKind::ClinicRecord, patient)).await {
        Err(ApiError::NotFound) => None,
        key => Some(app.vault.unwrap(&key?)?),
    };
    let account = accounts::Entity::find_by_id(AccountId(patient.0)).one(conn).await?;
    let clinic = clinic_key(app, account.ok_or(ApiError::NotFound)?.clinic_id).await?;
    let keys = Keys { patient: app.vault.unwrap(&own)?, record, clinic };
    let building = Building { app, job, key: keys.patient.clone() };
    let txn = app.db.begin().await?;
    building.still(&txn).await?;
    // What a worker left that died.
    queries::delete_chunks(&txn, patient, id).await?;
    txn.commit().await?;

    // As they are at one moment, whatever is written meanwhile.
    let moment = app.db.snapshot().await?;
    let records = tables::records(&moment, patient, &keys).await?;
    let exchange = exchange(app, &moment, &keys, &export).await?;
    moment.rollback().await?;
    let mut archive = Archive::new(&building);
    let readable = page::page(&records, &export.locale, export.requested_at);
    let document = json!({
        "format": FORMAT, "version": VERSION, "requested_at": export.requested_at,
        "patient_id": patient, "tables": records,
    });
    archive.begin("records.json", true)?;
    archive.write(&serde_json::to_vec_pretty(&document).map_err(ApiError::internal)?).await?;
    archive.begin("fhir.json", true)?;
    archive.write(&exchange).await?;
    archive.begin("readable.html", true)?;
    archive.write(readable.as_bytes()).await?;
    files(app, &mut archive, patient, &keys.patient).await?;
    let (chunks, bytes) = archive.finish().await?;
    finish(&building, chunks, bytes).await
}

/// The same records for other systems.
async fn exchange(
    app: &AppState,
    conn: &impl ConnectionTrait,
    keys: &Keys,
    export: &exports::Model,
) -> ApiResult<Vec<u8>> {
    let opening = fhir::Keys { patient: &keys.patient, record: keys.record.as_ref(), clinic: &keys.clinic };
    let whose = (export.patient_id, opening);
    let facts = fhir::load(app, conn, whose, (fhir::Reader::Own, &export.locale)).await?;
    serde_json::to_vec_pretty(&fhir::Bundle::of(&facts)).map_err(ApiError::internal)
}

async fn files(
    app: &AppState,
    archive: &mut Archive<'_>,
    patient: PatientId,
    key: &DataKey,
) -> ApiResult<()> {
    let found = entity::attachments::Entity::find()
        .filter(entity::attachments::Column::PatientId.eq(patient))
        .filter(entity::attachments::Column::State.eq("complete"))
        .order_by_asc(entity::attachments::Column::Id)
        .all(app.db.reader())
        .await?;
    for row in found {
        archive.begin(&file_name(&row), false)?;
        for number in 0..parts(row.bytes) {
            match load_chunk(app.db.reader(), key, Stored::from(&row), number).await {
                Ok(piece) => archive.write(&piece).await?,
                // Its entry was deleted a moment ago: then it is not the patient's to have any more.
                Err(_) if attachment_is_gone(app, &row).await? => break,
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

/// What the file of an attachment is called in an archive.
pub fn file_name(row: &entity::attachments::Model) -> String {
    let extension = MediaType::parse(&row.media_type).map_or("bin", MediaType::extension);
    format!("files/{}.{extension}", row.id)
}

async fn attachment_is_gone(app: &AppState, row: &entity::attachments::Model) -> ApiResult<bool> {
    Ok(entity::attachments::Entity::find_by_id((row.patient_id, row.id))
        .one(app.db.reader())
        .await?
        .is_none())
}

async fn finish(building: &Building<'_>, chunks: i32, bytes: i64) -> ApiResult<()> {
    let (app, (patient, id)) = (building.app, building.whose());
    let now = app.clock.now();
    let txn = app.db.begin().await?;
    building.still(&txn).await?;
    exports::Entity::update_many()
        .col_expr(exports::Column::State, Expr::value(READY))
        .col_expr(exports::Column::ReadyAt, Expr::value(now))
        .col_expr(exports::Column::ExpiresAt, Expr::value(now + LIFE))
        .col_expr(exports::Column::Bytes, Expr::value(bytes))
        .col_expr(exports::Column::Chunks, Expr::value(chunks))
        .filter(exports::Column::PatientId.eq(patient))
        .filter(exports::Column::Id.eq(id))
        .exec(&txn)
        .await?;
    jobs::Entity::delete_by_id(JobId(id.0)).exec(&txn).await?;
    Ok(txn.commit().await?)
}

/// Takes away what was made of an archive that must not be, unless another worker has it now.
async fn clean_up(app: &AppState, job: &jobs::Model) -> ApiResult<()> {
    let (patient, id) = whose(job);
    let txn = app.db.begin().await?;
    let gone = jobs::Entity::delete_many()
        .filter(jobs::Column::Id.eq(job.id))
        .filter(jobs::Column::Fence.eq(job.fence))
        .exec(&txn)
        .await?;
    // Whoever takes an archive away takes its job along, and whoever finishes one does: then nothing here is ours.
    if gone.rows_affected > 0 {
        queries::delete(&txn, patient, id).await?;
    }
    Ok(txn.commit().await?)
}

async fn give_up(app: &AppState, job: &jobs::Model) -> ApiResult<()> {
    tracing::error!(attempts = job.attempts, "an archive is given up");
    metrics::counter!("exports_total", "outcome" => "failed").increment(1);
    let (patient, id) = whose(job);
    let txn = app.db.begin().await?;
    let ours = jobs::Entity::delete_many()
        .filter(jobs::Column::Id.eq(job.id))
        .filter(jobs::Column::Fence.eq(job.fence))
        .exec(&txn)
        .await?;
    if ours.rows_affected > 0 {
        queries::delete_chunks(&txn, patient, id).await?;
        exports::Entity::update_many()
            .col_expr(exports::Column::State, Expr::value(FAILED))
            .filter(exports::Column::PatientId.eq(patient))
            .filter(exports::Column::Id.eq(id))
            .exec(&txn)
            .await?;
    }
    Ok(txn.commit().await?)
}

/// Takes archives away whose time is over. Returns how many.
pub async fn sweep(app: &AppState) -> ApiResult<usize> {
    let over = exports::Entity::find()
        .filter(exports::Column::ExpiresAt.lte(app.clock.now()))
        .limit(SWEEP_BATCH)
        .all(app.db.reader())
        .await?;
    for row in &over {
        let txn = app.db.begin().await?;
        queries::delete(&txn, row.patient_id, row.id).await?;
        txn.commit().await?;
    }
    Ok(over.len())
}
