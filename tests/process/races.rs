//! Whoever pauses, withdraws, deletes or moves a rule, or cancels or moves a session, while a worker sends: nothing goes
//! out whose claim began after the change was committed, and what was moved comes at its new time.

use std::sync::atomic::{AtomicBool, Ordering};

use afterglow::scheduler;
use chrono::{DateTime, Duration, DurationRound, Utc};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::task::yield_now;
use uuid::Uuid;

use crate::{
    harness::{Person, TestApp, both_engines, id_of},
    practice::{Practice, local},
    world::soak,
};

both_engines![nothing_is_sent_whose_claim_began_after_a_change_was_committed];

const PATIENTS: usize = 42;
/// In how many ways somebody changes their mind.
const WAYS: usize = 6;
const CANCELS: usize = 4;
const MOVES: usize = 5;
/// Small, so that many claims lie between the first change and the last.
const BATCH: u32 = 3;

/// A patient with a reminder at two o'clock: of a rule, or of a session at four.
struct Racer {
    person: Person,
    rule: String,
    version: i64,
    session: String,
}

fn daily(time: &str) -> Value {
    json!({"kind": "daily", "time": time})
}

impl Racer {
    async fn enter(practice: &Practice, number: usize) -> Self {
        let person = practice.app.patient_of(&practice.bo, &format!("racer-{number}")).await;
        practice.phone(&person, &format!("phone-{number}")).await;
        let mut racer = Self { person, rule: String::new(), version: 1, session: String::new() };
        racer.make_rule().await;
        racer
    }

    async fn make_rule(&mut self) {
        let body = json!({"category": "mindfulness", "schedule": daily("14:00")});
        self.rule = id_of(&self.person.post("/v1/reminders", &body).await.expect(201));
        self.version = 1;
    }

    async fn move_to(&mut self, time: &str) {
        let path = format!("/v1/reminders/{}", self.rule);
        self.person.patch(&path, self.version, &json!({"schedule": daily(time)})).await.expect(200);
        self.version += 1;
    }

    async fn consent(&self, decision: &str) {
        let body = json!({"purpose": "reminders", "decision": decision, "text_version": "1"});
        self.person.post("/v1/consents", &body).await.expect(201);
    }

    /// At the same time as the others, as one group.
    async fn book(&mut self, bo: &Person, starts_at: DateTime<Utc>, group: Uuid) {
        let body = json!({"kind": "integration", "starts_at": starts_at, "group_id": group});
        let path = format!("/v1/patients/{}/sessions", self.person.id);
        self.session = id_of(&bo.post(&path, &body).await.expect(201));
    }

    /// What the race is about.
    fn origin(&self, way: usize) -> Uuid {
        let origin = if way >= CANCELS { &self.session } else { &self.rule };
        origin.parse().unwrap()
    }

    /// Changes their mind, or their therapist does.
    async fn change(&mut self, bo: &Person, way: usize, now: DateTime<Utc>) {
        match way {
            CANCELS => {
                let path = format!("/v1/sessions/{}/cancel", self.session);
                drop(bo.step(&path, 1).await.expect(200));
            }
            MOVES => {
                let later = json!({"starts_at": local_four(now) + Duration::hours(2)});
                let path = format!("/v1/sessions/{}", self.session);
                drop(bo.patch(&path, 1, &later).await.expect(200));
            }
            0 => {
                let until = json!({"until": now + Duration::hours(8)});
                drop(self.person.put("/v1/me/pause", &until).await.expect(200));
            }
            1 => self.consent("withdrawn").await,
            2 => {
                let path = format!("/v1/reminders/{}", self.rule);
                drop(self.person.delete_at(&path, self.version).await.expect(204));
            }
            _ => self.move_to("16:00").await,
        }
    }

    /// Everything as before.
    async fn change_back(&mut self, bo: &Person, way: usize) {
        match way {
            CANCELS => {}
            MOVES => {
                let path = format!("/v1/sessions/{}/cancel", self.session);
                drop(bo.step(&path, 2).await.expect(200));
            }
            0 => drop(self.person.delete("/v1/me/pause").await.expect(204)),
            1 => self.consent("given").await,
            2 => self.make_rule().await,
            _ => self.move_to("14:00").await,
        }
    }
}

