//! What a patient asks the clinic for: a new session, another time, or none. Coordinators of the clinic and therapists
//! of the patient's care team see it and offer times or answer in words; with the patient's acceptance the session is
//! made, moved or cancelled. A coordinator sees who asks and for when; the patient's note is read by therapists only.

mod accept;
mod dto;
mod own;
mod queries;
mod rules;
mod staff;
mod staff_routes;

pub use dto::{RequestKind, SessionRequest};
pub use queries::{Keys as RequestKeys, all_open};

/// Every operation of requests.
pub fn router() -> utoipa_axum::router::OpenApiRouter<crate::app::AppState> {
    own::router().merge(staff_routes::router())
}
