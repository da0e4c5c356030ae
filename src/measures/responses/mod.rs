//! Questionnaires that patients filled in.

mod dto;
mod queries;
mod routes;
mod rules;
mod staff;
mod sync;

#[cfg(test)]
pub use dto::MeasureScore;
pub use dto::{MeasureChange, MeasureResponse, MeasureResult};
pub use queries::{Reader, all, result, unshare_all};
pub use rules::known;
pub use sync::Responses;
use utoipa_axum::router::OpenApiRouter;

use crate::app::AppState;

pub fn router() -> OpenApiRouter<AppState> {
    routes::router().merge(staff::router())
}
