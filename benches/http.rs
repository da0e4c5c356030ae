//! What a request costs the server's process, end to end over keep-alive connections: logged in, checked, sealed,
//! audited, logged. Also the time from start to the first 200 on an existing database, idle memory, and what others
//! notice of a crowd (`http/pressure.rs`), after which the audit chain is verified.
//!
//!     cargo bench --bench http -- [--patients 200] [--requests 4000] [--connections 8] [--database-url postgres://…]

mod common;
#[path = "http/pressure.rs"]
mod pressure;

use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Parser;
use common::{Folder, Outcome, Process, Program, millis, print_pace};
use serde::Deserialize;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

#[derive(Parser)]
struct Args {
    #[arg(long, default_value_t = 200)]
    patients: usize,
    #[arg(long, default_value_t = 500)]
    checkins: usize,
    #[arg(long, default_value_t = 100)]
    journal: usize,
    /// Requests of each kind.
    #[arg(long, default_value_t = 4_000)]
    requests: usize,
    #[arg(long, default_value_t = 8)]
    connections: usize,
    /// Instead of a fresh SQLite file.
    #[arg(long)]
    database_url: Option<String>,
    /// Passed by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Deserialize, Clone)]
struct Person {
    role: String,
    id: String,
    email: String,
    therapist_id: Option<String>,
    access_token: String,
}

/// One kind of request: its text for the n-th patient.
struct Scenario<'a> {
    name: &'static str,
    expected: u16,
    request: Box<dyn Fn(usize) -> String + Send + Sync + 'a>,
}

const CHECKIN: &str = r#"{"mood":6,"anxiety":3,"energy":5,"sleep_hours":7.5,"emotions":["calm","tired"],"note":"Walked by the river before breakfast."}"#;
const ENTRY: &str = r#"{"title":"The morning after","fields":{"text":"The river was wide and I was not afraid of it. I want to remember how slow everything was, and that I could wait. When I came back I noticed the light in the room first."}}"#;

fn get(path: &str, token: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\r\n")
}

fn post(path: &str, token: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A therapist reads what the n-th patient shares.
fn shared<'a>(
    patients: &'a [Person],
    therapists: &'a [Person],
) -> impl Fn(usize) -> String + Send + Sync + 'a {
    move |n| {
        let patient = &patients[n % patients.len()];
        let of = therapists.iter().find(|person| Some(&person.id) == patient.therapist_id.as_ref());
        let token = of.map_or("", |person| person.access_token.as_str());
        get(&format!("/v1/patients/{}/journal/entries?limit=20", patient.id), token)
    }
}

fn scenarios<'a>(patients: &'a [Person], therapists: &'a [Person]) -> Vec<Scenario<'a>> {
    let patient = move |n: usize| &patients[n % patients.len()];
    vec![
        Scenario {
            name: "create check-in",
            expected: 201,
            request: Box::new(move |n| post("/v1/checkins", &patient(n).access_token, CHECKIN)),
        },
        Scenario {
            name: "list 20 check-ins",
            expected: 200,
            request: Box::new(move |n| get("/v1/checkins?limit=20", &patient(n).access_token)),
        },
        Scenario {
            name: "create entry",
            expected: 201,
            request: Box::new(move |n| post("/v1/journal/entries", &patient(n).access_token, ENTRY)),
        },
        Scenario {
            name: "therapist lists 20 shared",
            expected: 200,
            request: Box::new(shared(patients, therapists)),
        },
    ]
}

/// Sends one request and reads one whole answer; returns its status.
async fn exchange(stream: &mut TcpStream, request: &str, buffer: &mut Vec<u8>) -> Outcome<u16> {
    stream.write_all(request.as_bytes()).await?;
    buffer.clear();
    let (mut head, mut length) = (None, 0);
    loop {
        if head.is_none()
            && let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n")
        {
            let text = std::str::from_utf8(&buffer[..end])?.to_ascii_lowercase();
            let value = text.lines().find_map(|line| line.strip_prefix("content-length:")).unwrap_or("0");
            length = value.trim().parse::<usize>()?;
            head = Some(end + 4);
        }
        if let Some(end) = head
            && buffer.len() >= end + length
        {
            return Ok(std::str::from_utf8(&buffer[9..12])?.parse()?);
        }
        if stream.read_buf(buffer).await? == 0 {
            return Err("the server closed the connection".into());
        }
    }
}

