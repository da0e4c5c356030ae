//! Who may do what after a restore: capabilities that were taken away since the backup was made are back, and only the
//! operator can know.

use entity::accounts::{Column, Entity, Model};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use super::BackupError;
use crate::{
    accounts::{name_place, wrapped},
    app::AppState,
    care,
    error::ApiResult,
    vault::{KeyOwner, OwnerKind},
};

/// A line for each member of staff who may do anything.
pub async fn of_everywhere(app: &AppState) -> Result<Vec<String>, BackupError> {
    let rows = Entity::find()
        .filter(Column::Kind.eq("staff"))
        .filter(Column::State.eq("active"))
        .filter(Column::Capabilities.ne(""))
        .order_by_asc(Column::ClinicId)
        .order_by_asc(Column::CreatedAt)
        .all(app.db.reader())
        .await?;
    let mut lines = Vec::with_capacity(rows.len());
    for row in rows {
        // Whoever cannot be named is listed all the same.
        let name = name(app, &row).await.unwrap_or_else(|_| row.id.to_string());
        let clinic = care::read_clinic(app, row.clinic_id).await.map(|clinic| clinic.name);
        let clinic = clinic.unwrap_or_else(|_| row.clinic_id.to_string());
        lines.push(format!("{} ({}): {}", plain(&name), plain(&clinic), row.capabilities));
    }
    Ok(lines)
}

async fn name(app: &AppState, row: &Model) -> ApiResult<String> {
    let owner = KeyOwner::new(OwnerKind::Account, row.id);
    let key = app.vault.unwrap(&wrapped(app.db.reader(), owner).await?)?;
    Ok(key.open_text(name_place(row.id), &row.name_sealed)?)
}

/// On one line of a terminal, whatever somebody is called.
fn plain(name: &str) -> String {
    name.chars().filter(|letter| !letter.is_control()).collect()
}
