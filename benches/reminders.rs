//! Reminders from due to recorded: claimed, judged, sealed for the device, sent to a local push service, recorded, the
//! next one planned. Prints how many a second, and the processor time of the worker for each.
//!
//!     cargo bench --bench reminders -- [--reminders 5000] [--database-url postgres://…]

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use clap::Parser;
use common::{Folder, Outcome, Program, millis};
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, Statement};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

#[derive(Parser)]
struct Args {
    #[arg(long, default_value_t = 5_000)]
    reminders: usize,
    /// Instead of a fresh SQLite file; one without other people's due reminders.
    #[arg(long)]
    database_url: Option<String>,
    /// Passed by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// Longest wait for all of them.
const PATIENCE: Duration = Duration::from_secs(300);

/// A push service that takes everything.
async fn sink(listener: TcpListener, taken: Arc<AtomicUsize>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(stream, taken.clone()));
    }
}

/// Requests with a content-length, one after the other, until the client leaves.
async fn serve(mut stream: TcpStream, taken: Arc<AtomicUsize>) {
    let mut buffer = Vec::with_capacity(16 * 1024);
    while let Ok(read) = stream.read_buf(&mut buffer).await {
        if read == 0 {
            return;
        }
        while let Some(length) = whole(&buffer) {
            buffer.drain(..length);
            taken.fetch_add(1, Ordering::Relaxed);
            let answer = b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n";
            if stream.write_all(answer).await.is_err() {
                return;
            }
        }
    }
}

/// Length of the first request in the buffer, once all of it is there.
fn whole(buffer: &[u8]) -> Option<usize> {
    let end = buffer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&buffer[..end]).ok()?.to_ascii_lowercase();
    let value = head.lines().find_map(|line| line.strip_prefix("content-length:"))?;
    let length = end + value.trim().parse::<usize>().ok()?;
    (buffer.len() >= length).then_some(length)
}

async fn recorded(conn: &DatabaseConnection) -> Outcome<i64> {
    let sql = "SELECT COUNT(*) AS n FROM notifications WHERE state = 'accepted'";
    let row = conn.query_one_raw(Statement::from_string(conn.get_database_backend(), sql)).await?;
    Ok(row.ok_or("no count")?.try_get("", "n")?)
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Outcome<()> {
    let args = Args::parse();
    let folder = Folder::make("reminders")?;
    let program = Program::new(&folder, args.database_url.as_deref());
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let endpoint = format!("http://127.0.0.1:{}/push/{{n}}", listener.local_addr()?.port());
    let count = args.reminders.to_string();
    let seed = ["seed", "--patients", &count, "--checkins", "3", "--journal", "1", "--due-in", "0"];
    program.run(&[&seed[..], &["--push-endpoint", &endpoint]].concat())?;
    let file = format!("sqlite://{}", folder.path().join("data/afterglow.db").display());
    let conn = Database::connect(args.database_url.as_deref().unwrap_or(&file)).await?;
    let before = recorded(&conn).await?;

    let taken = Arc::new(AtomicUsize::new(0));
    let receiving = tokio::spawn(sink(listener, taken.clone()));
    let wanted = before + i64::try_from(args.reminders)?;
    let begun = Instant::now();
    let mut worker = program.start(&["worker"])?;
    while recorded(&conn).await? < wanted {
        if begun.elapsed() > PATIENCE || worker.has_ended()? {
            let arrived = taken.load(Ordering::Relaxed);
            return Err(
                format!("{arrived} arrived and {} were recorded", recorded(&conn).await? - before).into()
            );
        }
        tokio::time::timeout(Duration::from_millis(50), std::future::pending::<()>())
            .await
            .unwrap_or_default();
    }
    let (wall, cpu, memory) = (begun.elapsed(), worker.cpu()?, worker.resident_mib()?);
    let number = f64::from(u32::try_from(args.reminders)?);
    println!("{} reminders from due to recorded, from the start of the worker on", args.reminders);
    println!("{:>8.0} a second", number / wall.as_secs_f64());
    println!("{:>8.3} ms CPU each", millis(cpu) / number);
    println!("{:>8} arrived at the push service", taken.load(Ordering::Relaxed));
    println!("{memory:>8.1} MiB");
    receiving.abort();
    conn.close().await?;
    worker.stop()
}