/// The n-th to the last request, every `step`-th, on one connection; the time each took.
async fn drive(port: u16, requests: Vec<String>, expected: u16) -> Outcome<Vec<Duration>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let (mut buffer, mut times) = (Vec::with_capacity(64 * 1024), Vec::with_capacity(requests.len()));
    for request in requests {
        let begun = Instant::now();
        let status = exchange(&mut stream, &request, &mut buffer).await?;
        times.push(begun.elapsed());
        if status != expected {
            return Err(
                format!("{status} instead of {expected}: {}", String::from_utf8_lossy(&buffer)).into()
            );
        }
    }
    Ok(times)
}

async fn measure(server: &Process, port: u16, scenario: &Scenario<'_>, args: &Args) -> Outcome<()> {
    // The first requests open data keys and check tokens that stay in memory afterwards, as in a day's work.
    let warm: Vec<String> = (0..args.patients).map(|n| (scenario.request)(n)).collect();
    drive(port, warm, scenario.expected).await?;
    let step = args.connections.max(1);
    let shares: Vec<Vec<String>> = (0..step)
        .map(|first| (first..args.requests).step_by(step).map(|n| (scenario.request)(n)).collect())
        .collect();
    let (cpu, begun) = (server.cpu()?, Instant::now());
    let running: Vec<_> =
        shares.into_iter().map(|share| tokio::spawn(drive(port, share, scenario.expected))).collect();
    let mut times = Vec::with_capacity(args.requests);
    for connection in running {
        times.extend(connection.await??);
    }
    let (wall, cpu) = (begun.elapsed(), server.cpu()? - cpu);
    times.sort_unstable();
    let count = u32::try_from(times.len())?;
    println!(
        "{:<28} {:>7.3} ms CPU each   {:>6.0}/s   p50 {:>6.2} ms   p99 {:>6.2} ms",
        scenario.name,
        millis(cpu) / f64::from(count),
        f64::from(count) / wall.as_secs_f64(),
        millis(times[times.len() / 2]),
        millis(times[times.len() * 99 / 100]),
    );
    Ok(())
}

/// Until `/readyz` answers 200, asked again every millisecond.
async fn first_answer(port: u16, server: &mut Process) -> Outcome<()> {
    let request = "GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    loop {
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)).await
            && exchange(&mut stream, request, &mut Vec::new()).await? == 200
        {
            return Ok(());
        }
        if server.has_ended()? {
            return Err("the server ended before it was ready".into());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn people(file: &std::path::Path) -> Outcome<Vec<Person>> {
    fs::read_to_string(file)?.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Outcome<()> {
    let args = Args::parse();
    print_pace()?;
    let folder = Folder::make("http")?;
    let port = std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
    let mut program = Program::new(&folder, args.database_url.as_deref());
    program.set("SERVER__LISTEN", format!("127.0.0.1:{port}"));
    let file = folder.path().join("people.jsonl");
    let sizes = [args.patients, args.checkins, args.journal].map(|size| size.to_string());
    let out = file.display().to_string();
    program.run(&[
        "seed",
        "--patients",
        &sizes[0],
        "--checkins",
        &sizes[1],
        "--journal",
        &sizes[2],
        "--out",
        &out,
    ])?;
    let (patients, staff): (Vec<_>, Vec<_>) =
        people(&file)?.into_iter().partition(|person| person.role == "patient");

    let begun = Instant::now();
    let mut server = program.start(&["serve", "--no-worker"])?;
    first_answer(port, &mut server).await?;
    println!("start to first 200           {:>7.1} ms", millis(begun.elapsed()));
    std::thread::sleep(Duration::from_secs(1));
    println!("idle memory                  {:>7.1} MiB", server.resident_mib()?);
    for scenario in scenarios(&patients, &staff) {
        measure(&server, port, &scenario, &args).await?;
    }
    println!("memory afterwards            {:>7.1} MiB", server.resident_mib()?);
    let server = Arc::new(server);
    pressure::logins(&server, port, &patients).await?;
    pressure::reads(&server, port, shared(&patients, &staff)).await?;
    pressure::slow_sockets(&server, port, &patients).await?;
    Arc::into_inner(server).ok_or("somebody still looks at the server")?.stop()?;
    // Prints what it found; a chain that is not whole ends it with an error.
    program.run(&["audit", "verify"])
}
