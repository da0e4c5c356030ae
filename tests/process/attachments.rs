//! Uploads and the real binary: killed in the middle of one, and fifty at once.

use std::{net::SocketAddr, sync::Arc};

use afterglow::{attachments::sweep, db::Engine};
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};

use crate::{
    child::{PATIENCE, Running, eventually},
    harness::{PASSWORD, email},
    world::{World, run},
};

const PART: usize = 256 * 1024;
/// Uploads at once, and how large each is.
const AT_ONCE: usize = 50;
const EACH: usize = 4 * 1024 * 1024;

#[test]
fn a_killed_upload_on_sqlite_goes_on_or_goes_away() {
    run(Engine::Sqlite, a_killed_upload_goes_on_or_goes_away);
}

#[test]
fn a_killed_upload_on_postgres_goes_on_or_goes_away() {
    run(Engine::Postgres, a_killed_upload_goes_on_or_goes_away);
}

#[test]
fn memory_stays_flat_while_fifty_upload_at_once() {
    run(Engine::Sqlite, memory_stays_flat);
}

fn wav(length: usize, seed: usize) -> Vec<u8> {
    let sound: Vec<u8> = (0..length - 44).map(|n| ((n + seed) * 7 % 251) as u8).collect();
    let size = |length: usize| u32::try_from(length).unwrap().to_le_bytes();
    let head: [&[u8]; 4] = [b"RIFF", &size(length - 8), b"WAVEfmt ", &size(16)];
    [head.concat().as_slice(), &[1; 16], b"data", &size(sound.len()), &sound].concat()
}

/// A patient on the other side of a socket, with an entry.
#[derive(Clone)]
struct Client {
    http: reqwest::Client,
    base: String,
    token: String,
    entry: String,
}

impl Client {
    async fn log_in(address: SocketAddr, name: &str) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let base = format!("http://{address}/v1");
        let client = Self { http, base, token: String::new(), entry: String::new() };
        let body = json!({"email": email(name), "password": PASSWORD});
        let pair = client.post("/auth/login", Some(body)).await;
        Self { token: pair["access_token"].as_str().unwrap().to_owned(), ..client }
    }

    async fn with_entry(self) -> Self {
        let body = json!({"template_id": "first-impressions", "fields": {"words": ["river"]}});
        let made = self.post("/journal/entries", Some(body)).await;
        Self { entry: made["id"].as_str().unwrap().to_owned(), ..self }
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> reqwest::Response {
        let request = if self.token.is_empty() { request } else { request.bearer_auth(&self.token) };
        request.send().await.unwrap()
    }

    async fn post(&self, path: &str, body: Option<Value>) -> Value {
        let mut request = self.http.post(format!("{}{path}", self.base));
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let response = self.send(request).await;
        let status = response.status();
        let text = response.text().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap()
    }

    fn file(&self, rest: &str) -> String {
        format!("/journal/entries/{}/attachments{rest}", self.entry)
    }

    async fn announce(&self, file: &[u8]) -> String {
        let body = json!({"field": "voice", "media_type": "audio/wav", "bytes": file.len()});
        self.post(&self.file(""), Some(body)).await["id"].as_str().unwrap().to_owned()
    }

    async fn parts(&self, id: &str, file: &[u8], numbers: std::ops::Range<usize>) {
        for number in numbers {
            let part = file[number * PART..].chunks(PART).next().unwrap().to_vec();
            let path = format!("{}{}", self.base, self.file(&format!("/{id}/parts/{number}")));
            let request = self.http.put(path).header("content-type", "application/octet-stream");
            let response = self.send(request.body(part)).await;
            assert_eq!(response.status(), 200, "{}", response.text().await.unwrap());
        }
    }

    async fn get(&self, rest: &str) -> (u16, Vec<u8>) {
        let response = self.send(self.http.get(format!("{}{}", self.base, self.file(rest)))).await;
        (response.status().as_u16(), response.bytes().await.unwrap().to_vec())
    }
}

async fn count(world: &World, table: &str) -> i64 {
    let conn = world.app.db.reader();
    let sql = format!("SELECT COUNT(*) AS n FROM {table}");
    let row = conn.query_one_raw(Statement::from_string(conn.get_database_backend(), sql)).await.unwrap();
    row.unwrap().try_get("", "n").unwrap()
}

