//! `afterglow reminders`: what became of a reminder, for operators.

use clap::{Args, Subcommand};
use entity::ids::NotificationId;
use uuid::Uuid;

use super::{CliError, start};
use crate::{config::Config, error::ApiError, scheduler};

/// What to ask about reminders.
#[derive(Debug, Args)]
pub struct RemindersArgs {
    #[command(subcommand)]
    command: RemindersCommand,
}

#[derive(Debug, Subcommand)]
enum RemindersCommand {
    /// Say why a notification was or was not sent. Shows no words of the patient's.
    Explain {
        /// The id that the app and the ledger show.
        id: Uuid,
    },
}

pub async fn run(config: Config, args: RemindersArgs) -> Result<(), CliError> {
    let RemindersCommand::Explain { id } = args.command;
    let started = start::start(config).await?;
    match scheduler::explain(&started.app, NotificationId(id)).await {
        Ok(text) => print!("{text}"),
        Err(ApiError::NotFound) => {
            return Err(CliError::Advice(format!(
                "there is no notification {id}; one that is older than scheduler.ledger_days is forgotten."
            )));
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
