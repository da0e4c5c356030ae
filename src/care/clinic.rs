//! The clinic itself.

use chrono::{DateTime, Utc};
use entity::{clinics, data_keys, ids::ClinicId};
use sea_orm::{ConnectionTrait, EntityTrait, Set};

use super::dto::Clinic;
use crate::{
    accounts,
    app::AppState,
    error::{ApiError, ApiResult},
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
        phone: row.phone_sealed.map(|sealed| key.open_text(phone_place(clinic), &sealed)).transpose()?,
    })
}
