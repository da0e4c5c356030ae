//! `afterglow keys`: key files.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::{CliError, vapid};
use crate::{
    clock::{Clock, SystemClock},
    config::Environment,
    vault::keyfile,
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
        KeysCommand::Signing { command: SigningCommand::Rotate { file } } => {
            let (kid, from) = keyfile::rotate_signing(&file, SystemClock.now())?;
            println!("added {kid}, which signs from {from}");
        }
        KeysCommand::Vapid(args) => vapid::run(args, config).await?,
    }
    Ok(())
}
