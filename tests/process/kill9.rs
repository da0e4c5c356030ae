//! `kill -9` at the worst moments: what was promised is kept by whoever starts next.

use std::{
    fs,
    net::SocketAddr,
    process::{Command, Stdio},
    sync::Arc,
};

use afterglow::db::Engine;
use entity::notifications;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::{
    child::{PATIENCE, Running, eventually},
    harness::{PASSWORD, email},
    world::{UNDER_WAY, World, run, soak},
};

#[test]
fn no_reminder_is_lost_on_sqlite_when_the_server_is_killed_while_it_sends() {
    run(Engine::Sqlite, no_reminder_is_lost);
}

#[test]
fn no_reminder_is_lost_on_postgres_when_the_server_is_killed_while_it_sends() {
    run(Engine::Postgres, no_reminder_is_lost);
}

#[test]
fn b2_what_was_acknowledged_on_sqlite_is_there_after_a_kill() {
    run(Engine::Sqlite, what_was_acknowledged_is_there);
}

#[test]
fn b2_what_was_acknowledged_on_postgres_is_there_after_a_kill() {
    run(Engine::Postgres, what_was_acknowledged_is_there);
}

#[test]
fn b2_what_is_acknowledged_was_synced_to_the_disk() {
    run(Engine::Sqlite, each_commit_is_synced);
}

async fn no_reminder_is_lost(world: Arc<World>) {
    let (kills, reminders) = soak((50, 5_000), (4, 400));
    world.fill(reminders).await;
    let mut under_way = 0;
    for kill in 0..kills {
        let mut server = Running::start(world.afterglow(&["serve"]));
        // Killed at an instant of its own each time: after so many more arrived, and a little later.
        let (arrived, [more, later]) = (world.push.received().len(), world.app.random.bytes::<2>());
        let wanted = (arrived + 1 + usize::from(more) * reminders / (256 * kills)).min(reminders);
        world.push.wait_for(wanted, PATIENCE).await;
        for _ in 0..later % 3 {
            crate::child::pause().await;
        }
        server.kill();
        let left = claimed(&world).await;
        assert!(left <= ((kill + 1) * UNDER_WAY) as u64, "{left} under way: {}", server.said());
        under_way += left;
    }
    let mut server = Running::start(world.afterglow(&["serve"]));
    world.accepted(reminders as u64).await;
    server.signal("TERM");
    assert_eq!(server.ends_within(PATIENCE).await, Some(0));
    let again = world.repetitions(reminders) as u64;
    println!("{kills} kills, {reminders} reminders: none lost, {again} came again of {under_way} under way");
    assert!(again <= under_way, "{again} came again, but only {under_way} were under way");
    let ledger = world.ledger().await;
    assert_eq!(ledger.len(), 2 * reminders, "each rule has planned its next occurrence, and only that");
    let planned = ledger.iter().filter(|row| row.state == "planned").count();
    assert_eq!(planned, reminders);
}

/// What the dead process had claimed and not recorded.
async fn claimed(world: &World) -> u64 {
    let claimed = notifications::Column::State.eq("claimed");
    notifications::Entity::find().filter(claimed).count(world.app.db.reader()).await.unwrap()
}

/// An account on the other side of a socket.
#[derive(Clone)]
pub struct Client {
    pub http: reqwest::Client,
    pub token: String,
}

