//! Moving a session of a plan together with all that follow it.

use chrono::{DateTime, Utc};
use entity::{ids::PatientId, sessions};
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, sea_query::OnConflict};

use super::{
    clinic::Ground,
    fit::{Fitted, Unfit, Wanted, plus, refit},
};
use crate::{
    db::WriteTx,
    error::{ApiError, ApiResult},
    measures,
    reminders::rules::{
        localtime::{LocalTime, Zone},
        session::{SessionState, placement_after_move},
    },
    sessions::untick,
};

/// Local days from one instant to another.
fn days(zone: &Zone, from: DateTime<Utc>, to: DateTime<Utc>) -> i32 {
    let days = (zone.local_date(to) - zone.local_date(from)).num_days();
    i32::try_from(days).unwrap_or(i32::MAX)
}

/// Moves every later planned session of the plan by as many local days as `before` was moved to become `moved`, fitted
/// to the clinic's hours again. They are read and written in one statement each.
pub async fn following(
    tx: &WriteTx,
    ground: &Ground,
    patients_zone: &Zone,
    (before, moved): (&sessions::Model, &sessions::Model),
) -> ApiResult<Vec<sessions::Model>> {
    let zone = &ground.zone;
    let rows = later(tx, before).await?;
    let wanted: Vec<Wanted> = rows
        .iter()
        .map(|row| Wanted {
            day_offset: days(zone, before.starts_at, row.starts_at),
            minutes: (row.ends_at - row.starts_at).num_minutes(),
            dosing: row.kind == "dosing",
            time: Some(LocalTime::of(zone.local(row.starts_at))),
        })
        .collect();
    let new = Fitted { starts_at: moved.starts_at, ends_at: moved.ends_at };
    let times = refit(ground.calendar(), &wanted, new).map_err(refused)?;
    if times.iter().any(|time| time.starts_at < tx.now()) {
        let detail = "would put later sessions of the plan into the past; move this one alone";
        return Err(ApiError::invalid_field("/starts_at", "too_soon", detail));
    }
    let placed: Vec<i32> = rows.iter().map(|row| row.placement).collect();
    let rows: Vec<sessions::Model> =
        rows.into_iter().zip(times).map(|(row, time)| shifted(tx, patients_zone, row, time)).collect();
    write(tx, &rows).await?;
    let on_other_days = rows.iter().zip(placed).filter(|(row, placed)| row.placement != *placed);
    untick(tx, before.patient_id, on_other_days.map(|(row, _)| row.id).collect()).await?;
    Ok(rows)
}

fn refused(_: Unfit) -> ApiError {
    ApiError::conflict(
        "no_opening_fits",
        "No opening of the clinic within two months is long enough for a later session. Widen its hours, or move this \
         one alone.",
    )
}

async fn later(tx: &WriteTx, before: &sessions::Model) -> ApiResult<Vec<sessions::Model>> {
    let Some(plan) = before.plan_id else {
        let detail = "leave it out: this session is not part of a plan";
        return Err(ApiError::invalid_field("/shift_following", "not_in_a_plan", detail));
    };
    Ok(sessions::Entity::find()
        .filter(sessions::Column::PatientId.eq(before.patient_id))
        .filter(sessions::Column::PlanId.eq(plan))
        .filter(sessions::Column::Id.ne(before.id))
        .filter(sessions::Column::State.eq(SessionState::Planned.as_str()))
        .filter(sessions::Column::StartsAt.gte(before.starts_at))
        .order_by_asc(sessions::Column::StartsAt)
        .order_by_asc(sessions::Column::Id)
        .all(tx.conn())
        .await?)
}

fn shifted(tx: &WriteTx, patients_zone: &Zone, row: sessions::Model, time: Fitted) -> sessions::Model {
    sessions::Model {
        version: row.version + 1,
        sync_seq: tx.sync_seq(),
        placement: placement_after_move(row.starts_at, time.starts_at, patients_zone, row.placement),
        starts_at: time.starts_at,
        ends_at: time.ends_at,
        updated_at: tx.now(),
        ..row
    }
}

async fn write(tx: &WriteTx, rows: &[sessions::Model]) -> ApiResult<()> {
    use sessions::Column;
    if rows.is_empty() {
        return Ok(());
    }
    let changed = OnConflict::columns([Column::PatientId, Column::Id])
        .update_columns([
            Column::Version,
            Column::SyncSeq,
            Column::Placement,
            Column::StartsAt,
            Column::EndsAt,
            Column::UpdatedAt,
        ])
        .to_owned();
    let active = rows.iter().cloned().map(|row| sessions::ActiveModel::from(row).reset_all());
    sessions::Entity::insert_many(active).on_conflict(changed).exec_without_returning(tx.conn()).await?;
    Ok(())
}

/// Moves what the plan still asks for after `before` by the same days.
pub async fn move_assignments(
    tx: &WriteTx,
    patient: PatientId,
    zone: &Zone,
    (before, moved): (&sessions::Model, &sessions::Model),
) -> ApiResult<()> {
    let by = days(zone, before.starts_at, moved.starts_at);
    let Some(plan) = before.plan_id.filter(|_| by != 0) else { return Ok(()) };
    let later = |at: DateTime<Utc>| {
        let local = zone.local(at);
        zone.instant(plus(local.date(), by).to_datetime(local.time()))
    };
    measures::move_planned(tx, patient, (plan, before.starts_at), later).await
}
