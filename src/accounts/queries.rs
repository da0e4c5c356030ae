//! Rows of accounts and their keys.

use chrono::{DateTime, Utc};
use entity::{
    accounts, data_keys,
    ids::{AccountId, ClinicId, PatientId},
    patients, zone_history,
};
use sea_orm::{ConnectionTrait, EntityTrait, Set, sea_query::OnConflict};

use super::{Caller, Capabilities};
use crate::{
    error::{ApiError, ApiResult},
    vault::{DataKey, KeyOwner, OwnerKind, Place, Vault, WrappedKey},
};

/// What is known of somebody who joins.
#[derive(Debug)]
pub struct NewAccount {
    pub id: AccountId,
    pub clinic: ClinicId,
    pub is_patient: bool,
    pub capabilities: Capabilities,
    pub profession: Option<String>,
    pub email: String,
    pub display_name: String,
    pub zone: String,
    pub locale: String,
    pub password_hash: String,
}

/// Inserts the account with its data keys. False when the address is taken; nothing is written then.
pub async fn create_account(
    conn: &impl ConnectionTrait,
    vault: &Vault,
    new: NewAccount,
    now: DateTime<Utc>,
) -> ApiResult<bool> {
    let kind = if new.is_patient { OwnerKind::Patient } else { OwnerKind::Account };
    let (key, wrapped) = vault.create(KeyOwner::new(kind, new.id));
    let (id, zone, is_patient) = (new.id, new.zone.clone(), new.is_patient);
    let inserted = accounts::Entity::insert(account_row(vault, &key, new, now))
        .on_conflict(OnConflict::column(accounts::Column::EmailIndex).do_nothing().to_owned())
        .exec_without_returning(conn)
        .await?;
    if inserted == 0 {
        return Ok(false);
    }
    data_keys::Entity::insert(wrapped.into_row(now)).exec_without_returning(conn).await?;
    if is_patient {
        create_patient(conn, vault, PatientId(id.0), zone, now).await?;
    }
    Ok(true)
}

/// The row of an account, its words sealed with its key.
pub fn account_row(
    vault: &Vault,
    key: &DataKey,
    new: NewAccount,
    now: DateTime<Utc>,
) -> accounts::ActiveModel {
    accounts::ActiveModel {
        id: Set(new.id),
        kind: Set(if new.is_patient { "patient" } else { "staff" }.to_owned()),
        clinic_id: Set(new.clinic),
        state: Set("active".to_owned()),
        epoch: Set(1),
        capabilities: Set(new.capabilities.to_string()),
        profession: Set(new.profession),
        locale: Set(new.locale),
        zone: Set(new.zone),
        zone_mode: Set("home".to_owned()),
        email_index: Set(vault.index().email(&new.email)),
        email_index_kid: Set(vault.index().kid().to_owned()),
        email_sealed: Set(key.seal_text(email_place(new.id), new.email.trim())),
        name_sealed: Set(key.seal_text(name_place(new.id), &new.display_name)),
        password_hash: Set(new.password_hash),
        password_short: Set(false),
        totp_seed_sealed: Set(None),
        totp_pending_sealed: Set(None),
        totp_last_step: Set(None),
        totp_confirmed_at: Set(None),
        version: Set(1),
        created_at: Set(now),
        closed_at: Set(None),
    }
}

async fn create_patient(
    conn: &impl ConnectionTrait,
    vault: &Vault,
    patient: PatientId,
    zone: String,
    now: DateTime<Utc>,
) -> ApiResult<()> {
    let (_, record) = vault.create(KeyOwner::new(OwnerKind::ClinicRecord, patient));
    data_keys::Entity::insert(record.into_row(now)).exec_without_returning(conn).await?;
    let row = patients::ActiveModel {
        patient_id: Set(patient),
        sync_seq: Set(0),
        sync_floor: Set(0),
        timeline_version: Set(0),
    };
    patients::Entity::insert(row).exec_without_returning(conn).await?;
    let since = zone_history::ActiveModel { patient_id: Set(patient), from_at: Set(now), zone: Set(zone) };
    zone_history::Entity::insert(since).exec_without_returning(conn).await?;
    Ok(())
}

pub fn name_place(account: AccountId) -> Place {
    Place::new("accounts", "name_sealed", account)
}

pub fn email_place(account: AccountId) -> Place {
    Place::new("accounts", "email_sealed", account)
}

/// The name of whoever calls.
pub async fn own_name(conn: &impl ConnectionTrait, me: &Caller) -> ApiResult<String> {
    let row = accounts::Entity::find_by_id(me.account).one(conn).await?.ok_or(ApiError::NotFound)?;
    display_name(&row, &me.key)
}

/// An account's name, opened with its own key.
pub fn display_name(account: &accounts::Model, key: &DataKey) -> ApiResult<String> {
    Ok(key.open_text(name_place(account.id), &account.name_sealed)?)
}

/// A data key as stored, by owner; not found when it was destroyed.
pub async fn wrapped(conn: &impl ConnectionTrait, owner: KeyOwner) -> ApiResult<WrappedKey> {
    let row = data_keys::Entity::find_by_id((owner.kind.as_str().to_owned(), owner.id))
        .one(conn)
        .await?
        .ok_or(ApiError::NotFound)?;
    Ok(WrappedKey { owner, kek_id: row.kek_id, generation: row.generation, wrapped: row.wrapped })
}
