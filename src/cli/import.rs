//! `afterglow import`: reads the archive in that a patient brings from another installation.

use std::path::PathBuf;

use clap::Args;

use super::{CliError, start};
use crate::{
    config::Config,
    import::{Archive, import},
};

/// An archive and who cares for its patient from now on.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The ZIP file that the patient downloaded.
    archive: PathBuf,
    /// E-mail address of the therapist into whose care the patient comes.
    #[arg(long)]
    therapist: String,
    /// E-mail address of the patient, if it is not the one in the archive any more.
    #[arg(long)]
    email: Option<String>,
}

pub async fn run(config: Config, args: ImportArgs) -> Result<(), CliError> {
    let refused =
        |error: crate::import::ImportError| CliError::Advice(format!("{error} Nothing was written."));
    let mut archive = Archive::open(&args.archive).map_err(refused)?;
    let started = start::start(config).await?;
    start::migrate(&started.app).await?;
    let done = import(&started.app, &mut archive, &args.therapist, args.email).await.map_err(refused)?;
    println!("patient  {}", done.patient);
    for (table, rows) in &done.rows {
        println!("  {rows:>7} {table}");
    }
    println!("  {:>7} files", done.files);
    println!("Shares, consents, devices and what was still to come stay behind: share, ask and plan anew.");
    println!(
        "Nobody knows a password: the patient asks for a new one in the app with {}, or gets a code at your desk.",
        done.email
    );
    Ok(())
}
