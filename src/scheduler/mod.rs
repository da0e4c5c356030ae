//! The work that waits for its time: claim what is due, ask again whether it may be sent, send it outside any
//! transaction, record what became of it and plan what follows. Any number of processes may do this at once: a claim
//! is a lease with a fence, and a worker that overslept its lease changes nothing any more.

mod claim;
mod facts;
mod keeping;
mod recheck;
mod record;
mod runner;
mod send;

pub use recheck::{Verdict, judge};
pub use runner::{pass, run, sweep};

use crate::{app::AppState, error::ApiResult};

/// What one tick did.
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
    fn add(&mut self, state: &str) {
        match state {
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

/// Handles one batch of what is due now. Call it again while it claims something.
pub async fn tick(app: &AppState) -> ApiResult<TickReport> {
    let batch = claim::claim(app).await?;
    let mut report = TickReport { claimed: batch.len(), ..TickReport::default() };
    if batch.is_empty() {
        return Ok(report);
    }
    let mut facts = facts::Facts::load(app, &batch).await?;
    let outcomes = send::send_all(app, &mut facts, batch).await;
    for outcome in &outcomes {
        report.add(outcome.state);
        metrics::counter!("notifications_total", "state" => outcome.state).increment(1);
    }
    record::record(app, &facts, outcomes).await?;
    Ok(report)
}
