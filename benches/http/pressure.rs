//! Crowds, beside the work of a day: many who log in at once, therapists who read at once, sockets that are slow on
//! purpose. What others notice of it, and what it costs.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
};

use crate::{
    Person,
    common::{Outcome, Process, millis},
    exchange, get, post,
};

/// As many as one network may try in a quarter of an hour.
const LOGINS: usize = 300;
const READS: usize = 1_000;
const SLOW: usize = 2_000;
/// Connections of those who go on with their day.
const OTHERS: usize = 4;
/// The one password of everybody who was seeded.
const PASSWORD: &str = "river stone lantern morning";

/// Patients who list their check-ins as fast as they are answered, until they are stopped.
struct Others {
    stop: Arc<AtomicBool>,
    running: Vec<JoinHandle<Outcome<Vec<Duration>>>>,
}

impl Others {
    fn start(port: u16, patients: &[Person]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let running = patients.iter().take(OTHERS).map(|patient| {
            let (request, stop) = (get("/v1/checkins?limit=20", &patient.access_token), stop.clone());
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
                stream.set_nodelay(true)?;
                let (mut buffer, mut times) = (Vec::new(), Vec::new());
                while !stop.load(Ordering::Relaxed) {
                    let begun = Instant::now();
                    let status = exchange(&mut stream, &request, &mut buffer).await?;
                    if status != 200 {
                        return Err(format!("{status} for somebody who is not concerned").into());
                    }
                    times.push(begun.elapsed());
                }
                Ok(times)
            })
        });
        Self { running: running.collect(), stop }
    }

    /// What they noticed.
    async fn stop(self) -> Outcome<String> {
        self.stop.store(true, Ordering::Relaxed);
        let mut times = Vec::new();
        for one in self.running {
            times.extend(one.await??);
        }
        times.sort_unstable();
        let at = |part: usize| times.get(times.len() * part / 100).or(times.last()).copied();
        let [p50, p99] = [50, 99].map(|part| at(part).map_or(f64::NAN, millis));
        Ok(format!("{} others p50 {p50:.2} ms, p99 {p99:.2} ms", times.len()))
    }
}

/// Looks at the memory until it is stopped; the most there was.
fn watch(server: &Arc<Process>, stop: &Arc<AtomicBool>) -> JoinHandle<Outcome<f64>> {
    let (server, stop) = (server.clone(), stop.clone());
    tokio::task::spawn_blocking(move || {
        let mut most = 0.0_f64;
        while !stop.load(Ordering::Relaxed) {
            most = most.max(server.resident_mib()?);
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(most)
    })
}

/// All of these at once, each on a connection of its own; how many answers there were of each status.
async fn at_once(port: u16, requests: Vec<String>) -> Outcome<BTreeMap<u16, usize>> {
    let asked: Vec<_> = requests
        .into_iter()
        .map(|request| {
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
                exchange(&mut stream, &request, &mut Vec::new()).await
            })
        })
        .collect();
    let mut answers = BTreeMap::new();
    for one in asked {
        *answers.entry(one.await??).or_default() += 1;
    }
    Ok(answers)
}

fn told(answers: &BTreeMap<u16, usize>) -> String {
    let told: Vec<String> = answers.iter().map(|(status, count)| format!("{count} × {status}")).collect();
    told.join(", ")
}

/// Who finds no place is answered 503 and asks again; nobody waits for ever, and memory has an end.
pub async fn logins(server: &Arc<Process>, port: u16, patients: &[Person]) -> Outcome<()> {
    let stop = Arc::new(AtomicBool::new(false));
    let (before, watching) = (server.resident_mib()?, watch(server, &stop));
    let others = Others::start(port, patients);
    let login = |patient: &Person| {
        let body = format!(r#"{{"email":"{}","password":"{PASSWORD}"}}"#, patient.email);
        post("/v1/auth/login", "", &body)
    };
    let begun = Instant::now();
    let answers = at_once(port, patients.iter().cycle().take(LOGINS).map(login).collect()).await?;
    let (took, noticed) = (begun.elapsed(), others.stop().await?);
    stop.store(true, Ordering::Relaxed);
    let most = watching.await??;
    println!(
        "{LOGINS} logins at once           {} in {:.0} ms; {noticed}; memory {before:.1} MiB, at most {most:.1} MiB",
        told(&answers),
        millis(took)
    );
    Ok(())
}

/// Every read is in the chain before its answer leaves; whether the chain is whole is looked at afterwards.
pub async fn reads(server: &Process, port: u16, requests: impl Fn(usize) -> String) -> Outcome<()> {
    let (cpu, begun) = (server.cpu()?, Instant::now());
    let answers = at_once(port, (0..READS).map(requests).collect()).await?;
    let (took, cpu) = (begun.elapsed(), server.cpu()? - cpu);
    println!(
        "{READS} therapists read at once  {} in {:.0} ms; {:.3} ms CPU each, connections included",
        told(&answers),
        millis(took),
        millis(cpu) / f64::from(u32::try_from(READS)?),
    );
    Ok(())
}

/// Each sends a part of a head and then nothing.
pub async fn slow_sockets(server: &Process, port: u16, patients: &[Person]) -> Outcome<()> {
    let before = server.resident_mib()?;
    let begun = Instant::now();
    let mut slow = Vec::with_capacity(SLOW);
    for number in 0..SLOW {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        let first: &[u8] = [&b""[..], b"GET / HT", b"GET / HTTP/1.1\r\nX: ", b"PRI * HT"][number % 4];
        stream.write_all(first).await?;
        slow.push(stream);
    }
    let others = Others::start(port, patients);
    let held = server.resident_mib()?;
    let mut buffer = [0; 1024];
    for stream in &mut slow {
        // An answer that says so may come first.
        while stream.read(&mut buffer).await.unwrap_or_default() > 0 {}
    }
    println!(
        "{SLOW} slow sockets           all closed within {:.1} s; {}; memory {before:.1} MiB, {held:.1} MiB with them",
        begun.elapsed().as_secs_f64(),
        others.stop().await?
    );
    Ok(())
}
