//! Appointments of a treatment. A therapist schedules, moves, cancels and completes them; the patient sees theirs.
//! Every change plans the reminders anew in its own transaction.

mod dto;
mod own;
mod queries;
mod readiness;
mod routes;
mod rules;
mod sync;

pub use dto::Session;
pub use sync::Sessions;

/// Every operation of sessions.
pub fn router() -> utoipa_axum::router::OpenApiRouter<crate::app::AppState> {
    routes::router().merge(own::router())
}
