//! Web Push on the wire (RFC 8030, 8188, 8291, 8292), without database and clock: which endpoints may be written to,
//! what is sent, and what the answers mean.

pub mod answer;
pub mod breaker;
pub mod egress;
pub mod endpoint;
pub mod payload;
pub mod seal;
pub mod transport;
pub mod vapid;
