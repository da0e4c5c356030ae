//! The one binary: reads the command line and hands over.

use std::process::ExitCode;

use afterglow::cli;
use clap::Parser;
use mimalloc::MiMalloc;

#[global_allocator]
static MEMORY: MiMalloc = MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    match cli::run(cli::Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("afterglow: {error}");
            ExitCode::FAILURE
        }
    }
}
