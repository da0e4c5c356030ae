//! `afterglow keys`: key files, and moving data keys from one key-encryption key to the next.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::{CliError, start, vapid};
use crate::{
    clock::{Clock, SystemClock},
    config::{Config, Environment},
    erasure,
    vault::{self, keyfile},
};

/// What to do with key files.
#[derive(Debug, Args)]
pub struct KeysArgs {
    #[command(subcommand)]
    command: KeysCommand,
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// Make every key file that is missing in a folder, fit for production; existing ones stay as they are.
    Generate {
        /// The folder, made with mode 0700.
        #[arg(long)]
        out: PathBuf,
    },
    /// Append a key-encryption key, which new data keys will use; the older ones stay to open what they wrapped.
    AddKek {
        /// The file that keys.kek_file names.
        file: PathBuf,
    },
    /// Wrap every data key under the newest key-encryption key, beside running servers. Broken off, run it again.
    Rotate,
    /// Take a key-encryption key out of the file that keys.kek_file names; refused while a data key needs it.
    RemoveKek {
        /// Its name, such as kek-0f3a9c21.
        kid: String,
    },
    /// Change the keys that sign access tokens.
    Signing {
        #[command(subcommand)]
        command: SigningCommand,
    },
    /// The keys by which push services know this server.
    Vapid(vapid::VapidArgs),
}

#[derive(Debug, Subcommand)]
enum SigningCommand {
    /// Add a key. Running servers read it within a minute, and sign with it ten minutes from now; nobody is logged out.
    Rotate {
        /// The file that keys.signing_key_file names. Several servers: copy it to each within the ten minutes.
        file: PathBuf,
    },
}

pub async fn run(args: KeysArgs, config: Option<&Path>) -> Result<(), CliError> {
    match args.command {
        KeysCommand::Generate { out } => {
            for path in keyfile::generate_missing(&out, Environment::Production)? {
                println!("made {}", path.display());
            }
            println!(
                "Keep a copy of these files apart from the database: without them nothing in it can be read."
            );
        }
        KeysCommand::AddKek { file } => {
            println!("added {}", keyfile::append_kek(&file)?);
        }
        KeysCommand::Rotate => rotate(Config::load(config)?).await?,
        KeysCommand::RemoveKek { kid } => remove(Config::load(config)?, &kid).await?,
        KeysCommand::Signing { command: SigningCommand::Rotate { file } } => {
            let (kid, from) = keyfile::rotate_signing(&file, SystemClock.now())?;
            println!("added {kid}, which signs from {from}");
        }
        KeysCommand::Vapid(args) => vapid::run(args, config).await?,
    }
    Ok(())
}

async fn rotate(config: Config) -> Result<(), CliError> {
    let started = start::start(config).await?;
    let app = &started.app;
    let rotated = vault::rotate(&app.db, &app.vault).await?;
    println!("moved {} data keys to {}", rotated.moved, app.vault.active_kek());
    if rotated.unreadable > 0 {
        return Err(CliError::Advice(format!(
            "{} data keys stayed as they were, because their key-encryption key is not in keys.kek_file. Put it back \
             and run this again.",
            rotated.unreadable
        )));
    }
    if !erasure::clear_remains(app).await {
        println!(
            "What older keys had wrapped can still be read in the database's files, because somebody reads them. Run \
             this again later."
        );
    }
    println!("Older keys are needed only by older backups. `afterglow keys remove-kek KID` takes one away.");
    Ok(())
}

async fn remove(config: Config, kid: &str) -> Result<(), CliError> {
    if config.keys.kek_from_environment() {
        return Err(CliError::Advice("The keys come from AFTERGLOW_KEYS__KEK; take it out there.".into()));
    }
    let file = config.keys.kek_file.clone();
    let started = start::start(config).await?;
    let needed = vault::wrapped_by(&started.app.db, kid).await?;
    if needed > 0 {
        return Err(CliError::Advice(format!(
            "{needed} data keys are still wrapped under {kid}. Run `afterglow keys rotate` first."
        )));
    }
    keyfile::remove_kek(&file, kid)?;
    vault::record(&started.app.db, "keys.remove", kid).await?;
    println!("removed {kid}; keep a copy for as long as you keep backups from before the rotation");
    Ok(())
}
