//! A year of lives: summer time begins and ends, people travel, sessions move at any moment, phones change, push
//! services refuse, and workers die in the middle of their work. No reminder is lost, none comes twice, none outside its
//! window, and each that did not come says why. `just soak` runs it, for three years and with more people.

mod check;

use std::collections::HashMap;

use afterglow::{db::Engine, demo::receiver::Scripted, scheduler};
use chrono::{DateTime, Duration, NaiveTime, Timelike, Utc};
use chrono_tz::Tz;
use entity::{notifications, sessions};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    harness::{Person, TestApp, run},
    practice::{Practice, local, past_the_lease, register},
    world::soak,
};

const BEGIN: &str = "2026-01-10T09:00";

#[test]
#[ignore = "takes minutes: just soak"]
fn a_year_on_sqlite() {
    run(Engine::Sqlite, a_year_loses_nothing_doubles_nothing_and_explains_the_rest);
}

#[test]
#[ignore = "takes minutes: just soak"]
fn a_year_on_postgres() {
    run(Engine::Postgres, a_year_loses_nothing_doubles_nothing_and_explains_the_rest);
}

const ZONES: [&str; 6] = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "America/Sao_Paulo",
    "Pacific/Auckland",
];
const KINDS: [&str; 4] = ["dosing", "integration", "preparation", "follow-up"];

/// The same numbers in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::try_from(self.below(all.len() as u64)).unwrap()]
    }
}

/// Somebody who lives through it, as they themselves know it.
struct Life {
    person: Person,
    zone: Tz,
    opens: NaiveTime,
    closes: NaiveTime,
    paused_until: Option<DateTime<Utc>>,
    phones: usize,
    daily: Uuid,
    weekly: Uuid,
}

struct Year {
    practice: Practice,
    dice: Dice,
    lives: Vec<Life>,
    /// How often a notification was in the hands of a worker that died.
    interrupted: HashMap<Uuid, usize>,
    crashes: usize,
}

fn time(hour: u32, minute: u32) -> NaiveTime {
    NaiveTime::from_hms_opt(hour, minute, 0).unwrap()
}

async fn a_year_loses_nothing_doubles_nothing_and_explains_the_rest(app: TestApp) {
    let (people, days) = soak((8, 3 * 365), (2, 365));
    app.clock.set(local(BEGIN));
    let mut year = Year::begin(&app, people).await;
    for _ in 0..days {
        let evening = year.now() + Duration::days(1);
        while year.dice.below(3) == 0 {
            let at = year.now() + Duration::minutes(i64::try_from(year.dice.below(600)).unwrap());
            year.live_until(at.min(evening)).await;
            year.something_happens().await;
        }
        year.live_until(evening).await;
        year.phones_come_back().await;
    }
    year.check().await;
}

impl Year {
    async fn begin(app: &TestApp, people: usize) -> Self {
        let practice = Practice::open(app).await;
        let mut lives = Vec::new();
        for number in 0..people {
            let person = match number {
                0 => practice.ana.clone(),
                _ => app.patient_of(&practice.bo, &format!("patient-{number}")).await,
            };
            let daily = practice.daily(&person, "20:00").await;
            let sunday = json!({"kind": "weekly", "days": ["sun"], "time": "18:00"});
            let weekly = practice.rule(&person, "integration", &sunday).await;
            lives.push(Life {
                person,
                zone: Tz::Europe__Berlin,
                opens: time(8, 0),
                closes: time(21, 30),
                paused_until: None,
                phones: 0,
                daily,
                weekly,
            });
        }
        let (interrupted, dice) = (HashMap::new(), Dice(0x9e37_79b9_7f4a_7c15));
        let mut year = Self { practice, dice, lives, interrupted, crashes: 0 };
        year.phones_come_back().await;
        year
    }

    fn now(&self) -> DateTime<Utc> {
        self.practice.app.now()
    }

