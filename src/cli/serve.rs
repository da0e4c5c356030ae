//! `afterglow serve` and `afterglow worker`.

use clap::Args;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use super::{
    CliError,
    start::{self, Started},
};
use crate::{
    app::{self, AppState},
    config::Config,
    db::Engine,
    export, http, mail, scheduler, telemetry,
    vault::keyfile,
};

/// How often the signing keys are read again.
const KEYS_EVERY: std::time::Duration = std::time::Duration::from_secs(60);

/// How to serve.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Leave reminders to processes that run `afterglow worker`.
    #[arg(long)]
    no_worker: bool,
    /// Apply missing migrations first, also on PostgreSQL in production.
    #[arg(long)]
    migrate: bool,
}

/// Serves until SIGTERM or Ctrl-C.
pub async fn serve(config: Config, args: ServeArgs) -> Result<(), CliError> {
    telemetry::init(&config.log)?;
    let started = start::start_alone(config).await?;
    let app = &started.app;
    if args.migrate || app.db.engine() == Engine::Sqlite || !app.config.is_production() {
        start::migrate(app).await?;
    }
    let listener = bind(app.config.server.listen).await?;
    welcome(&started, listener.local_addr()?);
    let stop = stop_on_signal()?;
    run_until(started.into_app(), Some(listener), !args.no_worker, stop).await
}

/// Sends reminders until SIGTERM or Ctrl-C.
pub async fn worker(config: Config) -> Result<(), CliError> {
    telemetry::init(&config.log)?;
    let started = start::start_alone(config).await?;
    let stop = stop_on_signal()?;
    run_until(started.into_app(), None, true, stop).await
}

async fn bind(address: std::net::SocketAddr) -> Result<TcpListener, CliError> {
    TcpListener::bind(address).await.map_err(|error| {
        CliError::Advice(format!(
            "server.listen: {address} cannot be used ({error}). Stop what uses it or choose another."
        ))
    })
}

/// Runs API, metrics and worker until `stop`, then lets what is under way end.
pub async fn run_until(
    app: AppState,
    listener: Option<TcpListener>,
    with_worker: bool,
    stop: CancellationToken,
) -> Result<(), CliError> {
    let metrics = serve_metrics(&app, &stop).await?;
    let worker = with_worker.then(|| tokio::spawn(scheduler::run(app.clone(), stop.clone())));
    let archives = with_worker.then(|| tokio::spawn(export::run(app.clone(), stop.clone())));
    let mail = with_worker.then(|| tokio::spawn(mail::run(app.clone(), stop.clone())));
    let keys = tokio::spawn(watch_signing_keys(app.clone(), stop.clone()));
    // Also where nobody sends: that is what it is to notice.
    let watching = Some(tokio::spawn(scheduler::watch(app.clone(), stop.clone())));
    let announcing = Some(tokio::spawn(scheduler::announce(app.clone(), stop.clone())));
    if let Some(listener) = listener {
        let limits = app.config.server.clone();
        http::serve(listener, app::router(app.clone()), &limits, stop.clone()).await?;
    } else {
        stop.cancelled().await;
    }
    for task in [worker, archives, mail, watching, announcing, metrics, Some(keys)].into_iter().flatten() {
        if let Err(error) = task.await {
            tracing::error!(%error, "a task ended badly");
        }
    }
    Ok(())
}

/// Takes a changed signing key file into use; one that cannot be read leaves the keys as they are.
async fn watch_signing_keys(app: AppState, stop: CancellationToken) {
    while tokio::time::timeout(KEYS_EVERY, stop.cancelled()).await.is_err() {
        let read = keyfile::load_signing(&app.config.keys, app.config.environment);
        let taken = read
            .map_err(|error| error.to_string())
            .and_then(|keys| app.tokens.replace(&keys).map_err(|error| error.to_string()));
        if let Err(error) = taken {
            tracing::warn!(error, "the signing keys were not read again; those in memory stay in use");
        }
    }
}

async fn serve_metrics(app: &AppState, stop: &CancellationToken) -> Result<Option<JoinHandle<()>>, CliError> {
    let Some(address) = app.config.server.metrics_listen else { return Ok(None) };
    let handle = telemetry::install_metrics()?;
    let listener = TcpListener::bind(address).await.map_err(|error| {
        CliError::Advice(format!(
            "server.metrics_listen: {address} cannot be used ({error}). Choose another, or \"\" to switch it off."
        ))
    })?;
    println!("metrics at http://{}/metrics", listener.local_addr()?);
    let (limits, stop) = (app.config.server.clone(), stop.clone());
    tokio::spawn(telemetry::metrics_upkeep(handle.clone(), stop.clone()));
    Ok(Some(tokio::spawn(async move {
        if let Err(error) = http::serve(listener, telemetry::metrics_router(handle), &limits, stop).await {
            tracing::error!(%error, "the metrics listener ended");
        }
    })))
}

/// Cancelled by SIGTERM or Ctrl-C.
pub fn stop_on_signal() -> Result<CancellationToken, CliError> {
    let stop = CancellationToken::new();
    let (mut term, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let token = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = interrupt.recv() => {}
        }
        token.cancel();
    });
    Ok(stop)
}

fn welcome(started: &Started, address: std::net::SocketAddr) {
    for path in &started.made {
        println!("made    {}", path.display());
    }
    println!("serving http://{address}      try it at http://{address}/docs");
    if !started.made.is_empty() {
        println!(
            "next    afterglow admin create --clinic NAME --country CC --zone Area/City --email YOU@EXAMPLE.ORG"
        );
    }
}
