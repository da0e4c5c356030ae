//! The loop that claims: until the next due time, a nudge, or the polling interval, whichever is first. Nudges only
//! shorten the wait; correctness needs none of them.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use super::{
    claim::next_due,
    climb, nudge,
    pipeline::{Halt, Pipeline},
    upkeep,
};
use crate::{alerts, app::AppState, error::ApiResult};

/// How long to wait after a claim that failed.
const AFTER_FAILURE: Duration = Duration::from_secs(1);
/// Shortest time between two claims that were not full, so that a trickle is taken a few at a time and not one by one.
const PACE: Duration = Duration::from_millis(10);

/// Sends what is due, and keeps house, until `stop`. What is under way then ends, or is given back.
pub async fn run(app: AppState, stop: CancellationToken) {
    run_halting(app, stop, None).await;
}

/// The same with a place to stop at, for tests.
pub async fn run_halting(app: AppState, stop: CancellationToken, halt: Option<Arc<dyn Halt>>) {
    let beside = [
        tokio::spawn(upkeep::run(app.clone(), stop.clone())),
        tokio::spawn(nudge::listen(app.clone(), stop.clone())),
    ];
    let pipeline = Pipeline::start(app.clone(), stop.clone(), halt);
    while !stop.is_cancelled() {
        let climbed = climb(&app).await;
        let wait = match pipeline.claim().await {
            Ok(claimed) if pipeline.is_full(claimed) => continue,
            Ok(_) if !climbed => AFTER_FAILURE,
            Ok(_) => until_due(&app).await.max(PACE),
            Err(error) => {
                tracing::warn!(?error, "a claim failed; it is tried again");
                metrics::counter!("scheduler_tick_failures_total").increment(1);
                AFTER_FAILURE
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = pass(PACE.min(wait)) => {}
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = app.wake.notified() => {}
            () = pass(wait.saturating_sub(PACE)) => {}
        }
    }
    pipeline.drain().await;
    for task in beside {
        if let Err(error) = task.await {
            tracing::error!(%error, "a task beside the scheduler ended badly");
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one loop that waits for time to pass")]
async fn pass(wait: Duration) {
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
}

/// How long until something is due, at most the polling interval.
async fn until_due(app: &AppState) -> Duration {
    let longest = Duration::from_secs(app.config.scheduler.poll_seconds.max(1));
    match first_due(app).await {
        Ok(Some(due)) => (due - app.clock.now()).to_std().unwrap_or(Duration::ZERO).min(longest),
        _ => longest,
    }
}

/// When the first notification or step of an alert is due.
async fn first_due(app: &AppState) -> ApiResult<Option<DateTime<Utc>>> {
    Ok(next_due(app).await?.into_iter().chain(alerts::next_due(app).await?).min())
}
