//! Attacks, each with the id of its row in docs/SECURITY.md.

mod bodies;
mod guessing;
mod hostile;
mod oracle;
mod repeated;
mod strangers;
mod strangers_bodies;
mod tokens;
mod tokens_refresh;
