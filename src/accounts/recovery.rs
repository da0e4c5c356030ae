//! Recovery codes: ten that only their owner has seen, on paper. Each works once, in place of the authenticator app, or
//! at the front desk, where it proves that whoever stands there is no member of staff who knows an address.

use entity::{ids::AccountId, recovery_codes};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, Set};

use super::{Caller, InvitationCode, code, factor_dto::RecoveryCodes};
use crate::{
    app::AppState,
    audit::Event,
    clock::Random,
    db::WriteTx,
    error::ApiResult,
    mail::{self, Letter},
};

const CODES: usize = 10;

fn hash(app: &AppState, account: AccountId, typed: &InvitationCode) -> Vec<u8> {
    code::hash_for(&app.limits_mac, "recovery", account, typed)
}

/// New codes for whoever is logged in. Needs a fresh factor.
pub async fn renew(app: &AppState, me: &Caller) -> ApiResult<RecoveryCodes> {
    me.require_fresh_factor(app.clock.now())?;
    app.db
        .write(&me.writing(), async |tx| {
            tx.audit(Event::new("accounts.recovery_codes", me.account, format!("accounts/{}", me.account)));
            mail::enqueue(app, tx, me.account, &Letter::RecoveryCodesMade { at: tx.now() }).await?;
            draw(app, tx, me.account).await
        })
        .await
}

/// Ten fresh codes in place of what there was; only their hashes are kept.
pub async fn draw(app: &AppState, tx: &WriteTx, account: AccountId) -> ApiResult<RecoveryCodes> {
    forget(tx, account).await?;
    let random: &dyn Random = app.random.as_ref();
    let codes: Vec<InvitationCode> = (0..CODES).map(|_| InvitationCode::draw(random)).collect();
    let rows = codes.iter().map(|code| recovery_codes::ActiveModel {
        account_id: Set(account),
        code_hash: Set(hash(app, account, code)),
        created_at: Set(tx.now()),
    });
    recovery_codes::Entity::insert_many(rows).exec_without_returning(tx.conn()).await?;
    Ok(RecoveryCodes { recovery_codes: codes.iter().map(InvitationCode::shown).collect() })
}

/// Uses a code up; false when it is none of the account's. Of any number of requests at once, one gets true. Count
/// attempts before.
pub async fn spend(app: &AppState, tx: &WriteTx, account: AccountId, typed: &str) -> ApiResult<bool> {
    let Some(typed) = InvitationCode::read(typed) else { return Ok(false) };
    let hash = hash(app, account, &typed);
    let spent = recovery_codes::Entity::delete_by_id((account, hash)).exec(tx.conn()).await?;
    Ok(spent.rows_affected == 1)
}

/// Takes every code away.
pub async fn forget(tx: &WriteTx, account: AccountId) -> ApiResult<()> {
    recovery_codes::Entity::delete_many()
        .filter(recovery_codes::Column::AccountId.eq(account))
        .exec(tx.conn())
        .await?;
    Ok(())
}
