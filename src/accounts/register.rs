//! Registration by invitation: one transaction takes the code, makes the account with its keys, puts the patient into
//! the care of whoever invited, and logs the device in.

use entity::{ids::AccountId, invitations};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter,
    sea_query::{Expr, ExprTrait},
};
use secrecy::ExposeSecret;

use super::{
    Bucket, Capabilities, InvitationCode, Issued, NewAccount,
    caller::ENROLMENT,
    code, count_attempt, create_account, devices,
    dto::Registration,
    logins::{self, NewLogin},
    queries,
};
use crate::{
    app::AppState,
    audit::Event,
    care,
    db::WriteTx,
    error::{ApiError, ApiResult},
    vault::{DataKey, KeyOwner, OwnerKind},
};

/// Attempts with one valid code before it is burnt.
pub const ATTEMPTS: i32 = 5;

/// Makes the account and logs its first device in.
///
/// 422 for a code that is wrong, used, revoked or expired (all alike), 409 for an address that is taken.
pub async fn register(
    app: &AppState,
    input: Registration,
    network: &str,
    request_id: &str,
) -> ApiResult<Issued> {
    count_attempt(app, Bucket::Network(network)).await?;
    let invitation = invitation(app, app.db.reader(), &input.invitation_code).await?;
    claim_attempt(app, &invitation).await?;
    let registered = attempt(app, input, &invitation, request_id).await;
    if registered.is_err() {
        // It tried no address out.
        give_back(app, &invitation).await?;
    }
    registered?.ok_or_else(taken)
}

async fn attempt(
    app: &AppState,
    input: Registration,
    invitation: &invitations::Model,
    request_id: &str,
) -> ApiResult<Option<Issued>> {
    let hash = app.passwords.hash(input.password.expose_secret()).await?;
    let id = AccountId(app.random.uuid_v7(app.clock.now()));
    let writing = logins::anonymous(id, invitation.clinic_id, request_id);
    app.db.write(&writing, async |tx| join(app, tx, id, invitation, input, hash).await).await
}

fn invalid() -> ApiError {
    ApiError::invalid_field(
        "/invitation_code",
        "invitation_invalid",
        "is not a valid invitation; check it for typing mistakes or ask your clinic for a new one",
    )
}

/// An invitation that can still be used, by its code; 422 otherwise.
pub async fn invitation(
    app: &AppState,
    conn: &impl ConnectionTrait,
    typed: &str,
) -> ApiResult<invitations::Model> {
    let code = InvitationCode::read(typed).ok_or_else(invalid)?;
    invitations::Entity::find()
        .filter(invitations::Column::CodeHash.eq(code::hash(&app.limits_mac, &code)))
        .filter(invitations::Column::UsedAt.is_null())
        .filter(invitations::Column::RevokedAt.is_null())
        .filter(invitations::Column::ExpiresAt.gt(app.clock.now()))
        .filter(invitations::Column::Attempts.lt(ATTEMPTS))
        .one(conn)
        .await?
        .ok_or_else(invalid)
}

/// None when the address is taken: nothing of the transaction counts then but the audit row.
async fn join(
    app: &AppState,
    tx: &WriteTx,
    id: AccountId,
    invitation: &invitations::Model,
    input: Registration,
    password_hash: String,
) -> ApiResult<Option<Issued>> {
    let is_patient = invitation.kind == "patient";
    let device = input.device_name.clone();
    let account = NewAccount {
        id,
        clinic: invitation.clinic_id,
        is_patient,
        capabilities: Capabilities::parse(&invitation.capabilities),
        profession: invitation.profession.clone(),
        email: input.email,
        display_name: input.display_name.trim().to_owned(),
        zone: input.time_zone,
        locale: input.locale,
        password_hash,
    };
    if !create_account(tx.conn(), &app.vault, account, tx.now()).await? {
        return Ok(None);
    }
    take(tx, invitation, id).await?;
    if let (true, Some(member)) = (is_patient, invitation.member_id) {
        care::begin(app, tx, id.0.into(), member, invitation.clinic_id).await?;
    }
    tx.audit(Event::new("accounts.register", id, format!("invitations/{}", invitation.id)));
    let key = own_key(app, tx.conn(), id, is_patient).await?;
    let assurance = if is_patient { "password" } else { ENROLMENT };
    let new = NewLogin { account: id, epoch: 1, is_patient, assurance, device: &device };
    let issued = logins::issue(app, tx, new, &key).await?;
    Ok(Some(Issued { device_secret: Some(devices::remember(app, tx, id).await?), ..issued }))
}

/// The key that seals an account's own fields.
pub async fn own_key(
    app: &AppState,
    conn: &impl ConnectionTrait,
    id: AccountId,
    is_patient: bool,
) -> ApiResult<DataKey> {
    let kind = if is_patient { OwnerKind::Patient } else { OwnerKind::Account };
    Ok(app.vault.unwrap(&queries::wrapped(conn, KeyOwner::new(kind, id)).await?)?)
}

/// Uses the invitation up; two people with one code race here, and one of them loses.
pub async fn take(tx: &WriteTx, invitation: &invitations::Model, by: AccountId) -> ApiResult<()> {
    let taken = invitations::Entity::update_many()
        .col_expr(invitations::Column::UsedAt, Expr::value(tx.now()))
        .col_expr(invitations::Column::UsedBy, Expr::value(by))
        .col_expr(invitations::Column::CodeSealed, Expr::value(None::<Vec<u8>>))
        .filter(invitations::Column::Id.eq(invitation.id))
        .filter(invitations::Column::UsedAt.is_null())
        .filter(invitations::Column::RevokedAt.is_null())
        .exec(tx.conn())
        .await?;
    if taken.rows_affected == 1 {
        return Ok(());
    }
    Err(ApiError::conflict(
        "invitation_used",
        "This invitation has just been used. Ask your clinic for a new one.",
    ))
}

/// Counts the attempt against the code, so that nobody with a valid code can try out addresses. Before anything is
/// tried: of any number at once no more than the code allows get on.
async fn claim_attempt(app: &AppState, invitation: &invitations::Model) -> ApiResult<()> {
    let claimed = invitations::Entity::update_many()
        .col_expr(invitations::Column::Attempts, Expr::col(invitations::Column::Attempts).add(1))
        .filter(invitations::Column::Id.eq(invitation.id))
        .filter(invitations::Column::Attempts.lt(ATTEMPTS))
        .exec(app.db.writer())
        .await?;
    if claimed.rows_affected == 1 { Ok(()) } else { Err(invalid()) }
}

async fn give_back(app: &AppState, invitation: &invitations::Model) -> ApiResult<()> {
    invitations::Entity::update_many()
        .col_expr(invitations::Column::Attempts, Expr::col(invitations::Column::Attempts).sub(1))
        .filter(invitations::Column::Id.eq(invitation.id))
        .filter(invitations::Column::Attempts.gt(0))
        .exec(app.db.writer())
        .await?;
    Ok(())
}

fn taken() -> ApiError {
    ApiError::conflict(
        "registration_refused",
        "No account could be made with these details. If you already have one, log in.",
    )
}
