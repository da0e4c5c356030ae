//! FHIR R4 (4.0.1): what a member of the care team may read of a patient, as one Bundle for other systems, and all of a
//! patient's own in their archive. Rows come by the rules of each area's own queries; builders are plain functions from
//! our types to JSON. A crate of generated models would cost minutes of compile time; CI checks instead what is built
//! (`tests/fhir/validate.py`).

mod bundle;
mod checkins;
mod codes;
mod communication;
mod consent;
mod documents;
mod facts;
mod flag;
mod goals;
mod journal;
mod load;
mod measures;
mod medication;
mod metadata;
mod people;
mod plan;
mod routes;
mod sessions;
mod time;
mod xhtml;

pub use bundle::Bundle;
pub use facts::{Facts, Keys, Reader};
pub use load::load;
pub use routes::router;
