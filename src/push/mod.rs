//! Push: the devices that receive it, and the one place from which this server writes to the outside.

mod dto;
pub mod native;
pub mod protocol;
mod queries;
mod receipts;
mod routes;
mod sender;

pub use queries::{Address, Target, Way, seal, target, vapid_kids_in_use};
pub use receipts::{Receiver, token as receipt_token};
pub use sender::{BuildError, Message, Sender, word};

/// Every operation of push.
pub fn router() -> utoipa_axum::router::OpenApiRouter<crate::app::AppState> {
    routes::router().merge(receipts::router())
}
