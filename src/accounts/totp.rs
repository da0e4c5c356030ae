//! The second factor: one-time codes (RFC 6238) of an authenticator app. The seed is sealed, a step counts once,
//! recovery codes (`recovery.rs`) stand in for a lost phone. Staff cannot do without; patients may.

use chrono::{DateTime, Utc};
use entity::{accounts, ids::AccountId, logins as login_rows};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, sea_query::Expr};
use totp_rs::{Builder, Secret, Totp};
use zeroize::Zeroizing;

use super::{
    AnyLogin, Bucket, Caller, count_attempt,
    factor_dto::{RecoveryCodes, TotpEnrolment},
    limits, logins, queries, recovery,
};
use crate::{
    app::AppState,
    audit::Event,
    db::WriteTx,
    error::{ApiError, ApiResult},
    mail::{self, Letter},
    vault::{DataKey, Place},
};

/// What an authenticator app shows above the code.
const ISSUER: &str = "Afterglow";
const SEED_BYTES: usize = 20;

/// Where the seed in use is sealed.
pub fn seed_place(account: AccountId) -> Place {
    Place::new("accounts", "totp_seed_sealed", account)
}

fn pending_place(account: AccountId) -> Place {
    Place::new("accounts", "totp_pending_sealed", account)
}

fn totp(seed: &[u8]) -> Builder {
    Builder::new().with_secret(Secret::from(seed.to_vec()))
}

/// The step whose code this is, one before and one after the present one included.
fn step_of(seed: &[u8], code: &str, now: DateTime<Utc>) -> ApiResult<Option<i64>> {
    let totp: Totp = totp(seed).build().map_err(ApiError::internal)?;
    let time = u64::try_from(now.timestamp()).unwrap_or(0);
    Ok(totp.check(code.trim(), time).and_then(|step| i64::try_from(step).ok()))
}

/// Draws a seed, which counts once a code of it was shown. Needs a fresh factor.
pub async fn begin(app: &AppState, me: &AnyLogin) -> ApiResult<TotpEnrolment> {
    me.require_fresh_factor(app.clock.now())?;
    let seed = Zeroizing::new(app.random.bytes::<SEED_BYTES>());
    let row = account(app, me).await?;
    let email = me.key.open_text(queries::email_place(row.id), &row.email_sealed)?;
    let totp = totp(&seed[..])
        .with_issuer(Some(ISSUER))
        .with_account_name(email.replace(':', " "))
        .build()
        .map_err(ApiError::internal)?;
    let uri = totp.to_url().map_err(ApiError::internal)?;
    let sealed = me.key.seal(pending_place(me.account), &seed[..]);
    app.db
        .write(&me.writing(), async |tx| {
            accounts::Entity::update_many()
                .col_expr(accounts::Column::TotpPendingSealed, Expr::value(sealed))
                .filter(accounts::Column::Id.eq(me.account))
                .exec(tx.conn())
                .await?;
            Ok(())
        })
        .await?;
    Ok(TotpEnrolment { secret: Secret::from(seed.to_vec()).to_base32(), uri })
}

/// Puts the drawn seed into use, ends every other login, and shows the recovery codes this once.
pub async fn confirm(app: &AppState, me: &AnyLogin, typed: &str) -> ApiResult<RecoveryCodes> {
    count_attempt(app, Bucket::Login(me.login)).await?;
    let row = account(app, me).await?;
    let Some(pending) = row.totp_pending_sealed else {
        return Err(ApiError::conflict("totp_not_begun", "Ask for a secret first, then send a code of it."));
    };
    let seed = Zeroizing::new(me.key.open(pending_place(me.account), &pending)?);
    let Some(step) = step_of(&seed, typed, app.clock.now())? else {
        return Err(ApiError::invalid_field(
            "/code",
            "wrong_code",
            "is not the code that the app shows now; check the phone's clock",
        ));
    };
    let sealed = me.key.seal(seed_place(me.account), &seed);
    let codes = app
        .db
        .write(&me.writing(), async |tx| {
            let enrolled = accounts::Entity::update_many()
                .col_expr(accounts::Column::TotpSeedSealed, Expr::value(sealed))
                .col_expr(accounts::Column::TotpPendingSealed, Expr::value(Option::<Vec<u8>>::None))
                .col_expr(accounts::Column::TotpLastStep, Expr::value(step))
                .col_expr(accounts::Column::TotpConfirmedAt, Expr::value(tx.now()))
                .filter(accounts::Column::Id.eq(me.account))
                .filter(accounts::Column::TotpPendingSealed.eq(pending))
                .exec(tx.conn())
                .await?;
            if enrolled.rows_affected == 0 {
                return Err(ApiError::conflict(
                    "totp_not_begun",
                    "Ask for a secret first, then send a code of it.",
                ));
            }
            logins::end_others(tx, me.account, Some(me.login), "second_factor_changed").await?;
            raise(tx, me).await?;
            changed(app, tx, me, "accounts.totp_on").await?;
            recovery::draw(app, tx, me.account).await
        })
        .await?;
    limits::forget(app, Bucket::Login(me.login)).await?;
    Ok(codes)
}

