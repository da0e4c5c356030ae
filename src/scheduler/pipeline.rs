//! Several batches under way at once: while one is read about, another is sent and a third is recorded. How many
//! notifications are under way is bounded, and each is recorded soon after its own answer, so that one that is slow
//! holds up no other.

use std::{pin::Pin, sync::Arc, time::Duration};

use entity::notifications;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::JoinHandle,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    bundle::bundles,
    claim,
    facts::Facts,
    record::{Outcome, record},
    send::{given_back, send_bundle, sort_out},
};
use crate::{
    app::AppState,
    error::{ApiError, ApiResult},
};

/// Batches that may be under way together.
const BATCHES: u32 = 4;
/// How long the record waits for more answers after the first.
const GATHER: Duration = Duration::from_millis(10);
/// How long to wait after the database did not answer.
const AFTER_FAILURE: Duration = Duration::from_secs(1);
/// How long sends that are under way have to end when the process ends.
const GRACE: Duration = Duration::from_secs(12);

/// Places where tests stop a worker, as if it had died there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    BeforeClaim,
    AfterClaim,
    AfterSend,
    BeforeRecord,
    AfterRecord,
}

/// Decides where a worker stops. Handed in by tests, as their clock is; the program has none.
pub trait Halt: Send + Sync + 'static {
    /// Returns when the worker may go on, or never.
    fn reached(&self, point: Point) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// What every part of the pipeline shares.
#[derive(Clone)]
struct Shared {
    app: AppState,
    halt: Option<Arc<dyn Halt>>,
    /// The process ends: nothing new is begun.
    stop: CancellationToken,
    /// What is under way is given up.
    abandon: CancellationToken,
}

impl Shared {
    async fn reached(&self, point: Point) {
        if let Some(halt) = &self.halt {
            halt.reached(point).await;
        }
    }
}

/// One that is over, with its place among those under way.
type Done = (Outcome, OwnedSemaphorePermit);

/// The parts between a claim and its record.
pub struct Pipeline {
    shared: Shared,
    places: Arc<Semaphore>,
    batch: u32,
    tasks: TaskTracker,
    done: mpsc::UnboundedSender<Done>,
    recorder: JoinHandle<()>,
}

impl Pipeline {
    pub fn start(app: AppState, stop: CancellationToken, halt: Option<Arc<dyn Halt>>) -> Self {
        let batch = app.config.push.batch_size;
        let shared = Shared { app, halt, stop, abandon: CancellationToken::new() };
        let (done, queue) = mpsc::unbounded_channel();
        let recorder = tokio::spawn(keep_recording(shared.clone(), queue, batch as usize));
        let places = Arc::new(Semaphore::new((batch * BATCHES) as usize));
        Self { shared, places, batch, tasks: TaskTracker::new(), done, recorder }
    }

    /// Waits until there is room for a batch, claims it and sends it on its way. Returns how many that were.
    pub async fn claim(&self) -> ApiResult<usize> {
        let room = self.places.clone().acquire_many_owned(self.batch);
        let Ok(mut room) = (tokio::select! {
            room = room => room,
            () = self.shared.stop.cancelled() => return Ok(0),
        }) else {
            return Ok(0);
        };
        self.shared.reached(Point::BeforeClaim).await;
        let batch = claim::claim(&self.shared.app, self.batch).await?;
        let claimed = batch.len();
        metrics::counter!("notifications_claimed_total").increment(claimed as u64);
        if let Some(places) = room.split(claimed).filter(|_| claimed > 0) {
            let (shared, done, tasks) = (self.shared.clone(), self.done.clone(), self.tasks.clone());
            self.tasks.spawn(async move { take(shared, batch, places, tasks, done).await });
        }
        Ok(claimed)
    }

    /// Whether a claim took all it could, so that there may be more.
    pub fn is_full(&self, claimed: usize) -> bool {
        claimed >= self.batch as usize
    }

    /// Lets what is under way end, gives back what is not begun, and records both.
    pub async fn drain(self) {
        self.tasks.close();
        if tokio::time::timeout(GRACE, self.tasks.wait()).await.is_err() {
            self.shared.abandon.cancel();
            self.tasks.wait().await;
        }
        self.shared.abandon.cancel();
        drop(self.done);
        if let Err(error) = self.recorder.await {
            tracing::error!(%error, "the recorder ended badly");
        }
    }
}

