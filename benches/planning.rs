//! What planning costs: the pure rules by themselves, and the server's process for whole requests: one session scheduled
//! with its reminders, and a change of zone of a patient with twenty standing reminders.
//!
//!     cargo bench --bench planning -- [--patients 100] [--database-url postgres://…]

mod common;

use std::{fs, hint::black_box, net::TcpListener, time::Duration, time::Instant};

use afterglow::{
    clock::{Clock, SystemClock},
    content::protocols,
    reminders::rules::{
        localtime::{LocalTime, Zone},
        policy::{HushWindow, Policy},
        recurrence::Recurrence,
        recurring::{RecurringFacts, plan_recurring},
        session::{SessionFacts, SessionState, plan_session},
        timeline::HUSH_MARGIN,
    },
};
use clap::Parser;
use common::{Folder, Outcome, Process, Program, millis, print_pace};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

#[derive(Parser)]
struct Args {
    /// Each gets one session and changes the zone once.
    #[arg(long, default_value_t = 100)]
    patients: usize,
    /// Instead of a fresh SQLite file.
    #[arg(long)]
    database_url: Option<String>,
    /// Passed by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

const RULES: u32 = 20;
const ROUNDS: u32 = 2_000;

fn timed(what: &str, mut work: impl FnMut()) {
    let begun = Instant::now();
    (0..ROUNDS).for_each(|_| work());
    println!("{what}: {:.1} µs", begun.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS));
}

/// The rules alone, without a database.
fn pure() -> Outcome<()> {
    let (zone, policy, now) = (Zone::parse("Europe/Berlin")?, Policy::default(), SystemClock.now());
    let starts_at = now + chrono::Duration::days(30);
    let ends_at = starts_at + chrono::Duration::minutes(150);
    let hush = vec![HushWindow::of_dosing(starts_at, ends_at, None, HUSH_MARGIN)];
    let facts = SessionFacts {
        id: Uuid::from_u128(1),
        kind: "dosing".into(),
        location: "clinic".into(),
        starts_at,
        ends_at,
        placement: 0,
        state: SessionState::Planned,
        completed_at: None,
        is_first_of_kind: true,
        is_last_of_kind: true,
        next_dosing_start: None,
        hush: hush.clone(),
    };
    timed("rules of one dosing session", || {
        black_box(plan_session(&protocols().reminders, now, black_box(&facts), &zone, &policy, &[]));
    });
    let rules: Vec<Recurrence> = (0..RULES)
        .map(|n| Ok(Recurrence::Daily { time: LocalTime::new(i8::try_from(n)?, 15)? }))
        .collect::<Outcome<_>>()?;
    let away = Zone::parse("America/New_York")?;
    timed("rules of twenty standing reminders", || {
        for recurrence in &rules {
            let facts = RecurringFacts {
                rule_id: Uuid::from_u128(2),
                template_id: None,
                recurrence,
                category: "mindfulness",
                priority: afterglow::content::Priority::Normal,
                served: None,
                skip_on_dosing_day: true,
                halved: false,
                spread: None,
            };
            black_box(plan_recurring(now, black_box(&facts), &away, &policy, &hush));
        }
    });
    Ok(())
}

struct Server {
    process: Process,
    client: reqwest::Client,
    base: String,
}

impl Server {
    async fn ask(&self, method: Method, path: &str, token: &str, body: &Value) -> Outcome<()> {
        let request = self.client.request(method, format!("{}{path}", self.base)).bearer_auth(token);
        let request = request.header("content-type", "application/json").body(body.to_string());
        let answer = request.send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        if status.is_success() { Ok(()) } else { Err(format!("{path}: {status}: {text}").into()) }
    }

    /// One request for each of these; prints what it cost the server's process.
    async fn measure(&self, what: &str, requests: &[(Method, String, String, Value)]) -> Outcome<()> {
        let cpu = self.process.cpu()?;
        let mut times = Vec::with_capacity(requests.len());
        for (method, path, token, body) in requests {
            let begun = Instant::now();
            self.ask(method.clone(), path, token, body).await?;
            times.push(begun.elapsed());
        }
        let cpu = self.process.cpu()? - cpu;
        times.sort_unstable();
        let each = millis(cpu) / f64::from(u32::try_from(times.len())?);
        println!("{what}: {each:.2} ms CPU each, p50 {:.2} ms", millis(times[times.len() / 2]));
        Ok(())
    }
}

fn text<'a>(person: &'a Value, field: &str) -> &'a str {
    person[field].as_str().unwrap_or_default()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let args = Args::parse();
    print_pace()?;
    pure()?;
    let folder = Folder::make("planning")?;
    let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
    let mut program = Program::new(&folder, args.database_url.as_deref());
    program.set("SERVER__LISTEN", format!("127.0.0.1:{port}"));
    let file = folder.path().join("people.jsonl");
    let (patients, out) = (args.patients.to_string(), file.display().to_string());
    program.run(&["seed", "--patients", &patients, "--checkins", "1", "--journal", "1", "--out", &out])?;
    let people: Vec<Value> =
        fs::read_to_string(&file)?.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let process = program.start(&["serve", "--no-worker"])?;
    let mut server =
        Server { process, client: reqwest::Client::new(), base: format!("http://127.0.0.1:{port}") };
    while server.client.get(format!("{}/readyz", server.base)).send().await.is_err() {
        if server.process.has_ended()? {
            return Err("the server ended before it was ready".into());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let patients: Vec<&Value> = people.iter().filter(|person| person["role"] == "patient").collect();
    let starts_at = (SystemClock.now() + chrono::Duration::days(30)).to_rfc3339();
    // One group: a therapist could not be in all of them otherwise.
    let session =
        json!({"kind": "dosing", "starts_at": starts_at, "group_id": "0198f000-0000-7000-8000-000000000000"});
    let scheduled = patients.iter().map(|patient| {
        let therapist = people.iter().find(|person| person["id"] == patient["therapist_id"]);
        let token = therapist.map(|person| text(person, "access_token")).unwrap_or_default();
        let path = format!("/v1/patients/{}/sessions", text(patient, "id"));
        (Method::POST, path, token.to_owned(), session.clone())
    });
    server.measure("schedule one dosing session", &scheduled.collect::<Vec<_>>()).await?;
    for patient in &patients {
        // One of them came with the seed.
        for n in 1..RULES {
            let rule = json!({"category": "mindfulness", "schedule": {"kind": "daily", "time": format!("{n:02}:15")}});
            server.ask(Method::POST, "/v1/reminders", text(patient, "access_token"), &rule).await?;
        }
    }
    let away = json!({"time_zone": "Pacific/Auckland"});
    let moved = patients.iter().map(|patient| {
        (Method::PATCH, "/v1/me".to_owned(), text(patient, "access_token").to_owned(), away.clone())
    });
    server.measure("change the zone of a patient with 20 rules", &moved.collect::<Vec<_>>()).await?;
    println!("memory afterwards: {:.1} MiB", server.process.resident_mib()?);
    server.process.stop()
}
