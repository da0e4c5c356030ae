//! The loop that empties the outbox, apart from the one that sends reminders: a slow mail server delays no push.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::tick;
use crate::{accounts, app::AppState};

/// Runs until `stop`. A batch that was claimed is finished first.
pub async fn run(app: AppState, stop: CancellationToken) {
    let wait = Duration::from_secs(app.config.scheduler.poll_seconds.max(1));
    while !stop.is_cancelled() {
        if let Err(error) = accounts::answer_requests(&app).await {
            tracing::warn!(?error, "requests for new passwords were not answered; the next turn tries again");
        }
        match tick(&app).await {
            Ok(report) if report.claimed > 0 => continue,
            Ok(_) => {}
            Err(error) => tracing::warn!(?error, "the outbox was not emptied; leases bring its mails back"),
        }
        tokio::time::timeout(wait, stop.cancelled()).await.ok();
    }
}