/// Four o'clock on the day of an instant shortly after two.
fn local_four(now: DateTime<Utc>) -> DateTime<Utc> {
    now.duration_trunc(Duration::hours(1)).unwrap() + Duration::hours(2)
}

async fn nothing_is_sent_whose_claim_began_after_a_change_was_committed(app: TestApp) {
    let practice = Practice::open(&app).await;
    let mut racers = Vec::new();
    for number in 0..PATIENTS {
        racers.push(Racer::enter(&practice, number).await);
    }
    let (mut sent, mut kept_back) = (0, 0);
    for round in 0..soak(125, 3) {
        let day = local("2026-11-22T14:00") + Duration::days(round);
        let round = usize::try_from(round).unwrap();
        app.clock.set(day - Duration::hours(1));
        let group = app.state.random.uuid_v7(day);
        for (number, racer) in racers.iter_mut().enumerate() {
            if way(number, round) >= CANCELS {
                racer.book(&practice.bo, local_four(day), group).await;
            }
        }
        while scheduler::tick(&app.state).await.unwrap().claimed > 0 {}
        app.clock.set(day);
        // Logged in once, and not by each of those for whom they act.
        practice.bo.get("/v1/me").await.expect(200);
        let changed = race(&practice, &mut racers, round).await;
        for (number, (racer, changed)) in racers.iter().zip(changed).enumerate() {
            let way = way(number, round);
            let rows = practice.rows_of(&racer.person, racer.origin(way)).await;
            let accepted: Vec<_> =
                rows.iter().filter_map(|row| row.accepted_at).filter(|at| *at >= day).collect();
            assert!(accepted.iter().all(|at| *at <= changed), "{accepted:?} after the change at {changed}");
            if way == MOVES && accepted.is_empty() {
                let soon = rows.iter().find(|row| row.template_id.as_deref() == Some("session-soon"));
                let (soon, due_at) = (soon.unwrap(), local_four(day));
                assert!(soon.state == "planned" && soon.due_at == due_at, "{soon:?}");
            }
            sent += accepted.len();
            kept_back += usize::from(accepted.is_empty());
        }
        for (number, racer) in racers.iter_mut().enumerate() {
            racer.change_back(&practice.bo, way(number, round)).await;
        }
        // What may be sent again after that is none of this.
        while scheduler::tick(&app.state).await.unwrap().claimed > 0 {}
    }
    println!("{sent} were sent before the change, {kept_back} were kept back by it");
    assert!(sent > 0 && kept_back > 0, "it was no race: {sent} and {kept_back}");
}

fn way(racer: usize, round: usize) -> usize {
    (racer + round) % WAYS
}

/// Lets everybody change their mind while a worker claims; when each change was known to be committed. The clock moves
/// only before each claim, so that whatever is sent carries the instant at which its claim began.
async fn race(practice: &Practice, racers: &mut [Racer], round: usize) -> Vec<DateTime<Utc>> {
    let (app, over) = (&practice.app, AtomicBool::new(false));
    let changing = async {
        let changes = racers.iter_mut().enumerate().map(|(number, racer)| async move {
            // Not all at once: the worker is already at it when the last ones change.
            for _ in 0..number * 4 {
                yield_now().await;
            }
            racer.change(&practice.bo, way(number, round), app.now()).await;
            app.now()
        });
        let changed = join_all(changes).await;
        over.store(true, Ordering::SeqCst);
        changed
    };
    let sending = async {
        loop {
            let last = over.load(Ordering::SeqCst);
            app.advance(Duration::milliseconds(1));
            let claimed = scheduler::tick_of(&app.state, BATCH).await.unwrap().claimed;
            if last && claimed == 0 {
                return;
            }
        }
    };
    tokio::join!(changing, sending).0
}
