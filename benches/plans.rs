//! What it costs the server's process to start the longest plan: fifteen sessions with all their reminders.
//!
//!     cargo bench --bench plans -- [--patients 100] [--database-url postgres://…]

mod common;

use std::{fs, net::TcpListener, time::Duration, time::Instant};

use afterglow::clock::{Clock, SystemClock};
use clap::Parser;
use common::{Folder, Outcome, Program, millis, print_pace};
use serde_json::{Value, json};

#[derive(Parser)]
struct Args {
    /// Each starts one plan.
    #[arg(long, default_value_t = 100)]
    patients: usize,
    /// Instead of a fresh SQLite file.
    #[arg(long)]
    database_url: Option<String>,
    /// Passed by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

const TEMPLATE: &str = "kap-weekly-4";

/// The plan of everybody at the same time: one group, or a therapist could not be in all of them.
fn plan() -> Outcome<Value> {
    let templates = &afterglow::content::protocols().plan_templates;
    let template = templates.iter().find(|one| one.id == TEMPLATE).ok_or("the template is gone")?;
    let group = "0198f000-0000-7000-8000-000000000000";
    let groups: serde_json::Map<String, Value> =
        template.sessions.iter().map(|one| (one.key.clone(), json!(group))).collect();
    let first = (SystemClock.now() + chrono::Duration::days(30)).date_naive().to_string();
    Ok(json!({"template_id": TEMPLATE, "first_dosing_on": first, "route": "im", "groups": groups,
        "without_measures": true}))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let args = Args::parse();
    print_pace()?;
    let folder = Folder::make("plans")?;
    let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
    let mut program = Program::new(&folder, args.database_url.as_deref());
    program.set("SERVER__LISTEN", format!("127.0.0.1:{port}"));
    let file = folder.path().join("people.jsonl");
    let (patients, out) = (args.patients.to_string(), file.display().to_string());
    program.run(&["seed", "--patients", &patients, "--checkins", "1", "--journal", "1", "--out", &out])?;
    let people: Vec<Value> =
        fs::read_to_string(&file)?.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let mut server = program.start(&["serve", "--no-worker"])?;
    let (client, base) = (reqwest::Client::new(), format!("http://127.0.0.1:{port}"));
    while client.get(format!("{base}/readyz")).send().await.is_err() {
        if server.has_ended()? {
            return Err("the server ended before it was ready".into());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let (mut reminders, mut times) = (0, Vec::new());
    let (body, cpu) = (plan()?.to_string(), server.cpu()?);
    for patient in people.iter().filter(|person| person["role"] == "patient") {
        let therapist = people.iter().find(|person| person["id"] == patient["therapist_id"]);
        let token = therapist.and_then(|person| person["access_token"].as_str()).unwrap_or_default();
        let path = format!("{base}/v1/patients/{}/plans", patient["id"].as_str().unwrap_or_default());
        let begun = Instant::now();
        let request = client.post(path).bearer_auth(token).header("content-type", "application/json");
        let answer = request.body(body.clone()).send().await?;
        let (status, text) = (answer.status().as_u16(), answer.text().await?);
        times.push(begun.elapsed());
        if status != 201 {
            return Err(format!("{status}: {text}").into());
        }
        let started: Value = serde_json::from_str(&text)?;
        reminders = started["reminders_planned"].as_u64().unwrap_or_default();
    }
    let cpu = server.cpu()? - cpu;
    times.sort_unstable();
    let count = u32::try_from(times.len())?;
    println!(
        "start a plan of 15 sessions, {reminders} reminders: {:.2} ms CPU each, p50 {:.2} ms, p99 {:.2} ms",
        millis(cpu) / f64::from(count),
        millis(times[times.len() / 2]),
        millis(times[times.len() * 99 / 100]),
    );
    println!("memory afterwards: {:.1} MiB", server.resident_mib()?);
    server.stop()
}
