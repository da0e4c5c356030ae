//! A therapist, a patient and a push service, with the scheduler called by hand on a clock that stands still.

use std::future::Future;

use afterglow::{
    app::AppState,
    demo::receiver::{DeviceSubscription, PushReceiver, Received, Scripted},
    reminders::rules::localtime::Zone,
    scheduler::{self, TickReport},
};
use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use chrono::{DateTime, Duration, Utc};
use entity::{deliveries, notifications, push_subscriptions};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
    task::{AbortHandle, JoinHandle},
};
use uuid::Uuid;

use crate::harness::{Person, TestApp, id_of};

/// Where everybody lives.
pub const ZONE: &str = "Europe/Berlin";
const OPEN: [&str; 3] = ["planned", "claimed", "retrying"];

pub struct Practice {
    pub app: TestApp,
    pub push: PushReceiver,
    pub bo: Person,
    pub ana: Person,
}

/// The instant of a wall-clock time in Berlin, such as `2026-11-22T14:00`.
pub fn local(text: &str) -> DateTime<Utc> {
    Zone::parse(ZONE).unwrap().instant(text.parse().unwrap())
}

/// One answer.
pub fn status(status: u16) -> Scripted {
    Scripted::status(status)
}

/// What a strict push service objects to.
pub fn flaws(push: &Received) -> &[String] {
    &push.problems
}

pub fn topic(push: &Received) -> String {
    push.header("topic").unwrap().to_owned()
}

pub fn is_open(row: &notifications::Model) -> bool {
    OPEN.contains(&row.state.as_str())
}

#[track_caller]
pub fn nothing_of(sent: &[notifications::Model]) {
    assert!(sent.is_empty(), "{sent:#?}");
}

/// How a row ended: state and reason.
pub fn end(row: &notifications::Model) -> (&str, &str) {
    (row.state.as_str(), row.reason.as_deref().unwrap_or(""))
}

impl Practice {
    pub async fn open(app: &TestApp) -> Self {
        let push = PushReceiver::start_with(app.state.clock.clone()).await.unwrap();
        let bo = app.therapist("bo").await;
        let ana = app.patient_of(&bo, "ana").await;
        Self { app: app.clone(), push, bo, ana }
    }

    /// Sets the clock to a wall-clock time in Berlin.
    pub fn at(&self, text: &str) {
        self.app.clock.set(local(text));
    }

    pub async fn tick(&self) -> TickReport {
        scheduler::tick(&self.app.state).await.unwrap()
    }

    /// Gives somebody a phone that receives pushes; the id of its subscription.
    pub async fn phone(&self, owner: &Person, name: &str) -> Uuid {
        let device = self.push.subscribe(name);
        register(owner, &device).await
    }

    /// A reminder every day at this time on Ana's clock.
    pub async fn daily(&self, owner: &Person, time: &str) -> Uuid {
        self.every_day(owner, "mindfulness", time).await
    }

    pub async fn every_day(&self, owner: &Person, category: &str, time: &str) -> Uuid {
        self.rule(owner, category, &json!({"kind": "daily", "time": time})).await
    }

    pub async fn rule(&self, owner: &Person, category: &str, schedule: &Value) -> Uuid {
        let body = json!({"category": category, "schedule": schedule});
        id_of(&owner.post("/v1/reminders", &body).await.expect(201)).parse().unwrap()
    }

    /// Everything planned for somebody, earliest due first.
    pub async fn rows(&self, owner: &Person) -> Vec<notifications::Model> {
        notifications::Entity::find()
            .filter(notifications::Column::RecipientId.eq(owner.id))
            .order_by_asc(notifications::Column::DueAt)
            .order_by_asc(notifications::Column::Slot)
            .all(self.app.conn())
            .await
            .unwrap()
    }

    /// The rows of one rule or session.
    pub async fn rows_of(&self, owner: &Person, origin: Uuid) -> Vec<notifications::Model> {
        self.rows(owner).await.into_iter().filter(|row| row.origin_id == origin).collect()
    }

    /// The first occurrence of a rule or session.
    pub async fn first(&self, owner: &Person, origin: Uuid) -> notifications::Model {
        self.rows_of(owner, origin).await.remove(0)
    }

    /// Every delivery of one notification.
    pub async fn deliveries(&self, row: &notifications::Model) -> Vec<deliveries::Model> {
        deliveries::Entity::find()
            .filter(deliveries::Column::NotificationId.eq(row.id))
            .order_by_asc(deliveries::Column::SubscriptionId)
            .all(self.app.conn())
            .await
            .unwrap()
    }

