//! A PostgreSQL cluster of the bench's own, with its defaults, so that what the database costs can be counted.

use std::{
    fs,
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use super::{Outcome, measure::ticks};

pub struct Cluster {
    bin: PathBuf,
    home: PathBuf,
    user: Option<u32>,
}

impl Cluster {
    /// Nothing where PostgreSQL's programs are not there.
    pub fn start(folder: &Path) -> Outcome<Option<Self>> {
        let versions =
            fs::read_dir("/usr/lib/postgresql").map(|found| found.flatten().map(|entry| entry.path()));
        let Some(bin) = versions.ok().and_then(Iterator::max).map(|path| path.join("bin")) else {
            return Ok(None);
        };
        let home = folder.join("postgres");
        fs::create_dir_all(&home)?;
        // PostgreSQL refuses to run as root.
        let id = Command::new("id").args(["-u", "postgres"]).output()?;
        let root = fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
        let user = if root { String::from_utf8(id.stdout)?.trim().parse().ok() } else { None };
        if user.is_some() {
            chown(folder, user, None)?;
            chown(&home, user, None)?;
        }
        let cluster = Self { bin, home, user };
        let data = cluster.home.join("data");
        cluster.run(
            "initdb",
            &["-D", &text(&data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C"],
        )?;
        let options = format!(
            "-c listen_addresses='' -c unix_socket_directories='{}' -c max_wal_size=4GB",
            cluster.home.display()
        );
        let log = text(&cluster.home.join("log"));
        cluster.run("pg_ctl", &["-D", &text(&data), "-l", &log, "-w", "-o", &options, "start"])?;
        Ok(Some(cluster))
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Outcome<()> {
        let mut command = Command::new(self.bin.join(program));
        command.args(arguments).current_dir("/").stdout(Stdio::null()).stderr(Stdio::null());
        if let Some(user) = self.user {
            command.uid(user);
        }
        let status = command.status()?;
        if status.success() { Ok(()) } else { Err(format!("{program} ended with {status}").into()) }
    }

    pub fn url(&self) -> String {
        format!("postgres://postgres@localhost/postgres?host={}", self.home.display())
    }

    /// Processor time of all its processes, also of those that have ended.
    pub fn cpu(&self) -> Outcome<Duration> {
        let pid = fs::read_to_string(self.home.join("data/postmaster.pid"))?;
        let postmaster: u32 = pid.lines().next().ok_or("no pid")?.parse()?;
        let mut all = ticks(postmaster, 4)?;
        for entry in fs::read_dir("/proc")?.flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
                continue;
            };
            let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
            let parent =
                stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
            if parent == Some(postmaster) {
                all += ticks(pid, 2).unwrap_or_default();
            }
        }
        Ok(Duration::from_millis(all * 10))
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let data = text(&self.home.join("data"));
        if let Err(error) = self.run("pg_ctl", &["-D", &data, "-m", "immediate", "stop"]) {
            eprintln!("the cluster stays behind: {error}");
        }
    }
}
