//! A person's own account.

use entity::{accounts, zone_history};
use sea_orm::{ActiveModelTrait, EntityTrait, Set, sea_query::OnConflict};

use super::{
    Caller,
    dto::{AccountKind, Me, MePatch, ZoneMode},
    queries,
};
use crate::{
    app::AppState,
    db::WriteTx,
    error::{ApiError, ApiResult},
    reminders,
};

pub async fn read(app: &AppState, me: &Caller) -> ApiResult<Me> {
    let row =
        accounts::Entity::find_by_id(me.account).one(app.db.reader()).await?.ok_or(ApiError::NotFound)?;
    Ok(Me {
        id: row.id,
        kind: if me.is_patient() { AccountKind::Patient } else { AccountKind::Staff },
        clinic_id: row.clinic_id,
        display_name: queries::display_name(&row, &me.key)?,
        email: me.key.open_text(queries::email_place(row.id), &row.email_sealed)?,
        time_zone: row.zone,
        zone_mode: ZoneMode::from_word(&row.zone_mode),
        locale: row.locale,
        capabilities: me.capabilities().list().to_vec(),
    })
}

/// Changes the account and, when a patient's zone changed, plans their reminders anew in the same transaction.
pub async fn update(app: &AppState, me: &Caller, patch: MePatch) -> ApiResult<()> {
    let writing = me.writing();
    app.db
        .write(&writing, async |tx| {
            let zone = wanted_zone(tx, me, &patch).await?;
            let moved = zone.as_deref().is_some_and(|zone| zone != me.zone);
            let row = accounts::ActiveModel {
                id: Set(me.account),
                name_sealed: patch.display_name.as_deref().map_or(sea_orm::NotSet, |name| {
                    Set(me.key.seal_text(queries::name_place(me.account), name.trim()))
                }),
                zone: zone.clone().map_or(sea_orm::NotSet, Set),
                zone_mode: patch.zone_mode.map_or(sea_orm::NotSet, |mode| Set(mode.as_str().to_owned())),
                locale: patch.locale.clone().map_or(sea_orm::NotSet, Set),
                ..Default::default()
            };
            if row.is_changed() {
                row.update(tx.conn()).await?;
            }
            match (moved, me.is_patient(), zone.as_deref()) {
                (true, true, Some(zone)) => change_zone(tx, me, zone).await,
                _ => Ok(()),
            }
        })
        .await
}

/// The zone to live by from now on: the one that was chosen, else the phone's for whoever follows it.
async fn wanted_zone(tx: &WriteTx, me: &Caller, patch: &MePatch) -> ApiResult<Option<String>> {
    let (None, Some(phone)) = (&patch.time_zone, &patch.phone_time_zone) else {
        return Ok(patch.time_zone.clone());
    };
    let mode = match patch.zone_mode {
        Some(mode) => mode,
        None => {
            let row = accounts::Entity::find_by_id(me.account).one(tx.conn()).await?;
            ZoneMode::from_word(&row.ok_or(ApiError::NotFound)?.zone_mode)
        }
    };
    Ok((mode == ZoneMode::FollowPhone).then(|| phone.clone()))
}

async fn change_zone(tx: &WriteTx, me: &Caller, zone: &str) -> ApiResult<()> {
    let row = zone_history::ActiveModel {
        patient_id: Set(me.account.0.into()),
        from_at: Set(tx.now()),
        zone: Set(zone.to_owned()),
    };
    zone_history::Entity::insert(row)
        .on_conflict(
            OnConflict::columns([zone_history::Column::PatientId, zone_history::Column::FromAt])
                .update_column(zone_history::Column::Zone)
                .to_owned(),
        )
        .exec_without_returning(tx.conn())
        .await?;
    reminders::replan_patient(tx, me.account.0.into()).await
}