    pub async fn device(&self, owner: &Person, id: Uuid) -> push_subscriptions::Model {
        push_subscriptions::Entity::find_by_id((owner.id.into(), id.into()))
            .one(self.app.conn())
            .await
            .unwrap()
            .unwrap()
    }

    /// What somebody reads about a rule or session in the app, earliest due first: state and reason.
    pub async fn reads(&self, owner: &Person) -> Vec<(String, String)> {
        let body = owner.get("/v1/notifications?limit=100").await.expect(200);
        let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
        let lines = body["items"].as_array().unwrap().iter().rev();
        lines.map(|line| (text(&line["state"]), text(&line["reason"]))).collect()
    }

    /// Lives until `until`, ticking whenever something of this person is due; the instants and rows that were sent.
    pub async fn live_until(&self, owner: &Person, until: DateTime<Utc>) -> Vec<notifications::Model> {
        let from = self.app.now();
        for _ in 0..1_000 {
            let rows = self.rows(owner).await;
            let next = rows.iter().filter(|row| is_open(row)).map(|row| row.next_attempt_at).min();
            let Some(next) = next.filter(|next| *next <= until) else {
                self.app.clock.set(until);
                let sent = |row: &notifications::Model| row.accepted_at.is_some_and(|at| at >= from);
                return rows.into_iter().filter(sent).collect();
            };
            self.app.clock.set(next.max(self.app.now()));
            self.tick().await;
        }
        panic!("something is due for ever");
    }
}

/// Registers a device and returns the id of its subscription.
pub async fn register(owner: &Person, device: &DeviceSubscription) -> Uuid {
    let keys = json!({"p256dh": device.p256dh, "auth": device.auth});
    let body = json!({"endpoint": device.endpoint, "keys": keys, "platform": "android"});
    id_of(&owner.post("/v1/push/subscriptions", &body).await.expect(201)).parse().unwrap()
}

/// A push service that answers when the test says so, and what it says.
pub struct Gate {
    pub origin: String,
    waiting: mpsc::UnboundedReceiver<Waiting>,
    task: AbortHandle,
}

/// One request that waits for its answer.
pub struct Waiting {
    pub topic: String,
    answer: oneshot::Sender<u16>,
}

impl Waiting {
    pub fn answer(self, status: u16) {
        self.answer.send(status).unwrap();
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Gate {
    pub async fn open() -> Self {
        let (sender, waiting) = mpsc::unbounded_channel();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/push", post(knock)).with_state(sender);
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { origin, waiting, task: task.abort_handle() }
    }

    /// A device whose pushes come here. Nobody opens them.
    pub fn device(&self, push: &PushReceiver) -> DeviceSubscription {
        let device = push.subscribe("behind the gate");
        DeviceSubscription { endpoint: format!("{}/push", self.origin), ..device }
    }

    /// The next request that arrives.
    pub async fn next(&mut self) -> Waiting {
        within(self.waiting.recv()).await.unwrap()
    }
}

/// Two workers at one push: the first overslept its lease, and the second holds it now. Both wait for their answers.
pub struct Overslept {
    pub sleepy: AppState,
    pub sleeping: JoinHandle<TickReport>,
    pub slow: Waiting,
    pub other: JoinHandle<TickReport>,
    pub fast: Waiting,
}

impl Overslept {
    /// What is due now must be one push, to a device behind the gate.
    pub async fn at(gate: &mut Gate, app: &TestApp) -> Self {
        let tick = |state: AppState| tokio::spawn(async move { scheduler::tick(&state).await.unwrap() });
        let sleepy = app.beside().await.state;
        let sleeping = tick(sleepy.clone());
        let slow = gate.next().await;
        app.advance(past_the_lease(app));
        let other = tick(app.state.clone());
        let fast = gate.next().await;
        Self { sleepy, sleeping, slow, other, fast }
    }
}

async fn knock(State(sender): State<mpsc::UnboundedSender<Waiting>>, headers: HeaderMap) -> StatusCode {
    let (answer, answered) = oneshot::channel();
    let topic = headers["topic"].to_str().unwrap().to_owned();
    sender.send(Waiting { topic, answer }).unwrap();
    StatusCode::from_u16(answered.await.unwrap()).unwrap()
}

/// Waits for something that must happen, however slow the machine is.
pub async fn within<T>(work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(std::time::Duration::from_secs(60), work).await {
        Ok(done) => done,
        Err(_) => panic!("it did not happen within a minute"),
    }
}

/// Half a minute past the end of a lease.
pub fn past_the_lease(app: &TestApp) -> Duration {
    Duration::seconds(app.state.config.scheduler.lease_seconds + 30)
}
