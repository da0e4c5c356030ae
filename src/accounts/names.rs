//! Names of people in rows that are about somebody else's view of them: each comes sealed, with the key that opens it.

use entity::ids::{AccountId, PatientId};
use sea_orm::FromQueryResult;

use super::queries::name_place;
use crate::{
    error::ApiResult,
    vault::{DataKey, KeyColumns, OwnerKind, Vault},
};

/// The columns `name_sealed` of an account and `kek_id, generation, wrapped` of its data key.
#[derive(FromQueryResult)]
pub struct SealedName {
    name_sealed: Vec<u8>,
    #[sea_orm(nested)]
    key: KeyColumns,
}

impl SealedName {
    /// What a member of staff is called.
    pub fn of_staff(self, vault: &Vault, member: AccountId) -> ApiResult<String> {
        let key = vault.unwrap(&self.key.of(OwnerKind::Account, member))?;
        Ok(key.open_text(name_place(member), &self.name_sealed)?)
    }

    /// A patient's key, which also opens what they wrote, and what they are called.
    pub fn of_patient(self, vault: &Vault, patient: PatientId) -> ApiResult<(DataKey, String)> {
        let key = vault.unwrap(&self.key.of(OwnerKind::Patient, patient))?;
        let name = key.open_text(name_place(patient.into()), &self.name_sealed)?;
        Ok((key, name))
    }
}
