//! Whoever pauses, withdraws, deletes or moves while a worker sends: nothing goes out whose claim began after the
//! change was committed.

use std::sync::atomic::{AtomicBool, Ordering};

use afterglow::scheduler;
use chrono::{DateTime, Duration, Utc};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::task::yield_now;

use crate::{
    harness::{Person, TestApp, both_engines, id_of},
    practice::{Practice, local},
    world::soak,
};

both_engines![nothing_is_sent_whose_claim_began_after_a_change_was_committed];

const PATIENTS: usize = 40;
/// Small, so that many claims lie between the first change and the last.
const BATCH: u32 = 3;

/// A patient with a reminder at two o'clock, every day.
struct Racer {
    person: Person,
    rule: String,
    version: i64,
}

fn daily(time: &str) -> Value {
    json!({"kind": "daily", "time": time})
}

impl Racer {
    async fn enter(practice: &Practice, number: usize) -> Self {
        let person = practice.app.patient_of(&practice.bo, &format!("racer-{number}")).await;
        practice.phone(&person, &format!("phone-{number}")).await;
        let mut racer = Self { person, rule: String::new(), version: 1 };
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

    /// Changes their mind in one of four ways.
    async fn change(&mut self, way: usize, now: DateTime<Utc>) {
        match way {
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
    async fn change_back(&mut self, way: usize) {
        match way {
            0 => drop(self.person.delete("/v1/me/pause").await.expect(204)),
            1 => self.consent("given").await,
            2 => self.make_rule().await,
            _ => self.move_to("14:00").await,
        }
    }
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
        app.clock.set(day);
        let changed = race(&practice, &mut racers, usize::try_from(round).unwrap()).await;
        for (racer, changed) in racers.iter().zip(changed) {
            let rows = practice.rows(&racer.person).await;
            let accepted: Vec<_> =
                rows.iter().filter_map(|row| row.accepted_at).filter(|at| *at >= day).collect();
            assert!(accepted.iter().all(|at| *at <= changed), "{accepted:?} after the change at {changed}");
            sent += accepted.len();
            kept_back += usize::from(accepted.is_empty());
        }
        for (number, racer) in racers.iter_mut().enumerate() {
            racer.change_back((number + usize::try_from(round).unwrap()) % 4).await;
        }
        // What may be sent again after that is none of this.
        while scheduler::tick(&app.state).await.unwrap().claimed > 0 {}
    }
    println!("{sent} were sent before the change, {kept_back} were kept back by it");
    assert!(sent > 0 && kept_back > 0, "it was no race: {sent} and {kept_back}");
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
            racer.change((number + round) % 4, app.now()).await;
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
