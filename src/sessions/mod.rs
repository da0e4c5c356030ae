//! Appointments of a treatment. A therapist schedules, moves, cancels and completes them; the patient sees theirs.
//! Every change plans the reminders anew in its own transaction.

mod administration;
mod dto;
mod moves;
mod overlaps;
mod own;
mod own_sync;
mod queries;
mod readiness;
mod requests;
mod routes;
mod rules;
mod sync;

pub use administration::{
    AdministeredDose, Administration, DoseUnit, VitalSigns, all_latest as administrations,
};
pub use dto::{LOCATIONS, Session};
pub use overlaps::{Slot, refuse_overlaps};
pub use own::{
    ReadinessItem, checklist, close_intentions, has_intention, own_intention, shared_intention, untick,
};
pub use own_sync::{Intentions, Readiness, SyncedIntention, SyncedReadiness};
pub use queries::{all, hand_over, view};
pub use readiness::items as readiness_items;
pub use requests::{RequestKeys, RequestKind, SessionRequest, all_open as open_requests};
pub use sync::Sessions;

/// Every operation of sessions.
pub fn router() -> utoipa_axum::router::OpenApiRouter<crate::app::AppState> {
    routes::router().merge(own::router()).merge(requests::router()).merge(administration::router())
}
