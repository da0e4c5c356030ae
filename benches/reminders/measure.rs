//! What a process costs, and how late things were.

use std::{fs, time::Duration};

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};

use super::Outcome;

/// Processor time of a process so far, of all its threads. The kernel counts in hundredths of a second.
pub fn cpu_of(pid: u32) -> Outcome<Duration> {
    Ok(Duration::from_millis(ticks(pid, 2)? * 10))
}

/// The first so many of: own user and system time, and those of children that have ended.
pub fn ticks(pid: u32, fields: usize) -> Outcome<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, after_name) = stat.rsplit_once(')').ok_or("an unknown form of /proc/PID/stat")?;
    Ok(after_name.split_whitespace().skip(11).take(fields).map(str::parse::<u64>).sum::<Result<_, _>>()?)
}

/// The most memory there ever was, in MiB.
#[expect(clippy::cast_precision_loss, reason = "a figure to print")]
pub fn peak_mib(pid: u32) -> Outcome<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib as f64 / 1024.0)
}

/// From due to accepted of everything that was accepted: the median, the 99th percentile, the last.
pub async fn lateness(conn: &DatabaseConnection) -> Outcome<[Duration; 3]> {
    let sql = "SELECT due_at, accepted_at FROM notifications WHERE state = 'accepted'";
    let rows = conn.query_all_raw(Statement::from_string(conn.get_database_backend(), sql)).await?;
    let mut late = Vec::with_capacity(rows.len());
    for row in rows {
        let (due, taken): (DateTime<Utc>, DateTime<Utc>) =
            (row.try_get("", "due_at")?, row.try_get("", "accepted_at")?);
        late.push((taken - due).to_std().unwrap_or_default());
    }
    Ok(percentiles(late))
}

/// The median, the 99th percentile and the largest.
pub fn percentiles(mut spans: Vec<Duration>) -> [Duration; 3] {
    spans.sort_unstable();
    let at = |percent: usize| spans.get((spans.len() * percent / 100).min(spans.len().saturating_sub(1)));
    [50, 99, 100].map(|percent| at(percent).copied().unwrap_or_default())
}
