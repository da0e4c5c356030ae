//! What the benches that drive the real binary share: a folder of its own, the program as a process, what it costs.

use std::{
    error::Error,
    ffi::OsStr,
    fs,
    hint::black_box,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use aws_lc_rs::agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree};

pub type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// A folder that goes away with the bench.
pub struct Folder(PathBuf);

impl Folder {
    pub fn make(name: &str) -> Outcome<Self> {
        let path = std::env::temp_dir().join(format!("afterglow-bench-{name}-{}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("{} stays behind: {error}", self.0.display());
        }
    }
}

/// The program under test, with settings for a folder.
pub struct Program {
    /// Environment variables.
    pub settings: Vec<(String, String)>,
    folder: PathBuf,
}

impl Program {
    pub fn new(folder: &Folder, database_url: Option<&str>) -> Self {
        let mut program = Self { settings: Vec::new(), folder: folder.path().to_owned() };
        program.set("DATA_DIR", folder.path().join("data").display());
        program.set("SERVER__METRICS_LISTEN", "");
        program.set("AUTH__ACCESS_TOKEN_SECONDS", "3600");
        program.set("AUTH__STAFF_IDLE_MINUTES", "60");
        program.set("PUSH__ALLOW_LOOPBACK", "true");
        if let Some(url) = database_url {
            program.set("DATABASE__URL", url);
        }
        program
    }

    pub fn set(&mut self, name: &str, value: impl ToString) {
        self.settings.push((format!("AFTERGLOW_{name}"), value.to_string()));
    }

    fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_afterglow"));
        command.args(arguments).current_dir(&self.folder).envs(self.settings.iter().cloned());
        command
    }

    /// Runs a subcommand to its end.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Outcome<()> {
        let status = self.command(arguments).status()?;
        if status.success() { Ok(()) } else { Err(format!("the program ended with {status}").into()) }
    }

    /// Starts a subcommand that stays. Its log is written as ever, and thrown away.
    pub fn start<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Outcome<Process> {
        let child = self.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        Ok(Process { child })
    }
}

/// A running program; stopped when dropped.
pub struct Process {
    child: Child,
}

impl Process {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn proc(&self, file: &str) -> Outcome<String> {
        Ok(fs::read_to_string(format!("/proc/{}/{file}", self.pid()))?)
    }

    /// Processor time so far, of all threads. The kernel counts in hundredths of a second.
    pub fn cpu(&self) -> Outcome<Duration> {
        let stat = self.proc("stat")?;
        let (_, after_name) = stat.rsplit_once(')').ok_or("an unknown form of /proc/PID/stat")?;
        let ticks: u64 =
            after_name.split_whitespace().skip(11).take(2).map(str::parse::<u64>).sum::<Result<_, _>>()?;
        Ok(Duration::from_millis(ticks * 10))
    }

    /// Memory that is really there, in MiB.
    #[expect(clippy::cast_precision_loss, reason = "a figure to print")]
    pub fn resident_mib(&self) -> Outcome<f64> {
        let status = self.proc("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib as f64 / 1024.0)
    }

    pub fn has_ended(&mut self) -> Outcome<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Asks it to end, and waits.
    pub fn stop(mut self) -> Outcome<()> {
        Command::new("kill").arg(self.child.id().to_string()).status()?;
        let deadline = Instant::now() + Duration::from_secs(25);
        while Instant::now() < deadline {
            if self.has_ended()? {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err("the program did not end when asked".into())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) && self.child.kill().is_ok() {
            // Reaps it; there is nobody left to tell of a failure.
            let _ended = self.child.wait();
        }
    }
}

/// Milliseconds for print.
pub fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1_000.0
}

/// How fast this machine is at this moment, by the work that a push costs whoever sends it: a fresh P-256 key and one
/// agreement. Figures of two hours or two machines are compared by their ratio to it.
pub fn print_pace() -> Outcome<()> {
    let failed = |_| "the cryptographic library failed";
    let peer = PrivateKey::generate(&ECDH_P256).and_then(|key| key.compute_public_key()).map_err(failed)?;
    let mut times = Vec::with_capacity(2_000);
    for _ in 0..2_000 {
        let begun = Instant::now();
        let own = PrivateKey::generate(&ECDH_P256).map_err(failed)?;
        let theirs = UnparsedPublicKey::new(&ECDH_P256, peer.as_ref());
        agree(&own, theirs, "the agreement failed", |secret| Ok(black_box(secret.len())))?;
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    println!(
        "pace of this machine now: a P-256 key and an agreement in {:.0} µs",
        millis(times[1_000]) * 1_000.0
    );
    Ok(())
}
