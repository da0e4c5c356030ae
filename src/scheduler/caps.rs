//! What else a day brings, where that decides: a low reminder gives way to the normal ones still to come.

use entity::{
    ids::{AccountId, PatientId},
    notifications,
};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, QueryFilter, QuerySelect};

use super::facts::Facts;
use crate::db::many::Ids;
use crate::reminders::SNOOZE;

#[derive(FromQueryResult)]
struct ExpectedRow {
    recipient_id: AccountId,
    local_date: chrono::NaiveDate,
    expected: i64,
}

impl Facts {
    /// A low one gives way to the normal ones that are still to come that day.
    pub async fn add_expected(
        &mut self,
        conn: &impl ConnectionTrait,
        ids: &Ids,
        batch: &[notifications::Model],
    ) -> Result<(), DbErr> {
        use notifications::Column;
        let low = batch.iter().filter(|row| row.priority == "low");
        let mut days: Vec<chrono::NaiveDate> = low.map(|row| row.local_date).collect();
        if days.is_empty() {
            return Ok(());
        }
        days.sort_unstable();
        days.dedup();
        let rows = notifications::Entity::find()
            .select_only()
            .columns([Column::RecipientId, Column::LocalDate])
            .column_as(Column::Id.count(), "expected")
            .filter(ids.among("recipient_id"))
            .filter(Column::State.is_in(["planned", "retrying"]))
            .filter(Column::Priority.eq("normal"))
            .filter(Column::OriginKind.ne(SNOOZE))
            .filter(Column::LocalDate.is_in(days))
            .group_by(Column::RecipientId)
            .group_by(Column::LocalDate)
            .into_model::<ExpectedRow>()
            .all(conn)
            .await?;
        for row in rows {
            self.each(PatientId(row.recipient_id.0), |recipient| {
                recipient.expected.insert(row.local_date, row.expected);
            });
        }
        Ok(())
    }
}
