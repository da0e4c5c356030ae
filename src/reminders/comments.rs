//! Telling a patient that somebody commented on an entry of theirs: one row in the ledger, with the discreet words of
//! a new note.

use chrono::Duration;
use entity::{
    ids::{CommentId, PatientId},
    notifications,
};
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};
use uuid::Uuid;

use super::{
    COMMENT,
    planner::row_of,
    rules::{
        localtime::Zone,
        planned::{Planned, PlannedState},
        policy::Reason,
    },
};
use crate::{
    content::Priority,
    db::WriteTx,
    error::{ApiError, ApiResult},
};

/// How long a note is of use.
const FRESH: Duration = Duration::days(3);

/// Plans the note; it is due now, and quiet hours may keep it until morning.
pub async fn announce_comment(
    tx: &WriteTx,
    patient: PatientId,
    zone: &str,
    comment: CommentId,
) -> ApiResult<()> {
    announce(tx, patient, zone, (COMMENT, comment.0), (format!("comment:{comment}"), "integration")).await
}

/// A note that is due now, without words of its own.
pub async fn announce(
    tx: &WriteTx,
    patient: PatientId,
    zone: &str,
    origin: (&str, Uuid),
    (slot, category): (String, &str),
) -> ApiResult<()> {
    let zone = Zone::parse(zone).map_err(ApiError::internal)?;
    let planned = Planned {
        slot,
        template_id: None,
        category: category.to_owned(),
        priority: Priority::Normal,
        routine: false,
        local_date: zone.local_date(tx.now()),
        due_at: tx.now(),
        expires_at: tx.now() + FRESH,
        state: PlannedState::Planned,
    };
    let row = row_of(patient, origin, tx.new_id().into(), planned, tx.now());
    let row: notifications::ActiveModel = row.into();
    notifications::Entity::insert(row.reset_all()).exec_without_returning(tx.conn()).await?;
    tx.wake_scheduler();
    Ok(())
}

/// Takes back what was not sent yet about comments that are gone.
pub async fn withdraw_comments(tx: &WriteTx, patient: PatientId, comments: Vec<Uuid>) -> ApiResult<()> {
    withdraw(tx, patient, COMMENT, comments).await
}

/// Takes back notes of one kind that were not sent yet.
pub async fn withdraw(tx: &WriteTx, patient: PatientId, kind: &str, origins: Vec<Uuid>) -> ApiResult<()> {
    use notifications::Column::{OriginId, OriginKind, Reason as Why, RecipientId, State, UpdatedAt};
    notifications::Entity::update_many()
        .col_expr(State, Expr::value("cancelled"))
        .col_expr(Why, Expr::value(Reason::Superseded.as_str()))
        .col_expr(UpdatedAt, Expr::value(tx.now()))
        .filter(RecipientId.eq(patient.0))
        .filter(OriginKind.eq(kind))
        .filter(OriginId.is_in(origins))
        .filter(State.is_in(["planned", "retrying"]))
        .exec(tx.conn())
        .await?;
    Ok(())
}
