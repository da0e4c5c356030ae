//! The front desk helps a patient who lost the only phone. The desk knows the code it gives, and may know the address:
//! so a code alone opens nothing. Together with one of the patient's own recovery codes it works at once; without one it
//! works three days later, when every device and address of the account has been told and nobody has stopped it.

use chrono::{DateTime, Duration, Utc};
use entity::{
    accounts,
    ids::{AccountId, PatientId},
    reset_tokens,
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};
use secrecy::ExposeSecret;
use uuid::Uuid;

use super::{
    Bucket, InvitationCode, Patient, code,
    limits::count_attempts,
    recovery,
    reset::{self, Way},
    reset_dto::{Recovery, RecoveryOutcome},
    totp,
};
use crate::{
    app::AppState,
    audit::Event,
    db::{WriteTx, Writing},
    error::{ApiError, ApiResult},
    mail::{self, Letter},
    reminders,
};

const DESK: &str = "desk";
/// Long enough to type a code on a new phone, with help.
const LIFE: Duration = Duration::minutes(15);
/// Long enough to see a mail or a push over a weekend.
const WAIT: Duration = Duration::hours(72);
/// How long a code works after the wait.
const WAITED_LIFE: Duration = Duration::days(7);

fn hash(app: &AppState, account: AccountId, typed: &InvitationCode) -> Vec<u8> {
    code::hash_for(&app.limits_mac, DESK, account, typed)
}

/// Draws a code for the front desk, in place of an earlier one.
pub async fn draw_desk_code(
    app: &AppState,
    tx: &WriteTx,
    patient: AccountId,
    by: AccountId,
) -> ApiResult<(InvitationCode, DateTime<Utc>)> {
    let drawn = InvitationCode::draw(app.random.as_ref());
    let hash = hash(app, patient, &drawn);
    let expires_at = reset::keep(tx, patient, DESK, hash, Some(by), LIFE).await?;
    mail::enqueue(app, tx, patient, &Letter::RecoveryBegun { at: tx.now() }).await?;
    reminders::announce_to_devices(tx, patient).await?;
    Ok((drawn, expires_at))
}

/// Chooses a new password with the address, a code of the front desk, and one of the patient's own codes; or, without
/// that, begins the wait or says how long it still is.
pub async fn recover(
    app: &AppState,
    input: &Recovery,
    network: &str,
    request_id: &str,
) -> ApiResult<RecoveryOutcome> {
    let buckets = [Bucket::Network(network), Bucket::Overall, Bucket::Desk(&input.email)];
    count_attempts(app, &buckets).await?;
    let account = accounts::Entity::find()
        .filter(accounts::Column::EmailIndex.eq(app.vault.index().email(&input.email)))
        .filter(accounts::Column::State.eq("active"))
        .one(app.db.reader())
        .await?;
    // The same work for an address without an account, whose token there is none of.
    let id = account.as_ref().map_or(AccountId(Uuid::nil()), |account| account.id);
    let token = match InvitationCode::read(input.code.expose_secret()) {
        Some(typed) => reset::find(app, DESK, hash(app, id, &typed)).await?,
        None => None,
    };
    let own = input.recovery_code.as_ref().map(ExposeSecret::expose_secret);
    let way = own.map_or(Way::Waited, Way::OwnCode);
    if let (Way::Waited, Some(account), Some(token)) = (way, &account, &token) {
        let ready_at = match token.ready_at {
            Some(ready_at) => ready_at,
            None => begin_wait(app, account, token, request_id).await?,
        };
        if ready_at > app.clock.now() {
            return Ok(RecoveryOutcome { changed: false, ready_at: Some(ready_at) });
        }
    }
    reset::choose(app, (token, way), input.password.expose_secret(), request_id).await?;
    Ok(RecoveryOutcome { changed: true, ready_at: None })
}

async fn begin_wait(
    app: &AppState,
    account: &accounts::Model,
    token: &reset_tokens::Model,
    request_id: &str,
) -> ApiResult<DateTime<Utc>> {
    // Nobody has proved who they are: it is no act of the patient's, and stands in their log.
    let nobody = AccountId(Uuid::nil());
    let writing = Writing { actor: nobody, stream: account.clinic_id.0, patient: None, request_id };
    app.db
        .write(&writing, async |tx| {
            let ready_at = tx.now() + WAIT;
            let begun = reset_tokens::Entity::update_many()
                .col_expr(reset_tokens::Column::ReadyAt, Expr::value(ready_at))
                .col_expr(reset_tokens::Column::ExpiresAt, Expr::value(ready_at + WAITED_LIFE))
                .filter(reset_tokens::Column::TokenHash.eq(token.token_hash.clone()))
                .filter(reset_tokens::Column::ReadyAt.is_null())
                .filter(reset_tokens::Column::ExpiresAt.gt(tx.now()))
                .exec(tx.conn())
                .await?;
            if begun.rows_affected == 0 {
                return Err(Way::Waited.invalid());
            }
            tx.audit(Event::new("accounts.recovery_waits", account.id, format!("accounts/{}", account.id)));
            mail::enqueue(app, tx, account.id, &Letter::RecoveryWaits { at: ready_at }).await?;
            reminders::announce_to_devices(tx, account.id).await?;
            Ok(ready_at)
        })
        .await
}

/// What opens the account beside the code of the desk, and what was on the phone that is lost.
pub async fn open(app: &AppState, tx: &WriteTx, account: AccountId, way: Way<'_>) -> ApiResult<()> {
    match way {
        Way::OwnCode(typed) => {
            if !recovery::spend(app, tx, account, typed).await? {
                return Err(ApiError::invalid_field(
                    "/recovery_code",
                    "recovery_code_invalid",
                    "is none of your unused recovery codes; check it for typing mistakes",
                ));
            }
        }
        // Whoever has none at hand has lost them.
        Way::Waited | Way::Mail => recovery::forget(tx, account).await?,
    }
    totp::switch_off(tx, account).await
}

/// Stops a recovery that somebody else has begun. 404 when there is none.
pub async fn cancel(app: &AppState, me: &Patient) -> ApiResult<()> {
    let patient: PatientId = me.id();
    app.db
        .write(&me.writing(), async |tx| {
            let stopped = reset_tokens::Entity::delete_many()
                .filter(reset_tokens::Column::AccountId.eq(AccountId(patient.0)))
                .filter(reset_tokens::Column::Kind.eq(DESK))
                .exec(tx.conn())
                .await?;
            if stopped.rows_affected == 0 {
                return Err(ApiError::NotFound);
            }
            tx.audit(Event::new("accounts.recovery_stopped", patient, format!("accounts/{patient}")));
            Ok(())
        })
        .await
}
