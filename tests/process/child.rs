//! The real binary as a child process that dies with its handle.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{self, Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

/// Long enough for the slowest machine; nothing waits so long when all is well.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A folder that goes when the test is over.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("afterglow-process-{}-{number}", process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Where the program keeps its data.
    pub fn data(&self) -> PathBuf {
        self.0.join("data")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed now is in the system's folder for such things.
        fs::remove_dir_all(&self.0).ok();
    }
}

/// The binary with these arguments, its data under `folder`, a free port, and nothing of our own environment.
pub fn afterglow(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_afterglow"));
    command
        .args(arguments)
        .env_clear()
        .current_dir(folder)
        .env("TMPDIR", folder)
        .env("AFTERGLOW_DATA_DIR", folder.join("data"))
        .env("AFTERGLOW_SERVER__LISTEN", "127.0.0.1:0")
        .env("AFTERGLOW_SERVER__METRICS_LISTEN", "")
        .env("AFTERGLOW_PUSH__ALLOW_LOOPBACK", "true")
        .env("AFTERGLOW_SCHEDULER__POLL_SECONDS", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// The same with its metrics on a free port.
pub fn with_metrics(mut command: Command) -> Command {
    command.env("AFTERGLOW_SERVER__METRICS_LISTEN", "127.0.0.1:0");
    command
}

/// What a command that ended said.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Runs a command that ends by itself, with these words on its standard input.
pub fn run_to_its_end(mut command: Command, input: &str) -> Ended {
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// A running process.
pub struct Running {
    child: Child,
    said: Arc<Mutex<String>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Running {
    pub fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        collect(child.stdout.take().unwrap(), said.clone());
        collect(child.stderr.take().unwrap(), said.clone());
        Self { child, said }
    }

    /// Everything it has written so far.
    pub fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Where it serves, as soon as it says so.
    pub async fn address(&mut self) -> SocketAddr {
        for _ in 0..PATIENCE.as_millis() / 20 {
            if let Some(address) = self.announced("serving http://") {
                return address;
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("it ended with {status}: {}", self.said());
            }
            pause().await;
        }
        panic!("it does not serve: {}", self.said());
    }

    fn announced(&self, words: &str) -> Option<SocketAddr> {
        let said = self.said();
        let rest = said.lines().find_map(|line| line.strip_prefix(words))?;
        rest.split([' ', '/']).next()?.parse().ok()
    }

    /// What it counted by now, by name and labels as Prometheus writes them. It has to run [`with_metrics`].
    pub async fn metrics(&self) -> BTreeMap<String, f64> {
        let address =
            eventually("it says where its metrics are", || async { self.announced("metrics at http://") })
                .await;
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let text = http.get(format!("http://{address}/metrics")).send().await.unwrap().text().await.unwrap();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let counts = lines.filter_map(|line| line.rsplit_once(' '));
        counts.map(|(name, count)| (name.to_owned(), count.parse().unwrap())).collect()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The most memory it has held so far, in KiB.
    pub fn peak_kib(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Sends a signal by name, such as `STOP`.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status().unwrap();
        assert!(status.success());
    }

    /// What `kill -9` does, also to a stopped process.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Its exit code, if it ends in time by itself; none when a signal ended it.
    pub async fn ends_within(&mut self, at_most: Duration) -> Option<i32> {
        for _ in 0..at_most.as_millis() / 20 {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            pause().await;
        }
        panic!("it does not end: {}", self.said());
    }
}

fn collect(stream: impl Read + Send + 'static, said: Arc<Mutex<String>>) {
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let mut said = said.lock().unwrap();
            said.push_str(&line);
            said.push('\n');
        }
    });
}

/// Asks again until there is an answer, for as long as a slow machine may need.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    for _ in 0..PATIENCE.as_millis() / 20 {
        if let Some(answer) = ask().await {
            return answer;
        }
        pause().await;
    }
    panic!("it did not come true: {what}");
}

#[expect(clippy::disallowed_methods, reason = "other processes cannot be awaited, only asked again")]
pub async fn pause() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}
