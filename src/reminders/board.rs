//! A patient's notifications in memory: what is there, what planning makes of it, and the difference that is written.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Duration, NaiveDate, Utc};
use entity::{
    ids::{NotificationId, PatientId},
    notifications,
};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, Statement};
use uuid::Uuid;

use super::{
    ACCOUNT, SESSION, SNOOZE,
    facts::PatientFacts,
    insert::insert,
    planner::row_of,
    rules::{
        planned::{Change, Planned, PlannedState},
        policy::{CapRow, Reason, apply_cap},
        session::ExistingRow,
    },
};
use crate::{
    content::Priority,
    db::{
        WriteTx,
        many::{Cell, Kind, Rows},
    },
    error::ApiResult,
};

/// How far back planning looks at what was already sent.
const MEMORY: Duration = Duration::days(60);
const OPEN: [&str; 2] = ["planned", "retrying"];

/// A patient's rows in memory: as they were, and as they should be.
pub struct Board {
    patient: PatientId,
    pub now: DateTime<Utc>,
    before: BTreeMap<NotificationId, notifications::Model>,
    pub after: BTreeMap<NotificationId, notifications::Model>,
    /// Whose each slot is.
    slots: HashMap<String, NotificationId>,
    fresh: u16,
}

impl Board {
    pub async fn load(tx: &WriteTx, patient: PatientId) -> ApiResult<Self> {
        let rows = notifications::Entity::find()
            .filter(notifications::Column::RecipientId.eq(patient.0))
            .filter(
                Condition::any()
                    .add(notifications::Column::State.is_in(OPEN))
                    .add(notifications::Column::DueAt.gt(tx.now() - MEMORY)),
            )
            .all(tx.conn())
            .await?;
        let before: BTreeMap<_, _> = rows.into_iter().map(|row| (row.id, row)).collect();
        let slots = before.values().map(|row| (row.slot.clone(), row.id)).collect();
        Ok(Self { patient, now: tx.now(), after: before.clone(), before, slots, fresh: 0 })
    }

    pub fn is_open(row: &notifications::Model) -> bool {
        OPEN.contains(&row.state.as_str())
    }

    /// The rows of a session as the rules want to see them.
    pub fn of_origin(&self, origin: Uuid) -> Vec<ExistingRow> {
        self.after
            .values()
            .filter(|row| row.origin_id == origin)
            .map(|row| ExistingRow {
                id: row.id.0,
                slot: row.slot.clone(),
                local_date: row.local_date,
                due_at: row.due_at,
                expires_at: row.expires_at,
                open: Self::is_open(row),
                may_reopen: reopenable(row),
            })
            .collect()
    }

    /// The row of a slot, whatever became of it.
    pub fn of_slot(&self, slot: &str) -> Option<&notifications::Model> {
        self.slots.get(slot).and_then(|id| self.after.get(id))
    }

    pub fn apply(&mut self, change: Change, origin_kind: &str, origin_id: Uuid) {
        match change {
            Change::Insert(planned) => self.insert(planned, origin_kind, origin_id),
            Change::Move { id, due_at, expires_at, local_date }
            | Change::Reopen { id, due_at, expires_at, local_date } => {
                self.place(id.into(), (due_at, expires_at, local_date));
            }
            // Said as when it is planned for the first time: the answer that moves a session shows it.
            Change::Cancel { id, reason } if reason.is_policy() => self.end(id.into(), "suppressed", reason),
            Change::Cancel { id, reason } => self.end(id.into(), "cancelled", reason),
        }
    }

    pub fn insert(&mut self, planned: Planned, origin_kind: &str, origin_id: Uuid) {
        // The slot may have been used and given up: the row is then opened again, for slots are unique for ever.
        if let Some(old) = self.of_slot(&planned.slot) {
            if let (true, PlannedState::Planned) = (reopenable(old), planned.state) {
                self.place(old.id, (planned.due_at, planned.expires_at, planned.local_date));
            }
            return;
        }
        let id = self.next_id();
        let row = row_of(self.patient, (origin_kind, origin_id), id, planned, self.now);
        self.slots.insert(row.slot.clone(), id);
        self.after.insert(id, row);
    }

    /// Stands for a row that is not written yet; [`Board::write`] gives it its real id.
    fn next_id(&mut self) -> NotificationId {
        self.fresh += 1;
        NotificationId(Uuid::from_u128(u128::from(self.fresh)))
    }

    pub fn place(
        &mut self,
        id: NotificationId,
        (due_at, expires_at, local_date): (DateTime<Utc>, DateTime<Utc>, NaiveDate),
    ) {
        let Some(row) = self.after.get_mut(&id) else { return };
        let same = row.due_at == due_at && row.expires_at == expires_at;
        // One that is being tried again keeps its place in the queue.
        if !(same && Self::is_open(row)) {
            row.state = "planned".to_owned();
            row.reason = None;
            row.due_at = due_at;
            row.expires_at = expires_at;
            row.local_date = local_date;
            row.next_attempt_at = due_at;
        }
    }

