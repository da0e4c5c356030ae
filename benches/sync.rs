//! What a phone that begins with nothing costs: ten thousand changes in pages. A year of daily check-ins as a trend, by
//! day and by week. And the digest that a therapist reads of it, with a year of weekly questionnaires and sessions.
//!
//!     cargo bench --bench sync -- [--changes 10000] [--requests 200] [--database-url postgres://…]

mod common;

use std::{fs, net::TcpListener, time::Duration, time::Instant};

use afterglow::clock::{Clock, SystemClock};
use chrono::Duration as Span;
use clap::Parser;
use common::{Folder, Outcome, Process, Program, millis, print_pace};
use serde_json::{Value, json};

#[derive(Parser)]
struct Args {
    /// Check-ins, one a day, and a tenth as many entries.
    #[arg(long, default_value_t = 10_000)]
    changes: usize,
    /// Trends and digests of each kind.
    #[arg(long, default_value_t = 200)]
    requests: u32,
    /// Instead of a fresh SQLite file.
    #[arg(long)]
    database_url: Option<String>,
    /// Passed by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// Somebody who asks the server.
struct Phone {
    client: reqwest::Client,
    base: String,
    token: String,
}

impl Phone {
    async fn get(&self, path: &str) -> Outcome<Value> {
        let request = self.client.get(format!("{}{path}", self.base)).bearer_auth(&self.token);
        let answer = request.send().await?.error_for_status()?;
        Ok(serde_json::from_str(&answer.text().await?)?)
    }

    async fn post(&self, path: &str, body: &Value) -> Outcome<()> {
        let request = self.client.post(format!("{}{path}", self.base)).bearer_auth(&self.token);
        let request = request.header("content-type", "application/json").body(body.to_string());
        request.send().await?.error_for_status()?;
        Ok(())
    }

