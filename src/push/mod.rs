//! Web Push: the devices that receive it, and the one place from which this server writes to the outside.

mod dto;
mod queries;
mod routes;
mod sender;
pub mod wire;

pub use queries::{Address, Target, seal, target};
pub use routes::router;
pub use sender::{BuildError, Message, Sender, asked_wait};
