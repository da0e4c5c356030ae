//! stub
#[derive(Debug, clap::Args)]
pub struct SeedArgs {}
pub async fn run(_: &crate::app::AppState, _: SeedArgs) -> Result<(), crate::cli::CliError> { Ok(()) }
