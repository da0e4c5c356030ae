//! `afterglow keys`: key files.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::{CliError, vapid};
use crate::{config::Environment, vault::keyfile};

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
    /// The keys by which push services know this server.
    Vapid(vapid::VapidArgs),
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
        KeysCommand::Vapid(args) => vapid::run(args, config).await?,
    }
    Ok(())
}
