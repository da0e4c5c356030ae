//! Rows collected in memory and written together: one transaction, few statements.

use entity::{
    accounts, care_relations, checkins, data_keys, journal_entries, journal_revisions, journal_shares,
    logins, notifications, patients, push_subscriptions, reminders, zone_history,
};
use sea_orm::{ActiveModelTrait, DatabaseTransaction, DbErr, EntityTrait, Iterable};

use crate::app::AppState;

/// SQLite takes 32,766 values in a statement; beyond a few thousand a larger one is no faster.
const VALUES_PER_STATEMENT: usize = 9_000;

/// What some people and their records come to, by table.
#[derive(Default)]
pub struct Batch {
    pub accounts: Vec<accounts::ActiveModel>,
    pub keys: Vec<data_keys::ActiveModel>,
    pub logins: Vec<logins::ActiveModel>,
    pub patients: Vec<patients::ActiveModel>,
    pub zones: Vec<zone_history::ActiveModel>,
    pub relations: Vec<care_relations::ActiveModel>,
    pub checkins: Vec<checkins::ActiveModel>,
    pub entries: Vec<journal_entries::ActiveModel>,
    pub revisions: Vec<journal_revisions::ActiveModel>,
    pub shares: Vec<journal_shares::ActiveModel>,
    pub reminders: Vec<reminders::ActiveModel>,
    pub notifications: Vec<notifications::ActiveModel>,
    pub subscriptions: Vec<push_subscriptions::ActiveModel>,
}

impl Batch {
    /// Writes all of it or nothing.
    pub async fn write(self, app: &AppState) -> Result<(), DbErr> {
        let txn = app.db.begin().await?;
        insert(&txn, self.accounts).await?;
        insert(&txn, self.keys).await?;
        insert(&txn, self.logins).await?;
        insert(&txn, self.patients).await?;
        insert(&txn, self.zones).await?;
        insert(&txn, self.relations).await?;
        insert(&txn, self.checkins).await?;
        insert(&txn, self.entries).await?;
        insert(&txn, self.revisions).await?;
        insert(&txn, self.shares).await?;
        insert(&txn, self.reminders).await?;
        insert(&txn, self.notifications).await?;
        insert(&txn, self.subscriptions).await?;
        txn.commit().await
    }
}

async fn insert<A: ActiveModelTrait>(txn: &DatabaseTransaction, rows: Vec<A>) -> Result<(), DbErr> {
    let columns = <A::Entity as EntityTrait>::Column::iter().count().max(1);
    let size = (VALUES_PER_STATEMENT / columns).max(1);
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        A::Entity::insert_many(rows.by_ref().take(size)).exec_without_returning(txn).await?;
    }
    Ok(())
}
