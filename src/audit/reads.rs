//! Reads by others, batched: one task a process appends everything that has queued up in one transaction a stream,
//! and only then lets the answers go.

use std::collections::BTreeMap;

use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::{Stamped, append};
use crate::{
    db::Db,
    error::{ApiError, ApiResult},
};

const QUEUE: usize = 1_024;
const BATCH: usize = 256;

struct Pending {
    stream: Uuid,
    rows: Vec<Stamped>,
    done: oneshot::Sender<bool>,
}

/// The way to the task that records reads. It ends when the last handle is dropped.
#[derive(Clone)]
pub struct Reads {
    queue: mpsc::Sender<Pending>,
}

impl Reads {
    /// Starts the task.
    pub fn start(db: Db) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        tokio::spawn(run(db, waiting));
        Self { queue }
    }

    /// Returns once the row is committed. 503 when it cannot be: what was read must then not be given out.
    pub async fn record(&self, stream: Uuid, row: Stamped) -> ApiResult<()> {
        self.record_all(stream, vec![row]).await
    }

    /// The same for a list over many patients: all of its rows, or nothing is given out.
    pub async fn record_all(&self, stream: Uuid, rows: Vec<Stamped>) -> ApiResult<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let (done, committed) = oneshot::channel();
        let queued = self.queue.send(Pending { stream, rows, done }).await.is_ok();
        if queued && committed.await.unwrap_or(false) {
            return Ok(());
        }
        Err(ApiError::Unavailable {
            detail: "The read could not be recorded, so nothing is shown. Try again shortly.",
            retry_after: 2,
        })
    }
}

async fn run(db: Db, mut waiting: mpsc::Receiver<Pending>) {
    let mut batch = Vec::with_capacity(BATCH);
    while waiting.recv_many(&mut batch, BATCH).await > 0 {
        let mut streams: BTreeMap<Uuid, (Vec<Stamped>, Vec<oneshot::Sender<bool>>)> = BTreeMap::new();
        for pending in batch.drain(..) {
            let (rows, waiters) = streams.entry(pending.stream).or_default();
            rows.extend(pending.rows);
            waiters.push(pending.done);
        }
        for (stream, (rows, waiters)) in streams {
            let committed = commit(&db, stream, rows).await;
            if let Err(error) = &committed {
                tracing::error!(%error, "reads could not be recorded; their answers are withheld");
                metrics::counter!("audit_read_failures_total").increment(1);
            }
            for waiter in waiters {
                // A client that has gone away no longer listens.
                let _gone = waiter.send(committed.is_ok());
            }
        }
    }
}

async fn commit(db: &Db, stream: Uuid, rows: Vec<Stamped>) -> Result<(), sea_orm::DbErr> {
    let txn = db.begin().await?;
    append(&txn, db.engine(), db.audit_key(), stream, rows).await?;
    txn.commit().await
}
