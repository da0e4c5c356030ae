//! The work that waits for its time: claim what is due, ask again whether it may be sent, send it outside any
//! transaction, record what became of it and plan what follows. Any number of processes may do this at once: a claim
//! is a lease with a fence, and a worker that overslept its lease changes nothing any more.

mod bundle;
mod caps;
mod claim;
mod explain;
mod facts;
mod keeping;
mod nudge;
mod pipeline;
mod recheck;
mod recipient;
mod record;
mod runner;
mod send;
mod upkeep;
mod watchdog;

pub use explain::explain;
pub use nudge::announce;
pub use pipeline::{Halt, Point};
pub use recheck::{Verdict, judge};
pub use runner::{run, run_halting};
pub use upkeep::{forget_old, sweep};
pub use watchdog::{Found, look, run as watch};

use std::sync::Arc;

use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use self::record::Outcome;
use crate::{alerts, app::AppState, error::ApiResult};

/// What was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TickReport {
    pub claimed: usize,
    pub accepted: usize,
    pub retrying: usize,
    pub expired: usize,
    pub suppressed: usize,
    pub cancelled: usize,
    pub failed: usize,
    /// Not yet to be sent; they come back by themselves.
    pub postponed: usize,
}

impl TickReport {
    fn add(&mut self, outcome: &Outcome) {
        match outcome.state {
            "accepted" => self.accepted += 1,
            "retrying" => self.retrying += 1,
            "expired" => self.expired += 1,
            "suppressed" => self.suppressed += 1,
            "cancelled" => self.cancelled += 1,
            "failed" => self.failed += 1,
            _ => self.postponed += 1,
        }
    }
}

/// Handles one batch of what is due now, from the claim to the record. Call it again while it claims something. The
/// loop of [`run`] does the same steps with several batches under way.
pub async fn tick(app: &AppState) -> ApiResult<TickReport> {
    tick_of(app, app.config.push.batch_size).await
}

/// The same with a batch of another size.
pub async fn tick_of(app: &AppState, most: u32) -> ApiResult<TickReport> {
    climb(app).await;
    let batch = claim::claim(app, most).await?;
    let claimed = batch.len();
    if claimed == 0 {
        return Ok(TickReport::default());
    }
    let mut facts = facts::Facts::load(app, &batch).await?;
    let (sending, ended) = send::sort_out(&mut facts, batch);
    let (facts, never) = (Arc::new(facts), CancellationToken::new());
    let sent =
        bundle::bundles(sending).into_iter().map(|bundle| send::send_bundle(app, &facts, bundle, &never));
    let mut outcomes: Vec<Outcome> = join_all(sent).await.into_iter().flatten().collect();
    outcomes.extend(ended.into_iter().map(|ended| ended.outcome(&facts)));
    Ok(TickReport { claimed, ..record::record(app, &outcomes).await? })
}

/// Lets alerts climb. What goes wrong with one must not hold up everybody's reminders. Returns whether all went well.
async fn climb(app: &AppState) -> bool {
    let Err(error) = alerts::climb(app).await else { return true };
    tracing::error!(?error, "alerts that are due did not climb; it is tried again");
    metrics::counter!("alert_climb_failures_total").increment(1);
    false
}
