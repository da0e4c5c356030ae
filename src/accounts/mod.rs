//! Who somebody is: registration by invitation, logins by device, access tokens, and the extractors by which a handler
//! states who may call it.

mod caller;
mod code;
mod dto;
mod limits;
mod logins;
mod me;
mod passwords;
mod queries;
mod register;
mod routes;
mod tokens;

pub use caller::{
    Admin, Caller, Capabilities, Capability, Clinician, Coordinator, Medical, Patient, Planner, Staff,
    Therapist,
};
pub use code::{InvitationCode, hash as code_hash};
pub use dto::check_zone;
pub use limits::{Bucket, count_attempt};
pub use logins::{Issued, device_place, issue};
pub use passwords::{BadHashing, Hashing, Passwords};
pub use queries::{NewAccount, account_row, create_account, name_place, own_name, wrapped};
pub use register::{invitation as find_invitation, take as take_invitation};
pub use routes::{router, well_known};
pub use tokens::{BadSigningKey, Tokens};
