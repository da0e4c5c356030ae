//! `afterglow demo`: the real server on a fresh database, a push service with a phone behind it, and the whole story
//! over real HTTP: who did what, what the therapist can and cannot see, and how a reminder is planned, moved, sent and
//! read. Every step is verified; the first that does not hold ends the demo with an error.

mod client;
pub mod receiver;
mod story;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use clap::Args;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    cli::{self, CliError},
    config::Config,
};

/// How to show it.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// End after the story; the exit code is 0 only if every step was verified.
    #[arg(long)]
    exit: bool,
    /// Tell the story on this PostgreSQL database instead of a fresh SQLite file.
    #[arg(long)]
    database_url: Option<String>,
}

/// Removes the demo's folder when the demo ends, however it ends.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("afterglow: {} could not be removed: {error}", self.0.display());
        }
    }
}

/// Tells the story, then keeps serving unless told to end.
pub async fn run(args: DemoArgs) -> Result<(), CliError> {
    let folder = Folder(std::env::temp_dir().join(format!("afterglow-demo-{}", std::process::id())));
    let receiver = receiver::PushReceiver::start().await?;
    let listener = listen().await?;
    let address = listener.local_addr()?;
    let app = cli::assemble(config(&folder.0, address, &args)).await?;
    let stop = CancellationToken::new();
    let server = tokio::spawn(cli::run_until(app.clone(), Some(listener), true, stop.clone()));
    let told = story::tell(&app, address, &receiver).await;
    if told.is_ok() && !args.exit {
        println!("\nStill serving: http://{address}/docs   (Ctrl-C ends the demo and removes its data)");
        tokio::signal::ctrl_c().await?;
    }
    stop.cancel();
    server.await.map_err(|error| CliError::Advice(error.to_string()))??;
    app.db.clone().close().await?;
    told.map_err(|broken| CliError::Advice(format!("the demo stopped: {broken}")))
}

/// The usual port if it is free, so that what is printed can be typed from memory.
async fn listen() -> Result<TcpListener, CliError> {
    match TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 8080))).await {
        Ok(listener) => Ok(listener),
        Err(_) => Ok(TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?),
    }
}

fn config(folder: &Path, address: SocketAddr, args: &DemoArgs) -> Config {
    let mut config = Config::development(folder);
    config.app_url = format!("http://{address}/");
    config.server.listen = address;
    config.server.metrics_listen = None;
    config.push.allow_loopback = true;
    if let Some(url) = &args.database_url {
        config.database.url = SecretString::from(url.clone());
    }
    config
}