    /// Works on whatever is due until then.
    async fn live_until(&mut self, until: DateTime<Utc>) {
        let sql = "SELECT MIN(next_attempt_at) AS next FROM notifications WHERE state IN ('planned','claimed','retrying')";
        // What waits for the record of a session asks again four times an hour.
        for _ in 0..10_000 {
            let row = self.practice.app.query(sql, vec![]).await.remove(0);
            let next: Option<DateTime<Utc>> = row.try_get("", "next").unwrap();
            let Some(next) = next.filter(|next| *next <= until) else {
                self.practice.app.clock.set(until.max(self.now()));
                scheduler::sweep(&self.practice.app.state).await.unwrap();
                return;
            };
            self.practice.app.clock.set(next.max(self.now()));
            self.work().await;
        }
        panic!("something is due for ever: {:?}", self.stuck().await);
    }

    /// What is due before the clock, for whoever reads a failure.
    async fn stuck(&self) -> Vec<notifications::Model> {
        let due = notifications::Column::NextAttemptAt.lte(self.now() + Duration::hours(1));
        let open = notifications::Column::State.is_in(["planned", "claimed", "retrying"]);
        notifications::Entity::find().filter(due).filter(open).all(self.practice.app.conn()).await.unwrap()
    }

    async fn work(&mut self) {
        if self.dice.below(8) == 0 {
            let (number, status) =
                (self.dice.below(self.lives.len() as u64), self.dice.of(&[410, 429, 500, 503]));
            let life = &self.lives[usize::try_from(number).unwrap()];
            let answer = Scripted::status(status);
            let answer = if status == 429 { answer.retry_after("120") } else { answer };
            self.practice.push.respond_with(&phone(life), vec![answer]);
        }
        if self.dice.below(20) == 0 {
            return self.die_in_the_middle().await;
        }
        while self.practice.tick().await.claimed > 0 {}
        self.check_what_was_sent().await;
    }

