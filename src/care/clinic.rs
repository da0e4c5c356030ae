//! The clinic itself.

use chrono::{DateTime, Utc};
use entity::{clinics, data_keys, ids::ClinicId};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Set};

use super::dto::{Clinic, ClinicPatch};
use crate::{
    accounts,
    app::AppState,
    audit::Event,
    db::WriteTx,
    error::{ApiError, ApiResult},
    extract::Patch,
    vault::{DataKey, KeyOwner, OwnerKind, Place, Vault},
};

/// What the command line asks for.
#[derive(Debug)]
pub struct NewClinic<'a> {
    pub id: ClinicId,
    pub name: &'a str,
    /// ISO 3166-1 alpha-2.
    pub country: &'a str,
    /// IANA name.
    pub zone: &'a str,
    pub phone: Option<&'a str>,
}

fn name_place(clinic: ClinicId) -> Place {
    Place::new("clinics", "name_sealed", clinic)
}

fn phone_place(clinic: ClinicId) -> Place {
    Place::new("clinics", "phone_sealed", clinic)
}

/// Makes a clinic and its data key.
pub async fn create_clinic(
    conn: &impl ConnectionTrait,
    vault: &Vault,
    new: NewClinic<'_>,
    now: DateTime<Utc>,
) -> ApiResult<()> {
    let (key, wrapped) = vault.create(KeyOwner::new(OwnerKind::Clinic, new.id));
    data_keys::Entity::insert(wrapped.into_row(now)).exec_without_returning(conn).await?;
    let row = clinics::ActiveModel {
        id: Set(new.id),
        name_sealed: Set(key.seal_text(name_place(new.id), new.name)),
        country: Set(new.country.to_owned()),
        zone: Set(new.zone.to_owned()),
        phone_sealed: Set(new.phone.map(|phone| key.seal_text(phone_place(new.id), phone))),
        version: Set(1),
        created_at: Set(now),
        ..Default::default()
    };
    clinics::Entity::insert(row).exec_without_returning(conn).await?;
    Ok(())
}

/// The clinic's data key.
pub async fn key(app: &AppState, clinic: ClinicId) -> ApiResult<DataKey> {
    let wrapped = accounts::wrapped(app.db.reader(), KeyOwner::new(OwnerKind::Clinic, clinic)).await?;
    Ok(app.vault.unwrap(&wrapped)?)
}

/// The clinic with its words opened.
pub async fn read(app: &AppState, clinic: ClinicId) -> ApiResult<Clinic> {
    let row = clinics::Entity::find_by_id(clinic).one(app.db.reader()).await?.ok_or(ApiError::NotFound)?;
    let key = key(app, clinic).await?;
    Ok(Clinic {
        id: row.id,
        name: key.open_text(name_place(clinic), &row.name_sealed)?,
        country: row.country,
        time_zone: row.zone,
        version: row.version,
        phone: row.phone_sealed.map(|sealed| key.open_text(phone_place(clinic), &sealed)).transpose()?,
    })
}

/// What a clinic is called.
pub async fn name(conn: &impl ConnectionTrait, clinic: ClinicId, key: &DataKey) -> ApiResult<String> {
    let row = clinics::Entity::find_by_id(clinic).one(conn).await?.ok_or(ApiError::NotFound)?;
    Ok(key.open_text(name_place(clinic), &row.name_sealed)?)
}

/// Changes the clinic that is still at `version`, else 412.
pub async fn update(
    tx: &WriteTx,
    key: &DataKey,
    clinic: ClinicId,
    version: i32,
    patch: ClinicPatch,
) -> ApiResult<()> {
    let row = clinics::Entity::find_by_id(clinic).one(tx.conn()).await?.ok_or(ApiError::NotFound)?;
    let phone = match patch.phone {
        Patch::Keep => row.phone_sealed,
        Patch::Clear => None,
        Patch::Set(phone) => Some(key.seal_text(phone_place(clinic), &phone)),
    };
    let name = patch.name.map(|name| key.seal_text(name_place(clinic), name.trim()));
    let after = clinics::ActiveModel {
        name_sealed: Set(name.unwrap_or(row.name_sealed)),
        country: Set(patch.country.unwrap_or(row.country)),
        zone: Set(patch.time_zone.unwrap_or(row.zone)),
        phone_sealed: Set(phone),
        version: Set(version + 1),
        ..Default::default()
    };
    let changed = clinics::Entity::update_many()
        .set(after)
        .filter(clinics::Column::Id.eq(clinic))
        .filter(clinics::Column::Version.eq(version))
        .exec(tx.conn())
        .await?;
    if changed.rows_affected == 0 {
        return Err(ApiError::stale());
    }
    tx.audit(Event {
        subject: None,
        ..Event::new("care.change_clinic", clinic, format!("clinics/{clinic}"))
    });
    Ok(())
}
