//! Questionnaires that patients filled in.

mod dto;
mod queries;
mod routes;
mod rules;
mod staff;

pub use rules::known;
use utoipa_axum::router::OpenApiRouter;

use crate::app::AppState;

pub fn router() -> OpenApiRouter<AppState> {
    routes::router().merge(staff::router())
}
