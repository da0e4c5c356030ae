//! Mood check-ins: the one home of the daily form. A patient creates, reads, edits and deletes their own; only mood is
//! required. A very low one carries a crisis card in its answer and commits an alert in the same transaction.

mod calls;
mod dto;
mod queries;
mod routes;
mod rules;
mod sync;
mod trend;
mod trend_routes;

pub use dto::{Checkin, CrisisCard};
pub use queries::{all, seal as seal_detail};
pub use rules::{Detail, VERY_LOW};
pub use sync::Checkins;
pub use trend::{Bucket, Point, TrendBucket, TrendQuery, TrendSession, aggregate};
pub use trend_routes::read as read_trend;
use utoipa_axum::router::OpenApiRouter;

use crate::app::AppState;

pub fn router() -> OpenApiRouter<AppState> {
    routes::router().merge(trend_routes::router())
}
