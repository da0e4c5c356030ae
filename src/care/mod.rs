//! Who cares for whom: clinics, invitations, the care team, and the one door through which staff reach a patient's
//! records. A relation that ended closes that door in its own transaction.

mod access_log;
mod changes;
mod clinic;
mod covers;
mod dto;
mod handovers;
mod invitations;
mod mine;
mod page;
mod queries;
mod recovery;
mod routes;
mod shared;
mod sharing;
mod staff;

pub use changes::{EntryChange, changed_for, changed_for_team, entry_changed};
pub use clinic::{NewClinic, create_clinic, key as clinic_key, name as clinic_name, read as read_clinic};
pub use invitations::create_invitation_row;
pub use mine::{MyPatients, record_reads};
pub use queries::{StaffName, begin, end, members, names as staff_names};
pub use routes::router;
pub use shared::{DigestPatient, MedicalPatient, Scope, SharedPatient, TreatedPatient};
pub use sharing::end_shares;