    /// Every page from the beginning on; how many there were, and how many rows in them.
    async fn pull(&self) -> Outcome<(usize, usize)> {
        let (mut pages, mut rows, mut since) = (0, 0, String::new());
        loop {
            let page = self.get(&format!("/v1/sync?limit=500{since}")).await?;
            pages += 1;
            rows += ["checkins", "journal_entries"]
                .iter()
                .map(|part| page[part]["upserts"].as_array().map_or(0, Vec::len))
                .sum::<usize>();
            if page["has_more"] == false {
                return Ok((pages, rows));
            }
            since = format!("&since={}", page["next"].as_str().unwrap_or_default());
        }
    }
}

async fn measure_pulls(phone: &Phone, server: &Process) -> Outcome<()> {
    phone.pull().await?;
    for _ in 0..3 {
        let (cpu, begun) = (server.cpu()?, Instant::now());
        let (pages, rows) = phone.pull().await?;
        let (wall, cpu) = (begun.elapsed(), server.cpu()? - cpu);
        println!("pull {rows} changes in {pages} pages: {:.0} ms, {:.0} ms CPU", millis(wall), millis(cpu));
    }
    Ok(())
}

async fn measure_trends(phone: &Phone, server: &Process, requests: u32) -> Outcome<()> {
    let to = SystemClock.now().date_naive();
    let from = to - chrono::Days::new(364);
    for bucket in ["day", "week"] {
        let path = format!("/v1/checkins/trend?from={from}&to={to}&bucket={bucket}");
        let points = phone.get(&path).await?["buckets"].as_array().map_or(0, Vec::len);
        let cpu = server.cpu()?;
        let mut times = Vec::new();
        for _ in 0..requests {
            let begun = Instant::now();
            phone.get(&path).await?;
            times.push(begun.elapsed());
        }
        let cpu = server.cpu()? - cpu;
        times.sort_unstable();
        println!(
            "trend of a year by {bucket}, {points} buckets: {:.2} ms CPU each, p50 {:.2} ms",
            millis(cpu) / f64::from(requests.max(1)),
            millis(times[times.len() / 2]),
        );
    }
    Ok(())
}

/// A year of weekly forms, and sessions every two weeks.
async fn live_a_year(phone: &Phone, therapist: &Phone, patient: &str) -> Outcome<()> {
    let now = SystemClock.now();
    for (measure, items) in [("phq-9", 9), ("gad-7", 7)] {
        let version = phone.get(&format!("/v1/measures/{measure}")).await?["version"].clone();
        for week in 1..=52_i64 {
            let item = |n: i64| json!({"item": format!("{}.{n}", measure.replace('-', "")), "choice": if n == 9 { "0" } else { "1" }});
            let answers: Vec<Value> = (1..=items).map(item).collect();
            let form = json!({"measure_id": measure, "version": version, "language": "en", "answers": answers,
                "taken_at": now - Span::weeks(week), "shared": true});
            phone.post("/v1/measure-responses", &form).await?;
        }
    }
    for fortnight in 1..=26 {
        let session = json!({"kind": "integration", "starts_at": now + Span::weeks(2 * fortnight)});
        therapist.post(&format!("/v1/patients/{patient}/sessions"), &session).await?;
    }
    Ok(())
}

async fn measure_digests(therapist: &Phone, patient: &str, server: &Process, requests: u32) -> Outcome<()> {
    let url = format!("{}/v1/patients/{patient}/digest", therapist.base);
    for kind in ["application/json", "text/html"] {
        let ask = || therapist.client.get(&url).bearer_auth(&therapist.token).header("accept", kind).send();
        let size = ask().await?.error_for_status()?.bytes().await?.len();
        let (cpu, mut times) = (server.cpu()?, Vec::new());
        for _ in 0..requests {
            let begun = Instant::now();
            ask().await?.error_for_status()?.bytes().await?;
            times.push(begun.elapsed());
        }
        let cpu = server.cpu()? - cpu;
        times.sort_unstable();
        println!(
            "digest of a year as {kind}, {size} bytes: {:.2} ms CPU each, p50 {:.2} ms",
            millis(cpu) / f64::from(requests.max(1)),
            millis(times[times.len() / 2]),
        );
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let args = Args::parse();
    print_pace()?;
    let folder = Folder::make("sync")?;
    let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
    let mut program = Program::new(&folder, args.database_url.as_deref());
    program.set("SERVER__LISTEN", format!("127.0.0.1:{port}"));
    let file = folder.path().join("people.jsonl");
    let out = file.display().to_string();
    let (checkins, entries) =
        ((args.changes - args.changes / 10).to_string(), (args.changes / 10).to_string());
    program.run(&[
        "seed",
        "--patients",
        "1",
        "--checkins",
        &checkins,
        "--journal",
        &entries,
        "--out",
        &out,
    ])?;
    let people: Vec<Value> =
        fs::read_to_string(&file)?.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let (base, client) = (format!("http://127.0.0.1:{port}"), reqwest::Client::new());
    let somebody = |role: &str| -> Outcome<(String, Phone)> {
        let found = people.iter().find(|person| person["role"] == role).ok_or("nobody was seeded")?;
        let text = |name: &str| found[name].as_str().unwrap_or_default().to_owned();
        let phone = Phone { client: client.clone(), base: base.clone(), token: text("access_token") };
        Ok((text("id"), phone))
    };
    let ((patient, phone), (_, therapist)) = (somebody("patient")?, somebody("therapist")?);
    let mut server = program.start(&["serve", "--no-worker"])?;
    while phone.client.get(format!("{}/readyz", phone.base)).send().await.is_err() {
        if server.has_ended()? {
            return Err("the server ended before it was ready".into());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    measure_pulls(&phone, &server).await?;
    measure_trends(&phone, &server, args.requests).await?;
    live_a_year(&phone, &therapist, &patient).await?;
    measure_digests(&therapist, &patient, &server, args.requests).await?;
    println!("memory afterwards: {:.1} MiB", server.resident_mib()?);
    server.stop()
}
