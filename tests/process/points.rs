//! A worker that dies, or sleeps past its lease, at each point of its way: nothing is lost, what was already with the
//! push service comes at most once more, and a sleeper that wakes up changes nothing.

use std::{pin::Pin, sync::Arc};

use afterglow::scheduler::{self, Halt, Point};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    harness::{TestApp, both_engines},
    practice::{Practice, past_the_lease, within},
};

both_engines![
    a_worker_that_dies_before_its_claim_leaves_everything_to_the_next,
    a_worker_that_dies_after_its_claim_leaves_everything_to_the_next,
    a_worker_that_dies_after_sending_makes_one_come_again,
    a_worker_that_dies_before_its_record_makes_one_come_again,
    a_worker_that_dies_after_its_record_leaves_nothing_to_do,
];

/// Where a worker is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Goes,
    Stands,
    Woken,
}

/// Stops a worker at one point, and from then on at every other, until it is woken.
struct StopAt {
    point: Point,
    way: watch::Sender<Way>,
}

impl Halt for StopAt {
    fn reached(&self, point: Point) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            let mut way = self.way.subscribe();
            if *way.borrow() == Way::Goes && point == self.point {
                self.way.send_replace(Way::Stands);
            }
            way.wait_for(|way| *way != Way::Stands).await.unwrap();
        })
    }
}

async fn dies_at(app: TestApp, point: Point, pushes: usize) {
    let practice = Practice::open(&app).await;
    practice.phone(&practice.ana, "phone").await;
    let rule = practice.daily(&practice.ana, "14:00").await;
    practice.at("2026-11-22T14:00");
    let first = app.beside().await.state;
    let (way, mut seen) = watch::channel(Way::Goes);
    let (halt, stop) = (Arc::new(StopAt { point, way: way.clone() }), CancellationToken::new());
    let running = tokio::spawn(scheduler::run_halting(first.clone(), stop.clone(), Some(halt)));
    within(seen.wait_for(|way| *way == Way::Stands)).await.unwrap();
    drop(seen);
    app.advance(past_the_lease(&app));
    let report = practice.tick().await;
    assert_eq!(report.claimed, usize::from(point != Point::AfterRecord));
    let (rows, received) = (practice.rows_of(&practice.ana, rule).await, practice.push.received());
    assert_eq!(rows.iter().map(|row| row.state.as_str()).collect::<Vec<_>>(), ["accepted", "planned"]);
    assert_eq!(received.len(), pushes);
    assert!(received.iter().all(|push| push.header("topic") == received[0].header("topic")));
    let deliveries = practice.deliveries(&rows[0]).await;
    // The sleeper wakes up and goes on from where it stood.
    way.send_replace(Way::Woken);
    stop.cancel();
    within(running).await.unwrap();
    assert_eq!(practice.rows_of(&practice.ana, rule).await, rows);
    assert_eq!(practice.deliveries(&rows[0]).await, deliveries);
    // What it had claimed long ago it does not even send: its lease is over.
    assert_eq!(practice.push.received().len(), pushes);
    first.db.clone().close().await.unwrap();
}

async fn a_worker_that_dies_before_its_claim_leaves_everything_to_the_next(app: TestApp) {
    dies_at(app, Point::BeforeClaim, 1).await;
}

async fn a_worker_that_dies_after_its_claim_leaves_everything_to_the_next(app: TestApp) {
    dies_at(app, Point::AfterClaim, 1).await;
}

async fn a_worker_that_dies_after_sending_makes_one_come_again(app: TestApp) {
    dies_at(app, Point::AfterSend, 2).await;
}

async fn a_worker_that_dies_before_its_record_makes_one_come_again(app: TestApp) {
    dies_at(app, Point::BeforeRecord, 2).await;
}

async fn a_worker_that_dies_after_its_record_leaves_nothing_to_do(app: TestApp) {
    dies_at(app, Point::AfterRecord, 1).await;
}
