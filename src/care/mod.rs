//! Who cares for whom: clinics, invitations, the care team, and the one door through which staff reach a patient's
//! records. A relation that ended closes that door in its own transaction.

mod access_log;
mod clinic;
mod dto;
mod invitations;
mod queries;
mod recovery;
mod routes;
mod shared;
mod sharing;
mod staff;

pub use clinic::{NewClinic, create_clinic, key as clinic_key, read as read_clinic};
pub use invitations::create_invitation_row;
pub use queries::{begin, end};
pub use routes::router;
pub use shared::{Scope, SharedPatient};
pub use sharing::end_shares;
