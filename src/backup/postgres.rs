//! PostgreSQL's own programs: they know every version of their server, and we need not.

use std::{
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use url::Url;

use super::BackupError;

/// Where a program is: in the folder that was named, on the path, or where Debian puts it.
fn program(name: &str, folder: Option<&Path>) -> Result<PathBuf, BackupError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = match folder {
        Some(folder) => vec![folder.to_owned()],
        None => std::env::split_paths(&path).collect(),
    };
    if folder.is_none() {
        let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
            .map(|entries| entries.flatten().map(|entry| entry.path().join("bin")).collect())
            .unwrap_or_default();
        versions.sort();
        folders.extend(versions.into_iter().rev());
    }
    folders.into_iter().map(|folder| folder.join(name)).find(|program| program.is_file()).ok_or_else(|| {
        BackupError::refused(format!("{name} is not on this machine. Install PostgreSQL's client programs, or name their folder with --programs."))
    })
}

/// The program with its connection: the password goes by the environment, which other users cannot read.
fn connected(name: &str, folder: Option<&Path>, url: &str) -> Result<Command, BackupError> {
    let mut command = Command::new(program(name, folder)?);
    let mut address =
        Url::parse(url).map_err(|_| BackupError::refused("database.url: is not an address of a database"))?;
    if let Some(password) = address.password().map(str::to_owned) {
        let plain = percent_decoded(&password);
        command.env("PGPASSWORD", plain);
        // Without a password this cannot fail.
        address.set_password(None).ok();
    }
    command.arg("--dbname").arg(address.as_str());
    Ok(command)
}

fn percent_decoded(text: &str) -> String {
    let joined = format!("x={}", text.replace('+', "%2B"));
    url::form_urlencoded::parse(joined.as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

/// Dumps everything but the wrapped keys, as of an exported snapshot, into `out`.
pub fn dump(
    url: &str,
    snapshot: &str,
    folder: Option<&Path>,
    out: &mut impl Write,
) -> Result<(), BackupError> {
    let mut command = connected("pg_dump", folder, url)?;
    command.args(["--format=custom", "--no-owner", "--no-privileges", "--exclude-table-data=data_keys"]);
    command.arg(format!("--snapshot={snapshot}"));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(BackupError::file("pg_dump"))?;
    let said = child.stderr.take().map(said);
    if let Some(mut stdout) = child.stdout.take() {
        io::copy(&mut stdout, out).map_err(BackupError::file("pg_dump"))?;
    }
    ended("pg_dump", child.wait(), said)
}

/// Puts a dump into an empty database, all of it or nothing.
pub fn load(url: &str, folder: Option<&Path>, from: &mut impl Read) -> Result<(), BackupError> {
    let mut command = connected("pg_restore", folder, url)?;
    command.args(["--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(BackupError::file("pg_restore"))?;
    let said = child.stderr.take().map(said);
    let copied = match child.stdin.take() {
        Some(mut stdin) => io::copy(from, &mut stdin),
        None => Ok(0),
    };
    if let Err(error) = &copied
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        // What came so far must not be kept.
        child.kill().map_err(BackupError::file("pg_restore"))?;
    }
    let ended = ended("pg_restore", child.wait(), said);
    match copied {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(BackupError::File(super::DATA.into(), error))
        }
        _ => ended,
    }
}

/// Reads what a program complains of, so that it never waits for us.
fn said(mut stderr: impl Read + Send + 'static) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = String::new();
        // What cannot be read is not needed to know that it failed.
        stderr.read_to_string(&mut text).ok();
        text
    })
}

fn ended(
    name: &str,
    status: io::Result<std::process::ExitStatus>,
    said: Option<std::thread::JoinHandle<String>>,
) -> Result<(), BackupError> {
    let status = status.map_err(BackupError::file(name))?;
    let said = said.and_then(|thread| thread.join().ok()).unwrap_or_default();
    if status.success() {
        return Ok(());
    }
    // Its first line names the cause; later ones may quote rows.
    let first = said.lines().next().unwrap_or_default();
    Err(BackupError::refused(format!("{name} ended with {status}: {first}")))
}
