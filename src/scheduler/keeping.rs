//! What is done beside reminders, every few minutes: anchors, the ledger of erasures, and what is kept for a time only.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};
use uuid::Uuid;

use crate::{app::AppState, audit, erasure, export, retention};

/// How often to look for what was kept long enough.
const RETAIN_EVERY: Duration = Duration::days(1);

/// What this process has done so far.
#[derive(Debug, Default)]
pub struct Keeping {
    anchored: BTreeMap<Uuid, i64>,
    retained: Option<DateTime<Utc>>,
}

impl Keeping {
    /// Does each of it; what fails is tried again the next time.
    pub async fn run(&mut self, app: &AppState) {
        self.anchor(app).await;
        if let Err(error) = erasure::note(app).await {
            tracing::error!(?error, "erasures were not written to erasure.ledger_file");
        }
        if let Err(error) = export::sweep(app).await {
            tracing::warn!(?error, "archives whose time is over are still there");
        }
        let now = app.clock.now();
        if self.retained.is_none_or(|last| now - last >= RETAIN_EVERY) {
            match retention::run(app).await {
                Ok(_) => self.retained = Some(now),
                Err(error) => tracing::warn!(?error, "what was kept long enough is still there"),
            }
        }
    }

    /// Writes down how far the audit chains are.
    pub async fn anchor(&mut self, app: &AppState) {
        if let Err(error) = audit::anchor(app, &mut self.anchored).await {
            tracing::error!(?error, "the heads of the audit chains were not written to audit.anchor_file");
            metrics::counter!("audit_anchor_failures_total").increment(1);
        }
    }
}