/// Reads what a batch has to be judged by, judges it, and sends each on its own.
async fn take(
    shared: Shared,
    batch: Vec<notifications::Model>,
    mut places: OwnedSemaphorePermit,
    tasks: TaskTracker,
    done: mpsc::UnboundedSender<Done>,
) {
    shared.reached(Point::AfterClaim).await;
    // Without facts nothing is sent; the lease brings the batch back.
    let Some(mut facts) = load(&shared, &batch).await else { return };
    let (sending, ended) = sort_out(&mut facts, batch);
    let facts = Arc::new(facts);
    for ended in ended {
        if let Some(place) = places.split(1) {
            // The recorder outlives every task.
            done.send((ended.outcome(&facts), place)).ok();
        }
    }
    for bundle in bundles(sending) {
        let Some(mut places) = places.split(bundle.len()) else { return };
        let (shared, facts, done) = (shared.clone(), facts.clone(), done.clone());
        tasks.spawn(async move {
            let outcomes = send_unless_abandoned(&shared, &facts, bundle).await;
            shared.reached(Point::AfterSend).await;
            for outcome in outcomes {
                let Some(place) = places.split(1) else { return };
                done.send((outcome, place)).ok();
            }
        });
    }
}

async fn send_unless_abandoned(
    shared: &Shared,
    facts: &Arc<Facts>,
    bundle: Vec<notifications::Model>,
) -> Vec<Outcome> {
    let given_up = bundle.clone();
    tokio::select! {
        outcomes = send_bundle(&shared.app, facts, bundle, &shared.stop) => outcomes,
        () = shared.abandon.cancelled() => {
            let now = shared.app.clock.now();
            given_up.into_iter().map(|row| given_back(facts, row, now)).collect()
        }
    }
}

/// Asks again while the database is away and the lease holds.
async fn load(shared: &Shared, batch: &[notifications::Model]) -> Option<Facts> {
    loop {
        match Facts::load(&shared.app, batch).await {
            Ok(facts) => return Some(facts),
            Err(error) => {
                tracing::warn!(%error, "a claimed batch could not be read about");
                metrics::counter!("scheduler_tick_failures_total").increment(1);
                let leased = batch.iter().any(|row| row.lease_until > Some(shared.app.clock.now()));
                if !leased || !is_away(&error) || pause(shared).await.is_none() {
                    return None;
                }
            }
        }
    }
}

fn is_away(error: &ApiError) -> bool {
    matches!(error, ApiError::Unavailable { .. })
}

/// Waits a moment; nothing when there is no time left for that.
async fn pause(shared: &Shared) -> Option<()> {
    tokio::time::timeout(AFTER_FAILURE, shared.abandon.cancelled()).await.err().map(drop)
}

/// Records what is over until nobody sends any more, many at a time.
async fn keep_recording(shared: Shared, mut queue: mpsc::UnboundedReceiver<Done>, most: usize) {
    let mut chunk = Vec::with_capacity(most);
    while queue.recv_many(&mut chunk, most).await > 0 {
        let more = async {
            while chunk.len() < most {
                let room = most - chunk.len();
                if queue.recv_many(&mut chunk, room).await == 0 {
                    return;
                }
            }
        };
        // When no more come in time, those that are there are recorded.
        let _in_time = tokio::time::timeout(GATHER, more).await;
        let (outcomes, places): (Vec<Outcome>, Vec<OwnedSemaphorePermit>) = chunk.drain(..).unzip();
        shared.reached(Point::BeforeRecord).await;
        record_in_the_end(&shared, outcomes).await;
        shared.reached(Point::AfterRecord).await;
        drop(places);
    }
}

/// Records, again and again while the database is away: what was sent and not recorded is sent again. Every row is
/// guarded by its fence, so that neither a late record nor a second one can do harm.
async fn record_in_the_end(shared: &Shared, outcomes: Vec<Outcome>) {
    let mut waiting = vec![outcomes];
    while let Some(outcomes) = waiting.pop() {
        loop {
            match record(&shared.app, &outcomes).await {
                Ok(_) => break,
                Err(error) if is_away(&error) => {
                    tracing::warn!(?error, "what was sent could not be recorded; it is tried again");
                    if pause(shared).await.is_none() {
                        return;
                    }
                }
                // One of them may be to blame: the others must not suffer for it.
                Err(error) if outcomes.len() > 1 => {
                    tracing::warn!(?error, "a record failed; its halves are tried");
                    let mut half = outcomes;
                    let other = half.split_off(half.len() / 2);
                    waiting.extend([half, other]);
                    break;
                }
                Err(error) => {
                    tracing::error!(?error, "what became of a notification could not be recorded");
                    metrics::counter!("scheduler_tick_failures_total").increment(1);
                    break;
                }
            }
        }
    }
}
