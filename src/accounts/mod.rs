//! Who somebody is: registration by invitation, logins by device, access tokens, and the extractors by which a handler
//! states who may call it.

use crate::{app::AppState, error::ApiResult};

mod caller;
mod code;
mod desk;
mod devices;
mod dto;
mod factor_dto;
mod factor_routes;
mod limits;
mod login;
mod logins;
mod me;
mod names;
mod passphrases;
mod passwords;
mod queries;
mod recovery;
mod register;
mod reset;
mod reset_dto;
mod reset_routes;
mod routes;
mod step_up;
mod strength;
mod tokens;
mod totp;

pub use caller::{
    Admin, AnyLogin, Caller, Capabilities, Capability, Clinician, Coordinator, Medical, Patient, Planner,
    Staff, Therapist, treats,
};
pub use code::{InvitationCode, hash as code_hash};
pub use desk::draw_desk_code;
pub use dto::check_zone;
pub use limits::{Bucket, count_attempt};
pub use logins::{Issued, device_place};
pub use names::SealedName;
pub use passwords::{BadHashing, Hashing, Passwords};
pub use queries::{NewAccount, account_row, create_account, email_place, name_place, own_name, wrapped};
pub use register::{ATTEMPTS as INVITATION_ATTEMPTS, invitation as find_invitation, take as take_invitation};
pub use reset::answer_requests;
pub use routes::{router, well_known};
pub use tokens::{BadSigningKey, Tokens};
pub use totp::seed_place;

/// Takes out what no limit and no login looks at any more.
pub async fn purge(app: &AppState) -> ApiResult<()> {
    limits::purge(app).await?;
    reset::purge(app).await?;
    devices::purge(app).await
}
