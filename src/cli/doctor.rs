//! `afterglow doctor`: looks at everything the program depends on, changes nothing, and says what to do.

use std::{fmt, os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use chrono::{DateTime, Duration, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, Statement};

use super::{CliError, start};
use crate::{
    app::AppState,
    clock::{SystemClock, SystemRandom},
    config::Config,
    db::{self, Engine},
    mail::Failure,
    safety::STALE_AFTER_DAYS,
    scheduler,
    vault::keyfile::{self, KeySet},
};

/// Leases are compared across replicas by their own clocks.
const CLOCKS_APART: Duration = Duration::seconds(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Good,
    /// It works, but not as it should for real patients.
    Doubtful,
    Bad,
}

/// What was seen of one thing, with what to do about it.
#[derive(Debug)]
struct Finding {
    mark: Mark,
    subject: &'static str,
    text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.mark {
            Mark::Good => "ok",
            Mark::Doubtful => "warn",
            Mark::Bad => "FAIL",
        };
        write!(f, "{mark:<5}{:<15}{}", self.subject, self.text)
    }
}

/// What was found so far.
#[derive(Default)]
struct Report(Vec<Finding>);

impl Report {
    fn good(&mut self, subject: &'static str, text: impl Into<String>) {
        self.0.push(Finding { mark: Mark::Good, subject, text: text.into() });
    }

    fn doubtful(&mut self, subject: &'static str, text: impl Into<String>) {
        self.0.push(Finding { mark: Mark::Doubtful, subject, text: text.into() });
    }

    fn bad(&mut self, subject: &'static str, text: impl Into<String>) {
        self.0.push(Finding { mark: Mark::Bad, subject, text: text.into() });
    }
}

/// Prints a line for each thing; fails if one of them needs attention.
pub async fn run(path: Option<&Path>) -> Result<(), CliError> {
    let mut report = Report::default();
    examine(path, &mut report).await;
    for finding in &report.0 {
        println!("{finding}");
    }
    match report.0.iter().filter(|finding| finding.mark == Mark::Bad).count() {
        0 => Ok(()),
        bad => Err(CliError::Advice(format!("{bad} of these must be put right first."))),
    }
}

/// Stops where the next look would need what is missing.
async fn examine(path: Option<&Path>, report: &mut Report) {
    let config = match Config::load(path) {
        Ok(config) => config,
        Err(error) => {
            error.problems.iter().for_each(|problem| report.bad("configuration", problem.to_string()));
            return;
        }
    };
    let kind = if config.is_production() { "production" } else { "development" };
    report.good("configuration", format!("complete, for {kind}"));
    push_contact(&config, report);
    if !data_folder(&config, report) {
        return;
    }
    let Some(keys) = keys(&config, report) else { return };
    let Some(app) = database(config, &keys, report).await else { return };
    mail(&app, report).await;
    if let Err(error) = inside(&app, report).await {
        report.bad("database", format!("it could not be asked: {error}"));
    }
}

async fn inside(app: &AppState, report: &mut Report) -> Result<(), DbErr> {
    if schema(app, report).await? {
        clock(app, report).await?;
        reminders(app, report).await;
    }
    crisis(app, report);
    Ok(())
}

fn crisis(app: &AppState, report: &mut Report) {
    let age = app.crisis.age_in_days(app.clock.now().date_naive());
    if age > STALE_AFTER_DAYS {
        report.doubtful(
            "crisis numbers",
            format!("nobody checked them for {age} days. Call them and renew safety.crisis_resources_file."),
        );
    } else {
        report.good("crisis numbers", format!("checked {age} days ago"));
    }
}

fn push_contact(config: &Config, report: &mut Report) {
    if config.push.subject.is_empty() {
        report.doubtful(
            "push contact",
            "push.subject is empty: some push services refuse messages without it. Set mailto:YOU@EXAMPLE.ORG.",
        );
    } else {
        report.good("push contact", &config.push.subject);
    }
}

/// Whether there is anything inside to look at.
fn data_folder(config: &Config, report: &mut Report) -> bool {
    let dir = config.data_dir.display();
    let Ok(found) = config.data_dir.metadata() else {
        report.bad("data folder", format!("{dir} is not there. The first `afterglow serve` makes it."));
        return false;
    };
    let open = found.permissions().mode() & 0o077;
    if open == 0 {
        report.good("data folder", dir.to_string());
    } else {
        report
            .doubtful("data folder", format!("others on this machine can read {dir}. Run: chmod 700 {dir}"));
    }
    true
}

