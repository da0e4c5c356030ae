//! The digest before a session: what was shared, put together for the few minutes that there are. Safety first, then
//! the session, then how it has been. As JSON, and as a page to read or print.

mod chart;
mod dto;
mod load;
mod page;
mod routes;
mod texts;

pub use routes::router;
