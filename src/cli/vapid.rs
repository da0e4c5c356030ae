//! `afterglow keys vapid`: the keys by which push services know this server.

use std::path::Path;

use clap::{Args, Subcommand};

use super::{CliError, start};
use crate::{config::Config, push, vault::keyfile};

/// What to do with VAPID keys.
#[derive(Debug, Args)]
pub struct VapidArgs {
    #[command(subcommand)]
    command: VapidCommand,
}

#[derive(Debug, Subcommand)]
enum VapidCommand {
    /// Add a key for new subscriptions to the file that keys.vapid_file names. Older keys stay while devices need them.
    Rotate,
}

pub async fn run(args: VapidArgs, config: Option<&Path>) -> Result<(), CliError> {
    match args.command {
        VapidCommand::Rotate => rotate(Config::load(config)?).await,
    }
}

async fn rotate(config: Config) -> Result<(), CliError> {
    let file = config.keys.vapid_file.clone();
    let started = start::start(config).await?;
    let in_use = push::vapid_kids_in_use(started.app.db.reader()).await?;
    let rotated = keyfile::rotate_vapid(&file, &in_use)?;
    for kid in &rotated.removed {
        println!("removed {kid}; no device uses it");
    }
    println!("added {}", rotated.added);
    println!("Restart every server. Each device moves to the new key at the next start of its app.");
    Ok(())
}