    pub fn end(&mut self, id: NotificationId, state: &str, reason: Reason) {
        if let Some(row) = self.after.get_mut(&id) {
            row.state = state.to_owned();
            row.reason = Some(reason.as_str().to_owned());
        }
    }

    /// What is due and was put off when it was judged is judged again: what put it off may have changed.
    pub fn ask_again(&mut self) {
        let now = self.now;
        for row in self.after.values_mut().filter(|row| row.state == "planned" && row.due_at <= now) {
            row.next_attempt_at = row.next_attempt_at.min(now);
        }
    }

    /// Ends every reminder that is still to come. What happened to the account is none.
    pub fn end_all(&mut self, reason: Reason) {
        let reminders = self.after.values().filter(|row| Self::is_open(row) && row.origin_kind != ACCOUNT);
        let open: Vec<NotificationId> = reminders.map(|row| row.id).collect();
        for id in open {
            self.end(id, "cancelled", reason);
        }
    }

    /// Lays the daily cap over every local date on which something is still open.
    pub fn cap(&mut self, facts: &PatientFacts) {
        let mut days: BTreeMap<NaiveDate, Vec<CapRow<NotificationId>>> = BTreeMap::new();
        for row in self.after.values() {
            let open = Self::is_open(row);
            if !open && !matches!(row.state.as_str(), "claimed" | "accepted") || row.origin_kind == SNOOZE {
                continue;
            }
            days.entry(row.local_date).or_default().push(CapRow {
                key: row.id,
                priority: Priority::from_word(&row.priority).unwrap_or(Priority::Normal),
                routine: row.routine,
                due_at: row.due_at,
                sent: !open,
            });
        }
        for (day, rows) in days {
            let dosing = facts.hush.iter().any(|hush| facts.zone.local_date(hush.start) == day);
            for id in apply_cap(&rows, &facts.policy, dosing) {
                // A standing rule keeps its row: when due, it is asked again and plans the next one.
                if self.after.get(&id).is_some_and(|row| row.origin_kind == SESSION) {
                    self.end(id, "suppressed", Reason::DailyCap);
                }
            }
        }
    }

    /// Writes the difference, and returns the rows that are new.
    pub async fn write(self, tx: &WriteTx) -> ApiResult<Vec<notifications::Model>> {
        let (mut inserts, mut changes) = (Vec::new(), Vec::new());
        for (id, row) in self.after {
            match self.before.get(&id) {
                Some(before) if *before == row => {}
                Some(_) => changes.push(row),
                None => {
                    let id = NotificationId(tx.new_id());
                    inserts.push(notifications::Model { id, ..row });
                }
            }
        }
        insert(tx.conn(), &inserts, tx.now()).await?;
        update(tx, self.patient, &changes).await?;
        Ok(inserts)
    }
}

/// Closed for a cause that can go away, and taken by no push service: an attempt that failed reached nobody.
fn reopenable(row: &notifications::Model) -> bool {
    let reason = row.reason.as_deref().and_then(Reason::from_word);
    // A capped one is weighed anew with the others of its day; a given-up slot of a rule may be asked for again, and a
    // rule that rested may go on before the slot comes.
    let weighed = |reason| matches!(reason, Reason::DailyCap | Reason::Ignored);
    let cause = reason.is_some_and(|reason| reason.may_reopen() || weighed(reason));
    row.accepted_at.is_none() && matches!(row.state.as_str(), "suppressed" | "cancelled") && cause
}

const CHANGES: &[(&str, Kind)] = &[
    ("notification", Kind::Uuid),
    ("became", Kind::Text),
    ("because", Kind::Text),
    ("due", Kind::Time),
    ("ends", Kind::Time),
    ("day", Kind::Date),
    ("next", Kind::Time),
    ("held", Kind::Big),
];

/// Writes existing rows in one statement, but none that a worker has claimed since they were read: what was on its way
/// meanwhile is judged by what holds now before it is sent again.
async fn update(tx: &WriteTx, patient: PatientId, changed: &[notifications::Model]) -> ApiResult<()> {
    let mut rows = Rows::new(tx.engine(), CHANGES);
    for row in changed {
        rows.push([
            Cell::Uuid(row.id.0),
            Cell::Text(&row.state),
            row.reason.as_deref().into(),
            Cell::Time(row.due_at),
            Cell::Time(row.expires_at),
            Cell::Date(row.local_date),
            Cell::Time(row.next_attempt_at),
            Cell::Number(row.fence),
        ]);
    }
    if rows.is_empty() {
        return Ok(());
    }
    let (source, texts) = rows.source(3);
    let sql = format!(
        "UPDATE notifications SET state = r.became, reason = r.because, due_at = r.due, expires_at = r.ends, \
         local_date = r.day, next_attempt_at = r.next, fence = fence + 1, updated_at = $2 FROM {source} \
         WHERE recipient_id = $1 AND id = r.notification AND fence = r.held"
    );
    let values = [vec![patient.0.into(), tx.now().into()], texts].concat();
    tx.conn()
        .execute_raw(Statement::from_sql_and_values(tx.conn().get_database_backend(), sql, values))
        .await?;
    Ok(())
}
