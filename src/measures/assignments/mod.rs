//! Questionnaires that a care team asks for.

mod dto;
mod planned;
mod queries;
mod routes;
mod staff;
mod sync;

pub use dto::MeasureAssignment;
pub use planned::{PlannedMeasure, assign_planned, cancel_planned, move_planned};
pub use queries::{NewAssignment, assign, close};
pub use sync::Assignments;
use utoipa_axum::router::OpenApiRouter;

use crate::app::AppState;

pub fn router() -> OpenApiRouter<AppState> {
    routes::router().merge(staff::router())
}
