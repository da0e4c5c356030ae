//! What was given on the day of a dosing session: route, substance, doses, vital signs, adverse events. Medical staff of
//! the patient's care team record and read it, the patient reads it in their own record, nobody else does. A
//! correction is a further version: none is ever changed or taken away. It is recorded, never judged and never advised.

mod dto;
mod queries;
mod routes;
mod rules;

pub use dto::{AdministeredDose, Administration, DoseUnit, VitalSigns};
pub use queries::all_latest;
pub use routes::router;
