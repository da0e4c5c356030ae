//! Logging a device in. Unknown address and wrong password answer alike, in bytes and in the work they take: both look an
//! address up, hash a password, count and write one refused attempt.

use axum::http::StatusCode;
use entity::{accounts, ids::AccountId};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect, sea_query::Expr};
use secrecy::ExposeSecret;
use uuid::Uuid;

use super::{
    Bucket, Issued,
    caller::ENROLMENT,
    devices,
    dto::Credentials,
    limits,
    logins::{self, NewLogin},
    register::own_key,
    totp::{self, Given},
};
use crate::{
    app::AppState,
    audit::Event,
    db::{WriteTx, Writing},
    error::{ApiError, ApiResult},
    mail::{self, Letter},
    reminders,
};

/// Checks every factor that the account has and logs the device in.
pub async fn login(app: &AppState, input: Credentials, network: &str, request_id: &str) -> ApiResult<Issued> {
    let secret = input.device_secret.as_ref().map(ExposeSecret::expose_secret);
    let device = devices::find(app, &input.email, secret).await?;
    let pair = Bucket::LoginPair { email: &input.email, network };
    let counted = match &device {
        Some(hash) => vec![Bucket::Device(hash)],
        None => vec![Bucket::Network(network), pair, Bucket::Address(&input.email), Bucket::Overall],
    };
    limits::count_attempts(app, &counted).await?;
    // Only what the password is checked by: reading a whole row takes longer where there is one.
    let found: Option<(AccountId, String)> = accounts::Entity::find()
        .select_only()
        .columns([accounts::Column::Id, accounts::Column::PasswordHash])
        .filter(accounts::Column::EmailIndex.eq(app.vault.index().email(&input.email)))
        .filter(accounts::Column::State.eq("active"))
        .into_tuple()
        .one(app.db.reader())
        .await?;
    let stored = found.as_ref().map(|(_, hash)| hash.as_str());
    let fits = app.passwords.verify(input.password.expose_secret(), stored).await?;
    let account = match &found {
        Some((id, hash)) if fits => with_hash(app, *id, hash).await?,
        _ => None,
    };
    let Some(account) = &account else {
        let known = found.map(|(id, _)| id);
        return Err(refuse(app, known, request_id, wrong_credentials()).await);
    };
    if account.totp_confirmed_at.is_some() {
        count_code(app, account.id, &input, device.as_deref()).await?;
    }
    let rehashed = if app.passwords.outdated(&account.password_hash) {
        Some(app.passwords.hash(input.password.expose_secret()).await?)
    } else {
        None
    };
    let writing = logins::anonymous(account.id, account.clinic_id, request_id);
    let issued = app
        .db
        .write(&writing, async |tx| {
            let issued = admit(app, tx, account, &input, device.as_deref()).await?;
            match rehashed {
                Some(hash) if issued.is_some() => rehash(tx, account, hash).await?,
                _ => {}
            }
            Ok(issued)
        })
        .await?;
    let Some(issued) = issued else {
        return Err(refuse(app, Some(account.id), request_id, wrong_code()).await);
    };
    settle(app, account, pair, device.as_deref()).await?;
    Ok(issued)
}

/// Whoever got in was not guessing: what was counted for it is taken back.
async fn settle(
    app: &AppState,
    account: &accounts::Model,
    pair: Bucket<'_>,
    device: Option<&[u8]>,
) -> ApiResult<()> {
    match (device, pair) {
        (Some(hash), _) => limits::forget(app, Bucket::Device(hash)).await?,
        (None, Bucket::LoginPair { email, .. }) => {
            limits::forget(app, pair).await?;
            limits::forgive(app, Bucket::Address(email)).await?;
        }
        (None, _) => {}
    }
    if account.totp_confirmed_at.is_none() {
        return Ok(());
    }
    limits::forget(app, Bucket::Code { account: account.id, device }).await?;
    limits::forgive(app, Bucket::CodeDay { account: account.id, device }).await
}