fn keys(config: &Config, report: &mut Report) -> Option<KeySet> {
    match keyfile::load(&config.keys, config.environment) {
        Ok(keys) => {
            report.good(
                "keys",
                format!(
                    "complete; new data keys are wrapped with {}",
                    keys.keks.last().map_or("", |key| key.kid.as_str())
                ),
            );
            Some(keys)
        }
        Err(error) => {
            report.bad("keys", error.to_string());
            None
        }
    }
}

async fn database(config: Config, keys: &KeySet, report: &mut Report) -> Option<AppState> {
    let url = config.database_url();
    if let Some(file) = start::sqlite_file(&url).filter(|file| !file.exists()) {
        let file = file.display();
        report.bad("database", format!("{file} is not there. The first `afterglow serve` makes it."));
        return None;
    }
    match AppState::build(config, keys, Arc::new(SystemClock), Arc::new(SystemRandom)).await {
        Ok(app) => Some(app),
        Err(error) => {
            report.bad("database", error.to_string());
            None
        }
    }
}

/// The one value that a statement answers.
async fn ask<T: sea_orm::TryGetable>(app: &AppState, sql: &str) -> Result<Option<T>, DbErr> {
    let conn = app.db.reader();
    let statement = Statement::from_string(conn.get_database_backend(), sql);
    conn.query_one_raw(statement).await?.map(|row| row.try_get_by_index(0)).transpose()
}

/// Whether the tables are there to look into.
async fn schema(app: &AppState, report: &mut Report) -> Result<bool, DbErr> {
    let (name, version) = match app.db.engine() {
        Engine::Sqlite => ("SQLite", "SELECT sqlite_version()"),
        Engine::Postgres => ("PostgreSQL", "SELECT current_setting('server_version')"),
    };
    let version: String = ask(app, version).await?.unwrap_or_default();
    if app.db.engine() == Engine::Sqlite {
        let intact: Option<String> = ask(app, "PRAGMA quick_check(1)").await?;
        if intact.as_deref() != Some("ok") {
            report.bad("database", "the file is damaged. Stop the server and restore the last backup.");
            return Ok(false);
        }
    }
    report.good("database", format!("{name} {version}"));
    let missing = db::pending_migrations(app.db.reader()).await?;
    if missing > 0 {
        report.bad("migrations", format!("{missing} are missing. Run: afterglow migrate"));
    } else {
        report.good("migrations", "all applied");
    }
    Ok(missing == 0)
}

async fn mail(app: &AppState, report: &mut Report) {
    let host = &app.config.mail.smtp_host;
    match app.mail.greet().await {
        None => report.doubtful(
            "mail",
            "mail.smtp_host is empty: mails become files in data_dir, and nobody reads of an alert or gets back in by mail.",
        ),
        Some(Ok(())) => report.good("mail", format!("{host} lets this server in")),
        Some(Err(Failure::Later(why) | Failure::Never(why))) => report.bad(
            "mail",
            format!("{why} ({host}). Look at mail.smtp_host, smtp_port, smtp_tls, smtp_user and smtp_password."),
        ),
    }
}

#[derive(FromQueryResult)]
struct Latest {
    at: Option<DateTime<Utc>>,
}

async fn clock(app: &AppState, report: &mut Report) -> Result<(), DbErr> {
    if app.db.engine() == Engine::Postgres {
        let asked: Option<DateTime<Utc>> = ask(app, "SELECT clock_timestamp()").await?;
        let apart = asked.map_or(Duration::zero(), |at| (at - app.clock.now()).abs());
        if apart > CLOCKS_APART {
            let text = format!(
                "{} s apart from the database's. Let NTP keep both machines' clocks.",
                apart.num_seconds()
            );
            report.bad("clock", text);
            return Ok(());
        }
    }
    let conn = app.db.reader();
    let latest =
        Statement::from_string(conn.get_database_backend(), "SELECT MAX(at) AS at FROM audit_events");
    let latest = Latest::find_by_statement(latest).one(conn).await?.and_then(|latest| latest.at);
    match latest.filter(|at| *at - app.clock.now() > CLOCKS_APART) {
        Some(at) => report.bad(
            "clock",
            format!(
                "something was written at {at}, which is still to come: the clock was set back. Correct it."
            ),
        ),
        None => report.good("clock", app.clock.now().to_rfc3339()),
    }
    Ok(())
}

async fn reminders(app: &AppState, report: &mut Report) {
    match scheduler::look(app).await {
        Ok(found) if found.overdue == 0 => report.good("reminders", format!("none overdue, {} due", found.due)),
        Ok(found) => report.bad(
            "reminders",
            format!(
                "{} are overdue: nobody sends them. Start `afterglow serve` or `afterglow worker`, or look into its log.",
                found.overdue
            ),
        ),
        Err(error) => report.bad("reminders", format!("{error:?}")),
    }
}
