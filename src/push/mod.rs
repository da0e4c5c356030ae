//! stub
mod dto; mod queries; mod sender; mod routes;
pub use queries::{Address, Target, seal, target};
pub use routes::router;
pub use sender::{BuildError, Message, Sender, Sent};