    /// The worker is gone at some await of its tick, and another one comes when the lease is over.
    async fn die_in_the_middle(&mut self) {
        let steps = self.dice.below(400);
        let state = self.practice.app.state.clone();
        let dies = async {
            for _ in 0..steps {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            () = dies => {}
            report = scheduler::tick(&state) => drop(report.unwrap()),
        }
        let claimed = notifications::Entity::find().filter(notifications::Column::State.eq("claimed"));
        for row in claimed.all(self.practice.app.conn()).await.unwrap() {
            *self.interrupted.entry(row.id.0).or_default() += 1;
            self.crashes += 1;
        }
        self.check_what_was_sent().await;
        self.practice.app.advance(past_the_lease(&self.practice.app));
    }

    /// Phones whose push service said that they are gone are registered again when the app is opened.
    async fn phones_come_back(&mut self) {
        for number in 0..self.lives.len() {
            let life = &mut self.lives[number];
            let sql = "SELECT 1 AS one FROM push_subscriptions WHERE account_id = $1 AND state = 'active'";
            let active = self.practice.app.query(sql, vec![life.person.id.into()]).await;
            if active.is_empty() {
                life.phones += 1;
                let device = self.practice.push.subscribe(&phone(life));
                register(&life.person, &device).await;
            }
        }
    }

    async fn something_happens(&mut self) {
        let number = usize::try_from(self.dice.below(self.lives.len() as u64)).unwrap();
        match self.dice.below(12) {
            0..=1 => self.schedule(number).await,
            2..=4 => self.move_session(number).await,
            5..=6 => self.step(number).await,
            7 => self.travel(number).await,
            8 => self.pause(number).await,
            9 => self.change_window(number).await,
            _ => self.react(number).await,
        }
    }

    fn in_some_days(&mut self) -> DateTime<Utc> {
        let minutes = 30 * i64::try_from(self.dice.below(48 * 12)).unwrap();
        self.now() + Duration::minutes(20 + minutes)
    }

    async fn schedule(&mut self, number: usize) {
        let (kind, starts_at) = (self.dice.of(&KINDS), self.in_some_days());
        let path = format!("/v1/patients/{}/sessions", self.lives[number].person.id);
        let body = json!({"kind": kind, "starts_at": starts_at.to_rfc3339(), "location": self.dice.of(&["clinic", "home"])});
        // Somebody may be taken then.
        assert!([201, 409].contains(&self.practice.bo.post(&path, &body).await.status.as_u16()));
    }

    /// A session of theirs in one of these states.
    async fn session(&mut self, number: usize, states: &[&str]) -> Option<sessions::Model> {
        let owner = sessions::Column::PatientId.eq(self.lives[number].person.id);
        let rows = sessions::Entity::find().filter(owner).all(self.practice.app.conn()).await.unwrap();
        let mut fit: Vec<_> = rows.into_iter().filter(|one| states.contains(&one.state.as_str())).collect();
        fit.sort_by_key(|one| one.starts_at);
        let last = fit.len().min(3) as u64;
        (last > 0).then(|| fit.swap_remove(usize::try_from(self.dice.below(last)).unwrap()))
    }

    async fn move_session(&mut self, number: usize) {
        let Some(session) = self.session(number, &["planned"]).await else { return };
        let shifts = [Duration::minutes(45), Duration::hours(3), Duration::hours(26)];
        let near = session.starts_at + self.dice.of(&shifts) * self.dice.of(&[-1, 1]);
        let starts_at = if self.dice.below(4) == 0 { self.in_some_days() } else { near };
        let body = json!({"starts_at": starts_at.to_rfc3339()});
        let path = format!("/v1/sessions/{}", session.id);
        let moved = self.practice.bo.patch(&path, session.version.into(), &body).await;
        assert!([200, 409, 422].contains(&moved.status.as_u16()));
    }

    async fn step(&mut self, number: usize) {
        let Some(session) = self.session(number, &["planned", "started"]).await else { return };
        let step = match self.dice.below(8) {
            0 => "cancel",
            1 => "no-show",
            _ if session.state == "planned" => "start",
            _ => "complete",
        };
        let path = format!("/v1/sessions/{}/{step}", session.id);
        assert!(
            [200, 409].contains(&self.practice.bo.step(&path, session.version.into()).await.status.as_u16())
        );
    }

    async fn travel(&mut self, number: usize) {
        let zone = self.dice.of(&ZONES);
        self.lives[number].zone = zone.parse().unwrap();
        self.lives[number].person.patch("/v1/me", 1, &json!({"time_zone": zone})).await.expect(200);
    }

    async fn pause(&mut self, number: usize) {
        let until = self.now() + Duration::hours(i64::try_from(1 + self.dice.below(60)).unwrap());
        let life = &mut self.lives[number];
        if life.paused_until.take().is_some_and(|until| until > self.practice.app.now()) {
            life.person.delete("/v1/me/pause").await.expect(204);
        } else {
            life.person.put("/v1/me/pause", &json!({"until": until})).await.expect(200);
            life.paused_until = Some(until);
        }
    }

    async fn change_window(&mut self, number: usize) {
        let (opens, closes) = (
            time(6 + u32::try_from(self.dice.below(5)).unwrap(), 30),
            self.dice.of(&[time(19, 0), time(21, 30), time(23, 15)]),
        );
        let life = &mut self.lives[number];
        (life.opens, life.closes) = (opens, closes);
        let version =
            life.person.get("/v1/me/delivery-policy").await.expect(200)["version"].as_i64().unwrap();
        let text = |time: NaiveTime| format!("{:02}:{:02}", time.hour(), time.minute());
        let body = json!({"window": {"opens": text(opens), "closes": text(closes)}});
        life.person.patch("/v1/me/delivery-policy", version, &body).await.expect(200);
    }

    async fn react(&mut self, number: usize) {
        let person = self.lives[number].person.clone();
        let ledger = person.get("/v1/notifications?limit=30").await.expect(200);
        let lines = ledger["items"].as_array().unwrap();
        let Some(line) = lines.iter().find(|line| line["state"] == "accepted") else { return };
        let path = format!("/v1/notifications/{}", line["id"].as_str().unwrap());
        let (what, body) = match self.dice.below(3) {
            0 => ("opened", Value::Null),
            1 => ("done", Value::Null),
            _ => ("snooze", json!({"for": self.dice.of(&["PT30M", "PT2H", "P1D"])})),
        };
        // Nothing is put off past the start of its session, or while reminders are paused.
        let answer = person.post(&format!("{path}/{what}"), &body).await;
        assert!([201, 204, 409, 422].contains(&answer.status.as_u16()), "{what}: {}", answer.status);
    }
}

fn phone(life: &Life) -> String {
    format!("{}-{}", life.person.name, life.phones)
}
