//! What a patient took back after the backup was made would be open again. The backup cannot know what that was, so
//! everything that patients opened to others is closed, and they open it again if they want to.

use entity::{
    accounts, data_keys,
    ids::{AccountId, PatientId},
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use uuid::Uuid;

use super::BackupError;
use crate::{
    app::AppState,
    audit::Event,
    consents,
    db::Writing,
    error::ApiError,
    vault::{DataKey, OwnerKind, WrappedKey},
};

/// Closes what every patient with a key had opened. Returns how many patients that are.
pub async fn close(app: &AppState, keys: &[data_keys::Model]) -> Result<usize, BackupError> {
    let mut closed = 0;
    for row in keys.iter().filter(|row| row.owner_kind == OwnerKind::Patient.as_str()) {
        let account = accounts::Entity::find_by_id(AccountId(row.owner_id))
            .filter(accounts::Column::Kind.eq("patient"))
            .one(app.db.reader())
            .await?;
        let Some(account) = account else { continue };
        close_of(app, &account, &opened(app, row)?).await?;
        closed += 1;
    }
    Ok(closed)
}

fn opened(app: &AppState, row: &data_keys::Model) -> Result<DataKey, BackupError> {
    let key = WrappedKey::from_row(row.clone());
    let key = key.ok_or_else(|| BackupError::refused("the backup is of a newer version".to_owned()))?;
    app.vault.unwrap(&key).map_err(|error| BackupError::refused(error.to_string()))
}

async fn close_of(app: &AppState, account: &accounts::Model, key: &DataKey) -> Result<(), ApiError> {
    let patient = PatientId(account.id.0);
    let writing = Writing {
        actor: AccountId(Uuid::nil()),
        stream: account.clinic_id.0,
        patient: Some(patient),
        request_id: "command-line",
    };
    app.db
        .write(&writing, async |tx| {
            consents::ended_by_restore(tx, patient, (&account.locale, key)).await?;
            tx.audit(Event::new("care.closed_by_restore", patient, format!("patients/{patient}")));
            Ok(())
        })
        .await
}
