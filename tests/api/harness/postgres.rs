//! One throw-away PostgreSQL cluster a test process, or the server behind `TEST_DATABASE_URL`. The cluster listens on
//! a socket inside a temporary folder only. A small shell waits for the end of a pipe: when this process is gone,
//! however it went, the shell stops the cluster and removes the folder.

use std::{
    ffi::OsString,
    fs,
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{ChildStdin, Command, Stdio},
    sync::OnceLock,
    thread,
};

use sea_orm::{ConnectionTrait, Database, DatabaseConnection};
use url::Url;

use super::engines::{block_on, folder, migrate};

/// A server on which databases can be made.
pub struct Cluster {
    base: Url,
    bin: PathBuf,
    template: String,
    /// Where a cluster of ours is; nothing for a server that was there before.
    home: Option<PathBuf>,
    /// Closes when this process ends; the watching shell waits for that.
    _watched: Option<ChildStdin>,
}

/// The server of this process, if there is one.
pub fn cluster() -> Option<&'static Cluster> {
    static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
    CLUSTER.get_or_init(Cluster::find).as_ref()
}

/// The folder that holds the server's programs.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let mut versions: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.flatten().map(|entry| entry.path().join("bin")).collect())
        .unwrap_or_default();
    versions.sort();
    folders.extend(versions.into_iter().rev());
    // `initdb` looks for its neighbours, so a link is followed to where they are.
    let found = folders.into_iter().map(|folder| folder.join("initdb")).find(|program| program.is_file())?;
    let home = found.canonicalize().ok()?.parent()?.to_owned();
    ["pg_ctl", "postgres"].iter().all(|name| home.join(name).is_file()).then_some(home)
}

/// PostgreSQL refuses to run as root: then this user and group do.
fn other_user() -> Option<(u32, u32)> {
    let id = |arguments: &[&str]| -> Option<u32> {
        let output =
            Command::new("id").args(arguments).output().ok().filter(|output| output.status.success())?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    };
    let of = |name: &str| Some((id(&["-u", name])?, id(&["-g", name])?));
    (id(&["-u"]) == Some(0)).then(|| of("postgres").or_else(|| of("nobody")))?
}

fn command(program: impl Into<OsString>, user: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(program.into());
    command.current_dir("/").stdout(Stdio::null()).stderr(Stdio::null());
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    command
}

fn run(mut command: Command) {
    let status = command.status().unwrap();
    assert!(status.success(), "{command:?} ended with {status}");
}

impl Cluster {
    fn find() -> Option<Self> {
        let template = format!("afterglow_{}_template", std::process::id());
        let bin = programs();
        let cluster = match std::env::var_os("TEST_DATABASE_URL") {
            Some(url) => {
                let base = Url::parse(url.to_str().unwrap()).unwrap();
                Self { base, bin: bin.unwrap_or_default(), template, home: None, _watched: None }
            }
            None => Self::start(bin?, template, folder("postgres"), "off"),
        };
        Some(cluster.with_template())
    }

    /// A cluster that a test may restart, for it alone. What was committed there outlives a crash. It is there until
    /// this process ends.
    pub fn apart(number: u32) -> Option<&'static Self> {
        let home = folder(&format!("postgres-{number}"));
        let cluster = Self::start(programs()?, "afterglow_template".into(), home, "on");
        Some(Box::leak(Box::new(cluster.with_template())))
    }

    fn with_template(self) -> Self {
        self.administer(&format!("CREATE DATABASE {}", self.template));
        let url = self.url(&self.template);
        thread::scope(|scope| scope.spawn(|| block_on(migrate(&url))).join().unwrap());
        self
    }

    fn start(bin: PathBuf, template: String, home: PathBuf, waits_for_commits: &str) -> Self {
        let user = other_user();
        if let Some((uid, gid)) = user {
            chown(&home, Some(uid), Some(gid)).unwrap();
        }
        let data = home.join("data");
        let mut initdb = command(bin.join("initdb"), user);
        initdb.arg("-D").arg(&data).args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"]);
        run(initdb);
        let watched = watch(&bin, &home, user);
        let options = format!(
            "-c listen_addresses='' -c unix_socket_directories='{}' -c fsync=off -c full_page_writes=off \
             -c synchronous_commit={waits_for_commits} -c max_connections=200 -c shared_buffers=64MB",
            home.display()
        );
        let mut start = command(bin.join("pg_ctl"), user);
        start.arg("-D").arg(&data).arg("-l").arg(home.join("log")).args(["-w", "-o", &options, "start"]);
        run(start);
        let mut base = Url::parse("postgres://postgres@localhost/postgres").unwrap();
        base.query_pairs_mut().append_pair("host", &home.display().to_string());
        Self { base, bin, template, home: Some(home), _watched: Some(watched) }
    }

    /// Restarts the server: `fast` ends every connection, `immediate` is a crash.
    pub fn restart(&self, mode: &str) {
        let home = self.home.as_ref().unwrap();
        let mut restart = command(self.bin.join("pg_ctl"), other_user());
        restart.arg("-D").arg(home.join("data")).arg("-l").arg(home.join("log"));
        restart.args(["-w", "-m", mode, "restart"]);
        run(restart);
    }

    pub fn url(&self, database: &str) -> String {
        let mut url = self.base.clone();
        url.set_path(database);
        url.into()
    }

    /// Makes a database of the migrated schema.
    pub fn copy_template(&self, name: &str) {
        self.administer(&format!("CREATE DATABASE {name} TEMPLATE {}", self.template));
    }

    pub fn drop_database(&self, name: String) {
        self.administer(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
    }

    /// Ends the connections of a database and takes no new ones.
    pub async fn lock_out(&self, name: &str) {
        let conn = self.connect().await;
        conn.execute_unprepared(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false")).await.unwrap();
        let end = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
        conn.execute_unprepared(&end).await.unwrap();
        conn.close().await.unwrap();
    }

    pub async fn let_in(&self, name: &str) {
        let conn = self.connect().await;
        conn.execute_unprepared(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true")).await.unwrap();
        conn.close().await.unwrap();
    }

    /// A backup as an operator would make one.
    pub fn dump(&self, name: &str) -> Vec<u8> {
        let program = self.bin.join("pg_dump");
        let output =
            Command::new(program).arg("--dbname").arg(self.url(name)).arg("--inserts").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    async fn connect(&self) -> DatabaseConnection {
        Database::connect(self.base.as_str()).await.unwrap()
    }

    /// One statement on the maintenance database, from wherever we are.
    fn administer(&self, sql: &str) {
        thread::scope(|scope| {
            let work = scope.spawn(|| {
                block_on(async {
                    let conn = self.connect().await;
                    conn.execute_unprepared(sql).await.unwrap();
                    conn.close().await.unwrap();
                });
            });
            work.join().unwrap();
        });
    }
}

/// Starts the shell that cleans up.
fn watch(bin: &Path, home: &Path, user: Option<(u32, u32)>) -> ChildStdin {
    const SCRIPT: &str =
        r#"trap "" INT TERM HUP; read -r _; "$1/pg_ctl" -D "$2/data" -m immediate stop; rm -rf "$2""#;
    let mut shell = command("sh", user);
    shell.args(["-c", SCRIPT, "sh"]).arg(bin).arg(home).stdin(Stdio::piped());
    shell.spawn().unwrap().stdin.take().unwrap()
}
