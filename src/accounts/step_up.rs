//! Giving a factor anew on a device that is logged in, and changing the password after it.

use entity::accounts;
use sea_orm::EntityTrait;
use secrecy::ExposeSecret;

use super::{
    Bucket, Caller, devices,
    factor_dto::{PasswordChange, Reauthentication},
    limits, logins, queries, reset, strength,
    totp::{self, Given},
};
use crate::{
    app::AppState,
    audit::Event,
    error::{ApiError, ApiResult},
    mail::{self, Letter},
    validate::Checks,
};

/// Notes that the caller has just proved who they are. 403 when the factor does not fit, 429 after ten of those, and
/// after fifty codes a day: whoever holds a device that is logged in must not try all of them out.
pub async fn reauthenticate(app: &AppState, me: &Caller, input: Reauthentication) -> ApiResult<()> {
    let (login, day) = (Bucket::Login(me.login), Bucket::LoginDay(me.login));
    let counted = if input.totp_code.is_some() { vec![login, day] } else { vec![login] };
    limits::count_attempts(app, &counted).await?;
    let row = account(app, me).await?;
    let fits = match &input.password {
        Some(password) => app.passwords.verify(password.expose_secret(), Some(&row.password_hash)).await?,
        None => true,
    };
    let proved = app
        .db
        .write(&me.writing(), async |tx| {
            let spent = match &input.totp_code {
                Some(code) => totp::spend(app, tx, &row, &me.key, Given::Code(code.expose_secret())).await?,
                None => true,
            };
            let event = Event::new("accounts.reauthenticate", me.account, format!("logins/{}", me.login));
            if !(fits && spent) {
                tx.audit(event.refused());
                return Ok(false);
            }
            tx.audit(event);
            logins::freshen(tx, me.login).await?;
            Ok(true)
        })
        .await?;
    if !proved {
        return Err(ApiError::forbidden("wrong_factor", "That does not fit. Check it and try again."));
    }
    if input.totp_code.is_some() {
        limits::forgive(app, day).await?;
    }
    limits::forget(app, login).await
}

/// Changes the password and ends every other login. Needs a fresh factor; 422 for a password that is too weak.
pub async fn change_password(app: &AppState, me: &Caller, input: PasswordChange) -> ApiResult<()> {
    me.require_fresh_factor(app.clock.now())?;
    let row = account(app, me).await?;
    let least = least(&row);
    let password = input.password.expose_secret();
    check(me, &row, password, least)?;
    let hash = app.passwords.hash(password).await?;
    app.db
        .write(&me.writing(), async |tx| {
            reset::set_password(tx, me.account, hash, is_short(password)).await?;
            logins::end_others(tx, me.account, Some(me.login), "password_changed").await?;
            devices::forget_others(tx, me.account, me.login).await?;
            tx.audit(Event::new("accounts.change_password", me.account, format!("accounts/{}", me.account)));
            mail::enqueue(app, tx, me.account, &Letter::PasswordChanged { at: tx.now() }).await
        })
        .await
}

/// Whether it may not stand alone.
pub fn is_short(password: &str) -> bool {
    password.chars().count() < strength::ALONE
}

/// How short a password of this account may be.
pub fn least(row: &accounts::Model) -> usize {
    if row.totp_confirmed_at.is_some() { strength::BESIDE_TOTP } else { strength::ALONE }
}

fn check(me: &Caller, row: &accounts::Model, password: &str, least: usize) -> ApiResult<()> {
    let email = me.key.open_text(queries::email_place(row.id), &row.email_sealed)?;
    let name = queries::display_name(row, &me.key)?;
    let mut checks = Checks::default();
    strength::check(&mut checks, "/password", password, &[&email, &name], least);
    checks.finish()
}

async fn account(app: &AppState, me: &Caller) -> ApiResult<accounts::Model> {
    accounts::Entity::find_by_id(me.account).one(app.db.reader()).await?.ok_or(ApiError::NotFound)
}