async fn a_killed_upload_goes_on_or_goes_away(world: Arc<World>) {
    world.fill(1).await;
    let file = wav(8 * PART + 100, 1);
    let mut server = Running::start(world.afterglow(&["serve"]));
    let client = Client::log_in(server.address().await, "patient-0").await.with_entry().await;
    let (resumed, abandoned) = (client.announce(&file).await, client.announce(&file).await);
    client.parts(&resumed, &file, 0..4).await;
    client.parts(&abandoned, &file, 0..2).await;
    // One more part is on its way when it dies.
    let (under_way, id, bytes) = (client.clone(), resumed.clone(), file.clone());
    let dying = tokio::spawn(async move { under_way.parts(&id, &bytes, 4..5).await });
    server.kill();
    dying.await.ok();
    let mut server = Running::start(world.afterglow(&["serve"]));
    let base = format!("http://{}/v1", server.address().await);
    let client = Client { base, ..client };
    let listed: Value = serde_json::from_slice(&client.get("").await.1).unwrap();
    let next = listed["items"][0]["next_part"].as_u64().unwrap() as usize;
    assert!((4..=5).contains(&next), "{listed}");
    client.parts(&resumed, &file, next..9).await;
    client.post(&client.file(&format!("/{resumed}/complete")), None).await;
    let (status, bytes) = client.get(&format!("/{resumed}")).await;
    assert!(status == 200 && bytes == file, "{status}, {} bytes", bytes.len());
    assert_eq!(count(&world, "attachment_chunks").await, 9 + 2);
    server.kill();
    let past = world.app.clock.now() - chrono::Duration::seconds(1);
    let conn = world.app.db.writer();
    let late = Statement::from_sql_and_values(
        conn.get_database_backend(),
        "UPDATE attachments SET expires_at = $1 WHERE expires_at IS NOT NULL",
        [past.into()],
    );
    conn.execute_raw(late).await.unwrap();
    let _server = Running::start(world.afterglow(&["serve"]));
    let world = &world;
    eventually("the abandoned upload is gone", || async move {
        (count(world, "attachments").await == 1).then_some(())
    })
    .await;
    assert_eq!(count(world, "attachment_chunks").await, 9, "orphans");
    assert_eq!(sweep(&world.app).await.unwrap(), 0);
}

async fn memory_stays_flat(world: Arc<World>) {
    world.fill(AT_ONCE).await;
    let mut command = world.afterglow(&["serve", "--no-worker"]);
    command.env("AFTERGLOW_AUTH__ARGON2_MEMORY_KIB", "16").env("AFTERGLOW_AUTH__ARGON2_ITERATIONS", "1");
    let mut server = Running::start(command);
    let address = server.address().await;
    let mut clients = Vec::new();
    for number in 0..AT_ONCE {
        clients.push(Client::log_in(address, &format!("patient-{number}")).await.with_entry().await);
    }
    let before = server.peak_kib();
    let uploads = clients.into_iter().enumerate().map(|(number, client)| {
        tokio::spawn(async move {
            let file = wav(EACH, number);
            let id = client.announce(&file).await;
            client.parts(&id, &file, 0..EACH / PART).await;
            client.post(&client.file(&format!("/{id}/complete")), None).await;
            let (status, bytes) = client.get(&format!("/{id}")).await;
            assert!(status == 200 && bytes == file, "{status}");
        })
    });
    for upload in uploads.collect::<Vec<_>>() {
        upload.await.unwrap();
    }
    let (after, total) = (server.peak_kib(), AT_ONCE * EACH / 1024);
    println!("peak memory: {before} KiB before, {after} KiB after {AT_ONCE} uploads of {total} KiB together");
    // A few copies of one part for each: as it came, sealed, as the database takes it. However long the files are.
    assert!(after - before < AT_ONCE * PART * 6 / 1024, "it grew by {} KiB", after - before);
    server.signal("TERM");
    assert_eq!(server.ends_within(PATIENCE).await, Some(0));
}
