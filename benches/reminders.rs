//! Reminders from due to recorded: claimed, judged, sealed for the device, sent over TLS and HTTP/2 to a push service on
//! loopback, recorded, the next one planned. Prints what they cost and how late they were, on SQLite and on PostgreSQL.
//!
//!     cargo bench --bench reminders -- [--reminders 20000] [--planned 1000000] [--only sqlite|postgres]

#[path = "reminders/cluster.rs"]
mod cluster;
mod common;
#[path = "reminders/measure.rs"]
mod measure;
#[path = "reminders/sink.rs"]
mod sink;
#[path = "reminders/stock.rs"]
mod stock;

use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use clap::Parser;
use cluster::Cluster;
use common::{Folder, Outcome, Process, Program, millis, print_pace};
use measure::{lateness, peak_mib, percentiles};
use sea_orm::{Database, DatabaseConnection};
use serde::Deserialize;
use sink::Sink;

#[derive(Parser)]
struct Args {
    #[arg(long, default_value_t = 20_000)]
    reminders: usize,
    /// Rows planned for later beside them, in the runs that have such.
    #[arg(long, default_value_t = 1_000_000)]
    planned: usize,
    /// One engine instead of both.
    #[arg(long)]
    only: Option<String>,
    /// Be the push service: used by the bench itself.
    #[arg(long, hide = true)]
    sink: Option<PathBuf>,
    /// Passed by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// Longest wait for all of a run.
const PATIENCE: Duration = Duration::from_secs(300);
/// What a run leaves to the program to start.
const START: Duration = Duration::from_secs(2);
/// How far ahead of the first one they are planned, because that itself takes a while.
const AHEAD: chrono::Duration = chrono::Duration::seconds(8);

/// One engine with people in it.
struct Bench<'a> {
    args: &'a Args,
    program: Program,
    conn: DatabaseConnection,
    cluster: Option<&'a Cluster>,
    sink: Sink,
    api: String,
    /// Of somebody who may ask the API.
    token: String,
}

#[derive(Deserialize)]
struct Person {
    role: String,
    access_token: String,
}

/// What a run cost.
struct Cost {
    count: usize,
    wall: Duration,
    own: Duration,
    sink: Duration,
    database: Option<Duration>,
    resident_mib: f64,
    peak_mib: f64,
}

impl Cost {
    fn each(&self) -> f64 {
        millis(self.own) / number(self.count)
    }

    fn print(&self, name: &str) {
        let database = self.database.map_or(String::from("in the process"), |cpu| {
            format!("{:.3} ms", millis(cpu) / number(self.count))
        });
        println!(
            "{name:<44}{:>7.0}/s  {:.3} ms CPU each, database {database}, sink {:.3} ms; {:.0} MiB, at most {:.0}",
            number(self.count) / self.wall.as_secs_f64(),
            self.each(),
            millis(self.sink) / number(self.count),
            self.resident_mib,
            self.peak_mib,
        );
    }
}