/// The password fits: whoever guesses at the second factor is stopped for a while, and for the day.
async fn count_code(
    app: &AppState,
    account: AccountId,
    input: &Credentials,
    device: Option<&[u8]>,
) -> ApiResult<()> {
    if input.given().is_none() {
        return Err(ApiError::refused(
            StatusCode::UNAUTHORIZED,
            "totp_code_required",
            "Send the code of your authenticator app too, or one of your recovery codes.",
        ));
    }
    limits::count_attempts(app, &[Bucket::Code { account, device }, Bucket::CodeDay { account, device }])
        .await
}

/// The new login; none when the second factor does not fit.
async fn admit(
    app: &AppState,
    tx: &WriteTx,
    account: &accounts::Model,
    input: &Credentials,
    device: Option<&[u8]>,
) -> ApiResult<Option<Issued>> {
    let is_patient = account.kind == "patient";
    let key = own_key(app, tx.conn(), account.id, is_patient).await?;
    let enrolled = account.totp_confirmed_at.is_some();
    if enrolled {
        let Some(given) = input.given() else { return Ok(None) };
        if !totp::spend(app, tx, account, &key, given).await? {
            return Ok(None);
        }
    }
    let assurance = match (enrolled, is_patient) {
        (true, _) => "totp",
        (false, true) => "password",
        (false, false) => ENROLMENT,
    };
    let new = NewLogin {
        account: account.id,
        epoch: account.epoch,
        is_patient,
        assurance,
        device: &input.device_name,
    };
    let issued = logins::issue(app, tx, new, &key).await?;
    tx.audit(Event::new("accounts.login", account.id, format!("accounts/{}", account.id)));
    if let Some(hash) = device {
        devices::touch(tx, account.id, hash).await?;
        return Ok(Some(issued));
    }
    let device_secret = Some(devices::remember(app, tx, account.id).await?);
    mail::enqueue(app, tx, account.id, &Letter::NewDevice { at: tx.now() }).await?;
    reminders::announce_to_devices(tx, account.id).await?;
    Ok(Some(Issued { device_secret, ..issued }))
}

/// Writes the refused attempt into the chain of the installation, which an intrusion is dated by. The same work for
/// known and unknown addresses.
async fn refuse(app: &AppState, account: Option<AccountId>, request_id: &str, error: ApiError) -> ApiError {
    let nobody = AccountId(Uuid::nil());
    let writing = Writing { actor: nobody, stream: Uuid::nil(), patient: None, request_id };
    let resource = format!("accounts/{}", account.unwrap_or(nobody));
    let noted = app
        .db
        .write(&writing, async |tx| {
            tx.audit(Event { subject: None, ..Event::new("accounts.login", nobody, resource).refused() });
            Ok(())
        })
        .await;
    noted.err().unwrap_or(error)
}

/// The account, unless it was closed or its password was changed since.
async fn with_hash(app: &AppState, id: AccountId, hash: &str) -> ApiResult<Option<accounts::Model>> {
    let row = accounts::Entity::find_by_id(id)
        .filter(accounts::Column::PasswordHash.eq(hash))
        .filter(accounts::Column::State.eq("active"));
    Ok(row.one(app.db.reader()).await?)
}

/// Only while the hash is the one that was checked: a password that was changed meanwhile must not come back.
async fn rehash(tx: &WriteTx, account: &accounts::Model, hash: String) -> ApiResult<()> {
    accounts::Entity::update_many()
        .col_expr(accounts::Column::PasswordHash, Expr::value(hash))
        .filter(accounts::Column::Id.eq(account.id))
        .filter(accounts::Column::PasswordHash.eq(&account.password_hash))
        .exec(tx.conn())
        .await?;
    Ok(())
}

fn wrong_credentials() -> ApiError {
    ApiError::refused(
        StatusCode::UNAUTHORIZED,
        "wrong_credentials",
        "E-mail and password do not fit. Check both, or reset the password.",
    )
}

fn wrong_code() -> ApiError {
    ApiError::refused(
        StatusCode::UNAUTHORIZED,
        "wrong_code",
        "This code does not fit or was used before. Wait for the next one.",
    )
}

impl Credentials {
    fn given(&self) -> Option<Given<'_>> {
        let code = self.totp_code.as_ref().map(|code| Given::Code(code.expose_secret()));
        code.or_else(|| self.recovery_code.as_ref().map(|code| Given::Recovery(code.expose_secret())))
    }
}
