//! The second channel: whoever an alert comes to is written to as well, with the discreet words of any mail.

use chrono::{DateTime, Utc};
use entity::{
    ids::{AccountId, NotificationId},
    notifications,
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter, Statement,
    sea_query::Expr,
};

use crate::accounts::treats;

/// Whether the alert behind a row of somebody's ledger still waits, and they treat; else their mail is needless.
pub async fn still_calls(
    conn: &impl ConnectionTrait,
    recipient: AccountId,
    notification: NotificationId,
) -> Result<bool, DbErr> {
    let sql = format!(
        "SELECT 1 AS one FROM notifications n JOIN alerts o ON o.patient_id = n.subject_patient_id \
         AND o.id = n.origin_id AND o.acknowledged_at IS NULL \
         JOIN accounts a ON a.id = n.recipient_id AND {} WHERE n.recipient_id = $1 AND n.id = $2",
        treats("a")
    );
    let values = [recipient.0.into(), notification.0.into()];
    let statement = Statement::from_sql_and_values(conn.get_database_backend(), sql, values);
    Ok(conn.query_one_raw(statement).await?.is_some())
}

/// The mail left: the patient reads that somebody was told.
pub async fn mailed(
    conn: &DatabaseConnection,
    recipient: AccountId,
    notification: NotificationId,
    at: DateTime<Utc>,
) -> Result<(), DbErr> {
    notifications::Entity::update_many()
        .col_expr(notifications::Column::MailedAt, Expr::value(at))
        .filter(notifications::Column::RecipientId.eq(recipient))
        .filter(notifications::Column::Id.eq(notification))
        .exec(conn)
        .await
        .map(drop)
}
