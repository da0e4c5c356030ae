//! `afterglow audit`: whether the chains of who read and changed what are whole.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{CliError, start};
use crate::{audit, config::Config};

/// The audit chains.
#[derive(Debug, Args)]
pub struct AuditArgs {
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Go through every chain and name the first bad row of each; ends with 1 if there is any.
    Verify {
        /// The file that audit.anchor_file names, or a copy of it from elsewhere. Without it a chain that was cut and
        /// continued looks whole.
        #[arg(long)]
        anchor: Option<PathBuf>,
    },
}

pub async fn run(config: Config, args: AuditArgs) -> Result<(), CliError> {
    let AuditCommand::Verify { anchor } = args.command;
    let started = start::start(config).await?;
    let db = &started.app.db;
    let anchors = match &anchor {
        Some(file) => audit::read_anchors(file, db.audit_key())
            .map_err(|error| CliError::Advice(format!("--anchor: {error}.")))?,
        None => Vec::new(),
    };
    let (count, verdict) = (anchors.len(), audit::verify(db, db.audit_key(), anchors).await?);
    for flaw in &verdict.flaws {
        println!("{flaw}");
    }
    if !verdict.flaws.is_empty() {
        return Err(CliError::Advice(format!(
            "{} of {} chains are not whole. Keep the database as it is, and compare with a backup.",
            verdict.flaws.len(),
            verdict.streams
        )));
    }
    println!("{} chains with {} rows are whole; {count} anchors fit.", verdict.streams, verdict.rows);
    if anchor.is_none() {
        println!("Without --anchor FILE, a chain that was cut and continued looks like this too.");
    }
    Ok(())
}
