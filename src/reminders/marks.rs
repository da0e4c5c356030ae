//! What a patient does with a notification, told by the app or by the device that showed it.

use chrono::{DateTime, Duration, Utc};
use entity::{
    accounts,
    ids::{AccountId, NotificationId, PatientId, SubscriptionId},
    notifications, push_subscriptions, reminders,
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter,
    sea_query::{Expr, ExprTrait},
};
use uuid::Uuid;

use super::{
    RULE, ledger,
    rules::policy::Reason,
    snooze::{SnoozeFor, snooze},
};
use crate::{
    app::AppState,
    db::Writing,
    error::{ApiError, ApiResult},
};

/// How long after its time a device may report about a notification.
const REPORTED_WITHIN: Duration = Duration::days(30);

/// What the patient did with a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// By this device.
    Shown(SubscriptionId),
    Opened,
    Done,
    /// Reported by a device only; inside the app it is an operation of its own.
    Snoozed(SnoozeFor),
}

impl Mark {
    fn column(self) -> notifications::Column {
        match self {
            Self::Shown(_) => notifications::Column::ShownAt,
            Self::Opened => notifications::Column::OpenedAt,
            Self::Done => notifications::Column::DoneAt,
            Self::Snoozed(_) => notifications::Column::SnoozedAt,
        }
    }
}

/// Notes it, once; 404 unless the notification is the caller's. Standing rules learn whether they are reacted to.
pub async fn mark(app: &AppState, recipient: AccountId, id: NotificationId, mark: Mark) -> ApiResult<()> {
    let txn = app.db.begin().await?;
    let column = mark.column();
    let noted = notifications::Entity::update_many()
        .col_expr(column, Expr::value(app.clock.now()))
        .filter(notifications::Column::RecipientId.eq(recipient))
        .filter(notifications::Column::Id.eq(id))
        .filter(column.is_null())
        .exec(&txn)
        .await?;
    let row = ledger::find(&txn, recipient, id).await?;
    // Each device tells for itself, also after another has.
    if let Mark::Shown(device) = mark {
        shows(&txn, recipient, device, app.clock.now()).await?;
    }
    if noted.rows_affected == 1 {
        match mark {
            Mark::Shown(_) => {
                if row.origin_kind == RULE {
                    unanswered(&txn, &row).await?;
                }
            }
            Mark::Snoozed(_) => {}
            Mark::Opened => reacted(&txn, row.subject_patient_id, row.origin_id).await?,
            Mark::Done => {
                reacted(&txn, row.subject_patient_id, row.origin_id).await?;
                end_snoozes(&txn, &row, app.clock.now()).await?;
            }
        }
    }
    txn.commit().await?;
    Ok(())
}

/// What a device reports with the token of a push: 404 after a month, when nobody waits for it any more.
pub async fn report(app: &AppState, recipient: AccountId, id: NotificationId, event: Mark) -> ApiResult<()> {
    let row = ledger::find(app.db.reader(), recipient, id).await?;
    if row.due_at < app.clock.now() - REPORTED_WITHIN {
        return Err(ApiError::NotFound);
    }
    match event {
        Mark::Snoozed(wait) => put_off(app, row.subject_patient_id, id, wait).await,
        event => mark(app, recipient, id, event).await,
    }
}

/// Puts off once, however often it is reported.
async fn put_off(app: &AppState, patient: PatientId, id: NotificationId, wait: SnoozeFor) -> ApiResult<()> {
    let account = accounts::Entity::find_by_id(patient.0).one(app.db.reader()).await?;
    let clinic = account.ok_or(ApiError::NotFound)?.clinic_id;
    let writing =
        Writing { actor: patient.into(), stream: clinic.0, patient: Some(patient), request_id: "receipt" };
    app.db
        .write(&writing, async |tx| {
            let row = ledger::find(tx.conn(), patient.into(), id).await?;
            if row.snoozed_at.is_none() {
                snooze(tx, patient, id, wait).await?;
            }
            Ok(())
        })
        .await
}

/// The health of the device that showed it.
async fn shows(
    conn: &impl ConnectionTrait,
    owner: AccountId,
    device: SubscriptionId,
    now: DateTime<Utc>,
) -> ApiResult<()> {
    use push_subscriptions::Column::{AccountId as Owner, Id, LastShownAt};
    push_subscriptions::Entity::update_many()
        .col_expr(LastShownAt, Expr::value(now))
        .filter(Owner.eq(owner))
        .filter(Id.eq(device))
        .exec(conn)
        .await?;
    Ok(())
}

async fn unanswered(conn: &impl ConnectionTrait, row: &notifications::Model) -> ApiResult<()> {
    use reminders::Column::{Id, PatientId, Unanswered};
    reminders::Entity::update_many()
        .col_expr(Unanswered, Expr::col(Unanswered).add(1))
        .filter(PatientId.eq(row.subject_patient_id))
        .filter(Id.eq(row.origin_id))
        .exec(conn)
        .await?;
    Ok(())
}

/// A rule was reacted to.
pub async fn reacted(conn: &impl ConnectionTrait, patient: PatientId, rule: Uuid) -> ApiResult<()> {
    use reminders::Column::{Id, PatientId as Owner, Unanswered};
    reminders::Entity::update_many()
        .col_expr(Unanswered, Expr::value(0))
        .filter(Owner.eq(patient))
        .filter(Id.eq(rule))
        .filter(Unanswered.gt(0))
        .exec(conn)
        .await?;
    Ok(())
}

/// What is done need not come again.
async fn end_snoozes(
    conn: &impl ConnectionTrait,
    row: &notifications::Model,
    now: DateTime<Utc>,
) -> ApiResult<()> {
    use notifications::Column;
    notifications::Entity::update_many()
        .col_expr(Column::State, Expr::value("cancelled"))
        .col_expr(Column::Reason, Expr::value(Reason::AlreadyDone.as_str()))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .filter(Column::RecipientId.eq(row.recipient_id))
        .filter(Column::Slot.starts_with(format!("snooze:{}:", row.id)))
        .filter(Column::State.is_in(["planned", "retrying"]))
        .exec(conn)
        .await?;
    Ok(())
}