impl Client {
    pub async fn log_in(address: SocketAddr, name: &str) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let client = Self { http, token: String::new() };
        let body = json!({"email": email(name), "password": PASSWORD});
        let (status, pair) = client.post(address, "/v1/auth/login", &body).await.unwrap();
        assert_eq!(status, 200, "{pair}");
        Self { token: pair["access_token"].as_str().unwrap().to_owned(), ..client }
    }

    /// None when no whole answer came.
    pub async fn post(&self, address: SocketAddr, path: &str, body: &Value) -> Option<(u16, Value)> {
        let mut request = self.http.post(format!("http://{address}{path}")).body(body.to_string());
        request = request.header("content-type", "application/json");
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        let response = request.send().await.ok()?;
        let status = response.status().as_u16();
        Some((status, serde_json::from_str(&response.text().await.ok()?).ok()?))
    }

    pub async fn read(&self, address: SocketAddr, path: &str) -> Value {
        let request = self.http.get(format!("http://{address}{path}")).bearer_auth(&self.token);
        serde_json::from_str(&request.send().await.unwrap().text().await.unwrap()).unwrap()
    }

    pub async fn get(&self, address: SocketAddr, path: &str) -> u16 {
        let request = self.http.get(format!("http://{address}{path}")).bearer_auth(&self.token);
        request.send().await.unwrap().status().as_u16()
    }
}

async fn what_was_acknowledged_is_there(world: Arc<World>) {
    world.fill(4).await;
    let mut server = Running::start(world.afterglow(&["serve"]));
    let address = server.address().await;
    let acknowledged: Arc<Mutex<Vec<(usize, String)>>> = Arc::default();
    let mut clients = Vec::new();
    let mut writers = Vec::new();
    for number in 0..4 {
        let client = Client::log_in(address, &format!("patient-{number}")).await;
        clients.push(client.clone());
        let acknowledged = acknowledged.clone();
        writers.push(tokio::spawn(async move {
            let body = json!({"mood": 6, "note": "written while the power goes"});
            while let Some((status, checkin)) = client.post(address, "/v1/checkins", &body).await {
                assert_eq!(status, 201, "{checkin}");
                let id = checkin["id"].as_str().unwrap().to_owned();
                acknowledged.lock().await.push((number, id));
            }
        }));
    }
    let written = &acknowledged;
    eventually(
        "forty check-ins are written",
        || async move { (written.lock().await.len() >= 40).then_some(()) },
    )
    .await;
    server.kill();
    for writer in writers {
        writer.await.unwrap();
    }
    let mut server = Running::start(world.afterglow(&["serve"]));
    let address = server.address().await;
    for (number, id) in acknowledged.lock().await.iter() {
        let status = clients[*number].get(address, &format!("/v1/checkins/{id}")).await;
        assert_eq!(status, 200, "an acknowledged check-in is gone");
    }
}

/// A kill leaves what the system already took; only the sync before each answer outlives a power cut.
async fn each_commit_is_synced(world: Arc<World>) {
    const WRITES: usize = 10;
    let trace = world.store.folder().join("trace");
    world.fill(1).await;
    let mut server = Running::start(world.afterglow(&["serve", "--no-worker"]));
    let address = server.address().await;
    let ana = Client::log_in(address, "patient-0").await;
    let strace = Command::new("strace")
        .args(["-f", "-qq", "-e", "trace=fsync,fdatasync", "-p"])
        .arg(server.pid().to_string())
        .arg("-o")
        .arg(&trace)
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut strace) = strace else {
        println!("skipped: no strace");
        return;
    };
    let synced = || fs::read_to_string(&trace).unwrap_or_default().matches("sync(").count();
    let body = json!({"mood": 6});
    // It follows from some moment on; where it may not, it ends by itself.
    for again in 0.. {
        if synced() > 0 {
            break;
        }
        assert!(again < 1_000, "nothing is ever synced");
        if strace.try_wait().unwrap().is_some() {
            println!("skipped: strace may not look at other processes here");
            return;
        }
        assert_eq!(ana.post(address, "/v1/checkins", &body).await.unwrap().0, 201);
        crate::child::pause().await;
    }
    for _ in 0..WRITES {
        let before = synced();
        assert_eq!(ana.post(address, "/v1/checkins", &body).await.unwrap().0, 201);
        eventually("the write was synced", || async { (synced() > before).then_some(()) }).await;
    }
    let before = synced();
    for _ in 0..WRITES {
        ana.read(address, "/v1/checkins").await;
    }
    println!("{WRITES} writes, {before} syncs, {} more for as many reads", synced() - before);
    server.kill();
    strace.wait().unwrap();
}
