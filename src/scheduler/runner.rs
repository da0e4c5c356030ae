//! The loop that calls the tick: until the next due time, a nudge, or the polling interval, whichever is first.
//! Nudges only shorten the wait; correctness needs none of them.

use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::ids::{ClinicId, PatientId};
use sea_orm::{ConnectionTrait, Statement};
use tokio_util::sync::CancellationToken;

use super::{keeping::Keeping, tick};
use crate::{
    app::AppState, attachments, consents::Purpose, db::Writing, erasure, error::ApiResult, reminders, sync,
};

/// How long to wait after a tick that failed.
const AFTER_FAILURE: Duration = Duration::from_secs(1);
/// How often to look for rules that nothing is planned for.
const SWEEP_EVERY: chrono::Duration = chrono::Duration::minutes(5);
/// Most patients planned anew by one sweep.
const SWEEP_BATCH: i64 = 200;

/// Runs until `stop`. A batch that was claimed is finished first: it takes no longer than its sends.
pub async fn run(app: AppState, stop: CancellationToken) {
    let mut swept = app.clock.now() - SWEEP_EVERY;
    let mut keeping = Keeping::default();
    while !stop.is_cancelled() {
        let wait = match tick(&app).await {
            Ok(report) if report.claimed > 0 => continue,
            Ok(_) => pause(&app).await,
            Err(error) => {
                tracing::warn!(?error, "a scheduler tick failed; leases bring its work back");
                metrics::counter!("scheduler_tick_failures_total").increment(1);
                AFTER_FAILURE
            }
        };
        if app.clock.now() - swept >= SWEEP_EVERY {
            swept = app.clock.now();
            if let Err(error) = sweep(&app).await {
                tracing::warn!(?error, "the sweep for rules without a next occurrence failed");
            }
            if let Err(error) = sync::purge(&app).await {
                tracing::warn!(?error, "old deletions were not forgotten; the next sweep tries again");
            }
            if let Err(error) = erasure::run_due(&app).await {
                tracing::error!(?error, "an erasure that is due was not done; the next sweep tries again");
            }
            keeping.run(&app).await;
            if let Err(error) = attachments::sweep(&app).await {
                tracing::warn!(?error, "the sweep for abandoned uploads failed");
            }
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = app.wake.notified() => {}
            () = pass(wait) => {}
        }
    }
    keeping.anchor(&app).await;
}

/// For loops that look again now and then.
#[expect(clippy::disallowed_methods, reason = "loops that wait for time to pass do it here")]
pub async fn pass(wait: Duration) {
    tokio::time::sleep(wait).await;
}

/// Plans for patients with an active rule that has no open occurrence, whatever the cause. Returns how many there were.
pub async fn sweep(app: &AppState) -> ApiResult<usize> {
    let conn = app.db.reader();
    let statement = Statement::from_sql_and_values(
        conn.get_database_backend(),
        "SELECT DISTINCT r.patient_id, a.clinic_id FROM reminders r JOIN accounts a ON a.id = r.patient_id \
         WHERE r.active AND a.state = 'active' AND NOT EXISTS (SELECT 1 FROM notifications n \
         WHERE n.recipient_id = r.patient_id AND n.origin_id = r.id AND n.state IN ('planned','claimed','retrying')) \
         AND NOT EXISTS (SELECT 1 FROM consents c WHERE c.patient_id = r.patient_id AND c.purpose = $2 \
         AND c.withdrawn_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM consents l WHERE l.patient_id = c.patient_id \
         AND l.purpose = c.purpose AND l.given_at > c.given_at)) LIMIT $1",
        [SWEEP_BATCH.into(), Purpose::Reminders.as_str().into()],
    );
    let rows = conn.query_all_raw(statement).await?;
    for row in &rows {
        let patient: PatientId = row.try_get("", "patient_id")?;
        let clinic: ClinicId = row.try_get("", "clinic_id")?;
        let writing =
            Writing { actor: patient.into(), stream: clinic.0, patient: Some(patient), request_id: "sweep" };
        app.db.write(&writing, async |tx| reminders::replan_patient(tx, patient).await).await?;
    }
    Ok(rows.len())
}

/// How long until something is due, at most the polling interval.
async fn pause(app: &AppState) -> Duration {
    let longest = Duration::from_secs(app.config.scheduler.poll_seconds.max(1));
    match next_due(app).await {
        Ok(Some(due)) => (due - app.clock.now()).to_std().unwrap_or(Duration::ZERO).min(longest),
        _ => longest,
    }
}

async fn next_due(app: &AppState) -> ApiResult<Option<DateTime<Utc>>> {
    let conn = app.db.reader();
    let statement = Statement::from_string(
        conn.get_database_backend(),
        "SELECT next_attempt_at FROM notifications WHERE state IN ('planned','claimed','retrying') \
         ORDER BY next_attempt_at, recipient_id, id LIMIT 1",
    );
    match conn.query_one_raw(statement).await? {
        Some(row) => Ok(Some(row.try_get("", "next_attempt_at")?)),
        None => Ok(None),
    }
}
