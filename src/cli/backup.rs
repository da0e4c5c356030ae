//! `afterglow backup` and `afterglow restore`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::Args;
use secrecy::SecretString;

use super::{CliError, start};
use crate::{
    backup::{self, Source, To},
    clock::{Clock, SystemClock},
    config::Config,
    erasure::{self, Erased},
    vault::keyfile,
};

/// Where a backup goes.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// A new folder.
    #[arg(long)]
    out: PathBuf,
    /// A folder of their own for the wrapped data keys, so that they can be kept elsewhere and for a shorter time.
    #[arg(long)]
    keys_out: Option<PathBuf>,
    /// File with the passphrase, readable by its owner only.
    #[arg(long)]
    passphrase_file: PathBuf,
    /// Folder of pg_dump, if it is not on the path.
    #[arg(long)]
    programs: Option<PathBuf>,
}

/// Where a backup comes from.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// The folder of the backup.
    #[arg(long)]
    from: PathBuf,
    /// The folder of its wrapped data keys, if they were put elsewhere.
    #[arg(long)]
    keys: Option<PathBuf>,
    /// File with the passphrase, readable by its owner only.
    #[arg(long)]
    passphrase_file: PathBuf,
    /// The newest ledger of erasures, if it is not where erasure.ledger_file says.
    #[arg(long)]
    erasures: Option<PathBuf>,
    /// There is no ledger, because nobody was ever erased.
    #[arg(long, conflicts_with = "erasures")]
    no_erasures: bool,
    /// Folder of pg_restore, if it is not on the path.
    #[arg(long)]
    programs: Option<PathBuf>,
}

const SHORTEST: usize = 20;

fn passphrase(file: &Path) -> Result<SecretString, CliError> {
    let text = keyfile::read_private("--passphrase-file", file)?;
    let words = text.trim();
    if words.chars().count() < SHORTEST {
        let advice = format!("--passphrase-file: needs at least {SHORTEST} characters");
        return Err(CliError::Advice(advice));
    }
    Ok(SecretString::from(words))
}

pub async fn make(config: Config, args: BackupArgs) -> Result<(), CliError> {
    let to = To {
        keys: args.keys_out.unwrap_or_else(|| args.out.clone()),
        folder: args.out,
        passphrase: passphrase(&args.passphrase_file)?,
        programs: args.programs,
    };
    let started = start::start(config).await?;
    let folder = to.folder.display().to_string();
    let stop = super::serve::stop_on_signal()?;
    // Dropped half-way, it takes its drafts away.
    let made = stop.run_until_cancelled(backup::create(&started.app, to)).await;
    let manifest =
        made.ok_or_else(|| CliError::Advice("the backup was stopped; nothing of it can be used".into()))??;
    let rows: i64 = manifest.rows.values().sum();
    println!("backed up {} tables with {rows} rows into {folder}", manifest.rows.len());
    println!("The key files, the passphrase and the ledger of erasures are not in it: keep copies apart.");
    Ok(())
}

pub async fn restore(config: Config, args: RestoreArgs) -> Result<(), CliError> {
    let from = Source {
        keys: args.keys.unwrap_or_else(|| args.from.clone()),
        folder: args.from,
        passphrase: passphrase(&args.passphrase_file)?,
        programs: args.programs,
    };
    let ledger_file = args.erasures.unwrap_or_else(|| config.erasure_ledger());
    let ledger = if args.no_erasures { Vec::new() } else { ledger(&ledger_file)? };
    let keys = keyfile::load(&config.keys, config.environment)?;
    let (anchors, known) = (config.anchor_file(), ledger.len());
    let restored = backup::restore(config, &keys, from, ledger).await?;
    println!(
        "restored the backup of {}: {} audit rows are whole, every login has ended",
        restored.manifest.made_at, restored.audit_rows
    );
    if !args.no_erasures {
        println!("{} of {known} patients in {} were erased again", restored.erased, ledger_file.display());
    }
    if restored.put_off > 0 {
        println!(
            "{} patients had asked for their erasure; they have a week to stop it again",
            restored.put_off
        );
    }
    println!("everything that {} patients shared is closed; tell them to share anew", restored.closed);
    if anchors.exists() {
        // They tell of rows that the backup does not have.
        let mut aside = anchors.clone().into_os_string();
        aside.push(format!(".before-{}", SystemClock.now().timestamp()));
        fs::rename(&anchors, &aside)?;
        println!("the anchors of before are in {}", Path::new(&aside).display());
    }
    println!(
        "put the anchor files of other machines, and copies of them, aside too: they tell of rows that are not here"
    );
    println!("what was taken away from staff since is back. Look through it now:");
    for line in restored.staff {
        println!("  {line}");
    }
    Ok(())
}

/// A ledger that is missing is no empty one: whoever was erased since the backup would be back.
fn ledger(file: &Path) -> Result<Vec<Erased>, CliError> {
    let advice = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => format!(
            "--erasures: {} is not there. It says who was erased since the backup; without it they come back. Name \
             its newest copy, or say --no-erasures if nobody was ever erased.",
            file.display()
        ),
        _ => format!("--erasures: {}: {error}", file.display()),
    };
    erasure::read_ledger(file).map_err(|error| CliError::Advice(advice(error)))
}
