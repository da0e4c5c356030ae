//! `afterglow openapi`: the contract, as it is committed in `openapi.yaml`.

use super::CliError;
use crate::app;

pub fn run() -> Result<(), CliError> {
    let document = app::api().into_openapi();
    let text = document.to_yaml().map_err(|error| CliError::Advice(error.to_string()))?;
    print!("{text}");
    Ok(())
}