/// This device has shown both factors now.
async fn raise(tx: &WriteTx, me: &Caller) -> ApiResult<()> {
    login_rows::Entity::update_many()
        .col_expr(login_rows::Column::Assurance, Expr::value("totp"))
        .filter(login_rows::Column::Id.eq(me.login))
        .exec(tx.conn())
        .await?;
    logins::freshen(tx, me.login).await
}

async fn changed(app: &AppState, tx: &WriteTx, me: &Caller, action: &'static str) -> ApiResult<()> {
    tx.audit(Event::new(action, me.account, format!("accounts/{}", me.account)));
    mail::enqueue(app, tx, me.account, &Letter::SecondFactorChanged { at: tx.now() }).await
}

/// Switches the second factor of a patient off. Needs a fresh factor; staff keep theirs.
pub async fn disable(app: &AppState, me: &Caller) -> ApiResult<()> {
    me.require_fresh_factor(app.clock.now())?;
    if !me.is_patient() {
        return Err(ApiError::conflict(
            "totp_mandatory",
            "Staff cannot do without it. To change the phone, set it up anew.",
        ));
    }
    if account(app, me).await?.password_short {
        return Err(ApiError::conflict(
            "password_too_short",
            "Your password is too short to stand alone. Choose one with at least 15 characters first.",
        ));
    }
    app.db
        .write(&me.writing(), async |tx| {
            switch_off(tx, me.account).await?;
            changed(app, tx, me, "accounts.totp_off").await
        })
        .await
}

/// Takes the seed away. The recovery codes stay: they are good at the front desk as well.
pub async fn switch_off(tx: &WriteTx, account: AccountId) -> ApiResult<()> {
    accounts::Entity::update_many()
        .col_expr(accounts::Column::TotpSeedSealed, Expr::value(Option::<Vec<u8>>::None))
        .col_expr(accounts::Column::TotpPendingSealed, Expr::value(Option::<Vec<u8>>::None))
        .col_expr(accounts::Column::TotpConfirmedAt, Expr::value(Option::<DateTime<Utc>>::None))
        .filter(accounts::Column::Id.eq(account))
        .exec(tx.conn())
        .await?;
    Ok(())
}

/// What somebody gives as a second factor.
#[derive(Clone, Copy)]
pub enum Given<'a> {
    Code(&'a str),
    Recovery(&'a str),
}

/// Uses the factor up. False when it does not fit, or was used before: of any number of requests with one code at once,
/// one gets true. Count attempts before.
pub async fn spend(
    app: &AppState,
    tx: &WriteTx,
    row: &accounts::Model,
    key: &DataKey,
    given: Given<'_>,
) -> ApiResult<bool> {
    match given {
        Given::Code(typed) => {
            let Some(sealed) = &row.totp_seed_sealed else { return Ok(false) };
            let seed = Zeroizing::new(key.open(seed_place(row.id), sealed)?);
            let Some(step) = step_of(&seed, typed, tx.now())? else { return Ok(false) };
            let later = Condition::any()
                .add(accounts::Column::TotpLastStep.is_null())
                .add(accounts::Column::TotpLastStep.lt(step));
            let spent = accounts::Entity::update_many()
                .col_expr(accounts::Column::TotpLastStep, Expr::value(step))
                .filter(accounts::Column::Id.eq(row.id))
                .filter(later)
                .exec(tx.conn())
                .await?;
            Ok(spent.rows_affected == 1)
        }
        Given::Recovery(typed) => recovery::spend(app, tx, row.id, typed).await,
    }
}

async fn account(app: &AppState, me: &Caller) -> ApiResult<accounts::Model> {
    accounts::Entity::find_by_id(me.account).one(app.db.reader()).await?.ok_or(ApiError::NotFound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_rfc_6238_and_of_the_steps_beside_the_present_one() {
        // Appendix B, SHA-1, its last six digits.
        let seed = b"12345678901234567890";
        let at = |seconds: i64| DateTime::from_timestamp(seconds, 0).unwrap();
        assert_eq!(step_of(seed, "287082", at(59)).unwrap(), Some(1));
        for (seconds, code) in
            [(1_234_567_890, "005924"), (1_111_111_109, "081804"), (20_000_000_000, "353130")]
        {
            for (shift, fits) in [(-60, false), (-30, true), (0, true), (30, true), (60, false)] {
                let step = step_of(seed, code, at(seconds + shift)).unwrap();
                assert_eq!(step, fits.then_some(seconds / 30), "{code} {shift}");
            }
        }
        for wrong in ["", "28708", "2870820", "287 082", "abcdef", "２８７０８２"] {
            assert_eq!(step_of(seed, wrong, at(59)).unwrap(), None, "{wrong}");
        }
    }
}