fn number(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

async fn pause(span: Duration) {
    tokio::time::timeout(span, std::future::pending::<()>()).await.unwrap_or_default();
}

impl<'a> Bench<'a> {
    async fn open(args: &'a Args, folder: &Folder, cluster: Option<&'a Cluster>) -> Outcome<Self> {
        let url = cluster.map(Cluster::url);
        let mut program = Program::new(folder, url.as_deref());
        let sink = Sink::start(folder.path())?;
        program.settings.push(("SSL_CERT_FILE".to_owned(), sink.certificate.display().to_string()));
        let api = std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.to_string();
        program.set("SERVER__LISTEN", &api);
        let people = folder.path().join("people.jsonl");
        let (count, out) = (args.reminders.to_string(), people.display().to_string());
        let seed = ["seed", "--patients", &count, "--checkins", "1", "--journal", "0", "--due-in", "3h"];
        program.run(&[&seed[..], &["--out", &out, "--push-endpoint", &sink.endpoint]].concat())?;
        let people = fs::read_to_string(&people)?;
        let people = people.lines().map(serde_json::from_str).collect::<Result<Vec<Person>, _>>()?;
        let person = people.into_iter().find(|person| person.role == "patient").ok_or("nobody was seeded")?;
        let file = format!("sqlite://{}", folder.path().join("data/afterglow.db").display());
        let conn = Database::connect(url.as_deref().unwrap_or(&file)).await?;
        stock::tidy(&conn).await?;
        Ok(Self { args, program, conn, cluster, sink, api, token: person.access_token })
    }

    /// Until so many are recorded.
    async fn wait(&self, worker: &mut Process, wanted: usize) -> Outcome<()> {
        let begun = Instant::now();
        while stock::accepted(&self.conn).await? < wanted {
            if begun.elapsed() > PATIENCE || worker.has_ended()? {
                return Err(format!("{} were recorded", stock::accepted(&self.conn).await?).into());
            }
            pause(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    fn database_cpu(&self) -> Outcome<Option<Duration>> {
        self.cluster.map(Cluster::cpu).transpose()
    }

    /// What the database cost since then, if that can be told apart.
    fn database_since(&self, before: Option<Duration>) -> Outcome<Option<Duration>> {
        Ok(self.database_cpu()?.zip(before).map(|(now, before)| now.saturating_sub(before)))
    }

    /// All of them due at once, from the start of the worker until the last one is recorded.
    async fn burst(&self, count: usize) -> Outcome<Cost> {
        stock::make_due(&self.conn, count, chrono::Duration::seconds(-1), Duration::ZERO).await?;
        let (sink, database, begun) = (self.sink.cpu()?, self.database_cpu()?, Instant::now());
        let mut worker = self.program.start(&["worker"])?;
        self.wait(&mut worker, count).await?;
        let cost = Cost {
            count,
            wall: begun.elapsed(),
            own: worker.cpu()?,
            sink: self.sink.cpu()?.saturating_sub(sink),
            database: self.database_since(database)?,
            resident_mib: worker.resident_mib()?,
            peak_mib: peak_mib(worker.pid())?,
        };
        worker.stop()?;
        Ok(cost)
    }

    /// Due one after the other over ten seconds.
    async fn trickle(&self, count: usize) -> Outcome<()> {
        let mut worker = self.program.start(&["worker"])?;
        pause(START).await;
        stock::make_due(&self.conn, count, AHEAD, Duration::from_secs(10)).await?;
        let (own, database, begun) = (worker.cpu()?, self.database_cpu()?, Instant::now());
        self.wait(&mut worker, count).await?;
        let cores = |cpu: Duration| cpu.as_secs_f64() / begun.elapsed().as_secs_f64();
        let database = self.database_since(database)?.map(|cpu| format!("{:.2} cores", cores(cpu)));
        late(&format!("{count} due over 10 s"), lateness(&self.conn).await?);
        println!(
            "{:<44}own {:.2} cores, database {} (with the asking of the bench)",
            "",
            cores(worker.cpu()?.saturating_sub(own)),
            database.as_deref().unwrap_or("in the process"),
        );
        worker.stop()
    }

    /// Very many in one second, while the API is asked.
    async fn rush(&self, count: usize) -> Outcome<()> {
        let mut serving = self.program.start(&["serve"])?;
        pause(START).await;
        stock::make_due(&self.conn, count, AHEAD, Duration::from_secs(1)).await?;
        let over = Arc::new(AtomicBool::new(false));
        let asking = tokio::spawn(ask(self.api.clone(), self.token.clone(), over.clone()));
        self.wait(&mut serving, count).await?;
        over.store(true, Ordering::Relaxed);
        late(&format!("{count} due in one second"), lateness(&self.conn).await?);
        let [median, p99, last] = asking.await??;
        println!(
            "{:<44}median {:.1} ms, p99 {:.1} ms, slowest {:.1} ms",
            "  the API meanwhile",
            millis(median),
            millis(p99),
            millis(last)
        );
        serving.stop()
    }

    async fn all(&mut self) -> Outcome<()> {
        let count = self.args.reminders;
        let alone = self.burst(count).await?;
        alone.print(&format!("{count} due at once"));
        self.sink.answer_after(Duration::from_millis(50))?;
        self.burst(count).await?.print("the same, answered after 50 ms");
        self.sink.answer_after(Duration::ZERO)?;
        stock::plan_later(&self.conn, self.args.planned).await?;
        let beside = self.burst(count).await?;
        beside.print(&format!("the same beside {} planned rows", self.args.planned));
        println!("{:<44}{:>7.2} times the CPU of those alone", "", beside.each() / alone.each());
        self.trickle(count.min(2_000)).await?;
        self.rush(count.min(5_000)).await
    }
}

fn late(name: &str, [median, p99, last]: [Duration; 3]) {
    println!(
        "{name:<44}median {:.0} ms, p99 {:.0} ms, last {:.0} ms late",
        millis(median),
        millis(p99),
        millis(last)
    );
}

/// Asks the API fifty times a second until it is over.
async fn ask(api: String, token: String, over: Arc<AtomicBool>) -> Outcome<[Duration; 3]> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let mut spans = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let begun = Instant::now();
        let request = client.get(format!("http://{api}/v1/checkins?limit=20")).bearer_auth(&token);
        let answer = request.send().await?;
        answer.bytes().await?;
        spans.push(begun.elapsed());
        pause(Duration::from_millis(20).saturating_sub(begun.elapsed())).await;
    }
    Ok(percentiles(spans))
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Outcome<()> {
    let args = Args::parse();
    if let Some(folder) = &args.sink {
        return sink::serve(folder).await;
    }
    print_pace()?;
    let cores = std::thread::available_parallelism()?;
    println!("{cores} cores, shared by the worker, the database, the push service and this bench");
    let is_wanted = |engine: &str| args.only.as_ref().is_none_or(|only| only == engine);
    if is_wanted("sqlite") {
        println!("\nSQLite");
        let folder = Folder::make("reminders-sqlite")?;
        Bench::open(&args, &folder, None).await?.all().await?;
    }
    if is_wanted("postgres") {
        let folder = Folder::make("reminders-postgres")?;
        match Cluster::start(folder.path())? {
            Some(cluster) => {
                println!("\nPostgreSQL, with its defaults, on the same cores");
                Bench::open(&args, &folder, Some(&cluster)).await?.all().await?;
            }
            None => println!("\nPostgreSQL is not there"),
        }
    }
    Ok(())
}
