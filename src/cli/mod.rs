//! The command line: one file a subcommand.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::{
    app::{AppState, BuildError},
    config::{Config, ConfigError},
    error::ApiError,
    vault::keyfile::KeyError,
};

mod admin;
mod audit;
mod backup;
mod doctor;
mod import;
mod keys;
mod openapi;
mod reminders;
mod seed;
mod serve;
mod start;
mod vapid;

/// Companion backend for ketamine-assisted psychotherapy.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Cli {
    /// Settings file; without it `afterglow.toml` is read if it is there, and `AFTERGLOW_*` variables.
    #[arg(long, global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the API and send reminders.
    Serve(serve::ServeArgs),
    /// Send reminders only, beside processes that run `serve --no-worker`.
    Worker,
    /// Bring the database to this version's schema.
    Migrate,
    /// See it work: a fresh database, a push receiver, and the whole story over real HTTP.
    Demo(crate::demo::DemoArgs),
    /// Fill a development database with realistic accounts.
    Seed(seed::SeedArgs),
    /// Print the contract as YAML.
    Openapi,
    /// Look at configuration, keys, clock, database, mail and reminders, and say what to do. Changes nothing.
    Doctor,
    /// Make and change key files, and move data keys to a new one.
    Keys(keys::KeysArgs),
    /// Make a backup beside a running server.
    Backup(backup::BackupArgs),
    /// Restore a backup into an empty database.
    Restore(backup::RestoreArgs),
    /// Read a patient's archive from another installation.
    Import(import::ImportArgs),
    /// Check the chains of who read and changed what.
    Audit(audit::AuditArgs),
    /// Make clinics and their first admins.
    Admin(admin::AdminArgs),
    /// Ask what became of a reminder.
    Reminders(reminders::RemindersArgs),
}

/// What ends a command.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Keys(#[from] KeyError),
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    Telemetry(#[from] crate::telemetry::TelemetryError),
    #[error("the database could not do it: {0}")]
    Database(#[from] sea_orm::DbErr),
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Backup(#[from] crate::backup::BackupError),
    #[error("{0}")]
    Advice(String),
}

impl From<ApiError> for CliError {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::Refused { detail, errors, .. } => {
                let fields: Vec<String> =
                    errors.iter().map(|field| format!("{}: {}", field.pointer, field.detail)).collect();
                Self::Advice(format!("{detail} {}", fields.join("; ")))
            }
            other => Self::Advice(format!("{other:?}")),
        }
    }
}

/// Runs one command.
pub async fn run(cli: Cli) -> Result<(), CliError> {
    if let Command::Openapi = cli.command {
        return openapi::run();
    }
    if let Command::Demo(args) = cli.command {
        return crate::demo::run(args).await;
    }
    if let Command::Doctor = cli.command {
        return doctor::run(cli.config.as_deref()).await;
    }
    if let Command::Keys(args) = cli.command {
        return keys::run(args, cli.config.as_deref()).await;
    }
    let config = Config::load(cli.config.as_deref())?;
    match cli.command {
        Command::Serve(args) => serve::serve(config, args).await,
        Command::Worker => serve::worker(config).await,
        Command::Migrate => start::migrate_only(config).await,
        Command::Seed(args) => seeded(config, args).await,
        Command::Admin(args) => admin::run(config, args).await,
        Command::Backup(args) => backup::make(config, args).await,
        Command::Restore(args) => backup::restore(config, args).await,
        Command::Import(args) => import::run(config, args).await,
        Command::Audit(args) => audit::run(config, args).await,
        Command::Reminders(args) => reminders::run(config, args).await,
        Command::Openapi | Command::Demo(_) | Command::Doctor | Command::Keys(_) => Ok(()),
    }
}

async fn seeded(config: Config, args: seed::SeedArgs) -> Result<(), CliError> {
    if config.is_production() {
        return Err(CliError::Advice(
            "seed fills a development database; environment is \"production\".".into(),
        ));
    }
    let started = start::start(config).await?;
    start::migrate(&started.app).await?;
    seed::run(&started.app, args).await?;
    Ok(())
}

/// Used by the demo too: a program that is put together and migrated.
pub async fn assemble(config: Config) -> Result<AppState, CliError> {
    let started = start::start_alone(config).await?;
    start::migrate(&started.app).await?;
    Ok(started.into_app())
}

pub use admin::{NewAdmin, create_clinic_with_admin};
pub use serve::run_until;
