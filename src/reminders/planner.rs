//! Planning a patient's notifications anew inside the transaction of whatever changed: rows are read once, the rules
//! say what should be there, the daily cap is laid over it, and only the difference is written.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, NaiveDate, Utc};
use entity::{
    ids::{NotificationId, PatientId, SessionId},
    notifications, reminders,
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder,
    sea_query::{Expr, ExprTrait, OnConflict},
};
use uuid::Uuid;

use super::{
    RULE, SESSION,
    dto::SessionReminder,
    facts::{PatientFacts, session_facts},
    queries,
    rules::{
        planned::{Change, Planned, PlannedState},
        policy::{CapRow, Reason, apply_cap},
        recurrence::slot_local,
        recurring::{RecurringFacts, plan_recurring, replan_recurring},
        session::{ExistingRow, plan_session},
    },
};
use crate::{content::Priority, db::WriteTx, error::ApiResult};

/// How far back planning looks at what was already sent.
const MEMORY: Duration = Duration::days(60);
const OPEN: [&str; 2] = ["planned", "retrying"];

/// Plans everything that is still to come for a patient. Call it last in a transaction that changed what plans depend
/// on: sessions, rules, zone, policy.
pub async fn replan_patient(tx: &WriteTx, patient: PatientId) -> ApiResult<()> {
    let facts = PatientFacts::load(tx.conn(), patient, tx.now()).await?;
    let rules = queries::list(tx.conn(), patient).await?;
    let mut board = Board::load(tx, patient).await?;
    if !facts.consented {
        board.end_all(Reason::ConsentWithdrawn);
        board.write(tx).await?;
        tx.wake_scheduler();
        return Ok(());
    }
    for session in &facts.sessions {
        let existing = board.of_origin(session.id.0);
        let seen = session_facts(session, &facts.sessions, &facts.hush);
        for change in plan_session(tx.now(), &seen, &facts.zone, &facts.policy, &existing) {
            board.apply(change, SESSION, session.id.0);
        }
    }
    board.plan_rules(&rules, &facts)?;
    board.cap(&facts);
    board.write(tx).await?;
    tx.wake_scheduler();
    Ok(())
}

/// The facts of a standing rule after the slot `served`.
pub fn recurring_facts<'a>(
    row: &'a reminders::Model,
    recurrence: &'a super::rules::recurrence::Recurrence,
    served: Option<&str>,
) -> RecurringFacts<'a> {
    RecurringFacts {
        rule_id: row.id.0,
        recurrence,
        category: &row.category,
        priority: Priority::Normal,
        served: served.and_then(slot_local),
        // As all recurring ones of the content: on dosing days it is quiet.
        skip_on_dosing_day: true,
        spread: None,
    }
}

/// The row of a planned notification.
pub fn row_of(
    patient: PatientId,
    (origin_kind, origin_id): (&str, Uuid),
    id: NotificationId,
    planned: Planned,
    now: DateTime<Utc>,
) -> notifications::Model {
    let (state, reason) = match planned.state {
        PlannedState::Planned => ("planned", None),
        PlannedState::Suppressed(reason) => ("suppressed", Some(reason.as_str().to_owned())),
    };
    notifications::Model {
        recipient_id: patient.into(),
        id,
        subject_patient_id: patient,
        origin_kind: origin_kind.to_owned(),
        origin_id,
        template_id: planned.template_id,
        category: planned.category,
        priority: planned.priority.as_str().to_owned(),
        routine: planned.routine,
        local_date: planned.local_date,
        slot: planned.slot,
        due_at: planned.due_at,
        expires_at: planned.expires_at,
        state: state.to_owned(),
        reason,
        lease_until: None,
        fence: 0,
        attempts: 0,
        next_attempt_at: planned.due_at,
        accepted_at: None,
        shown_at: None,
        opened_at: None,
        done_at: None,
        snoozed_at: None,
        created_at: now,
        updated_at: now,
    }
}

/// The reminders planned around one session, earliest first, as the answer to its change lists them.
pub async fn of_session(
    conn: &impl ConnectionTrait,
    patient: PatientId,
    session: SessionId,
) -> ApiResult<Vec<SessionReminder>> {
    let rows = notifications::Entity::find()
        .filter(notifications::Column::RecipientId.eq(patient.0))
        .filter(notifications::Column::OriginId.eq(session.0))
        .filter(notifications::Column::State.ne("cancelled"))
        .order_by_asc(notifications::Column::DueAt)
        .order_by_asc(notifications::Column::Id)
        .all(conn)
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| SessionReminder {
            template_id: row.template_id.unwrap_or_default(),
            due_at: row.due_at,
            local_date: row.local_date,
            state: row.state,
            reason: row.reason,
        })
        .collect())
}

/// A patient's rows in memory: as they were, and as they should be.
struct Board {
    patient: PatientId,
    now: DateTime<Utc>,
    before: BTreeMap<NotificationId, notifications::Model>,
    after: BTreeMap<NotificationId, notifications::Model>,
    fresh: u16,
}

impl Board {
    async fn load(tx: &WriteTx, patient: PatientId) -> ApiResult<Self> {
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
        Ok(Self { patient, now: tx.now(), after: before.clone(), before, fresh: 0 })
    }

    fn is_open(row: &notifications::Model) -> bool {
        OPEN.contains(&row.state.as_str())
    }

    /// The rows of a session as the rules want to see them.
    fn of_origin(&self, origin: Uuid) -> Vec<ExistingRow> {
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

    fn apply(&mut self, change: Change, origin_kind: &str, origin_id: Uuid) {
        match change {
            Change::Insert(planned) => self.insert(planned, origin_kind, origin_id),
            Change::Move { id, due_at, expires_at, local_date }
            | Change::Reopen { id, due_at, expires_at, local_date } => {
                self.place(id.into(), (due_at, expires_at, local_date));
            }
            Change::Cancel { id, reason } => self.end(id.into(), "cancelled", reason),
        }
    }

    fn insert(&mut self, planned: Planned, origin_kind: &str, origin_id: Uuid) {
        // The slot may have been used and given up: the row is then opened again, for slots are unique for ever.
        if let Some(old) = self.after.values().find(|row| row.slot == planned.slot).map(|row| row.id) {
            if let (true, PlannedState::Planned) =
                (self.after.get(&old).is_some_and(reopenable), planned.state)
            {
                self.place(old, (planned.due_at, planned.expires_at, planned.local_date));
            }
            return;
        }
        let id = self.next_id();
        let row = row_of(self.patient, (origin_kind, origin_id), id, planned, self.now);
        self.after.insert(id, row);
    }

    /// Stands for a row that is not written yet; [`Board::write`] gives it its real id.
    fn next_id(&mut self) -> NotificationId {
        self.fresh += 1;
        NotificationId(Uuid::from_u128(u128::from(self.fresh)))
    }

    fn place(
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

    fn end(&mut self, id: NotificationId, state: &str, reason: Reason) {
        if let Some(row) = self.after.get_mut(&id) {
            row.state = state.to_owned();
            row.reason = Some(reason.as_str().to_owned());
        }
    }

    /// Ends everything that is still to come.
    fn end_all(&mut self, reason: Reason) {
        let open: Vec<NotificationId> =
            self.after.values().filter(|row| Self::is_open(row)).map(|row| row.id).collect();
        for id in open {
            self.end(id, "cancelled", reason);
        }
    }

    /// Exactly the next occurrence of each active rule; open rows of any other occurrence end.
    fn plan_rules(&mut self, rules: &[reminders::Model], facts: &PatientFacts) -> ApiResult<()> {
        let mut wanted = Vec::new();
        for rule in rules.iter().filter(|rule| rule.active) {
            if let Some(next) = self.next_of(rule, facts)? {
                // What is closed to it now is asked again when it is due, and the ledger then says why.
                wanted.push((rule.id.0, Planned { state: PlannedState::Planned, ..next }));
            }
        }
        let stale: Vec<NotificationId> = self
            .after
            .values()
            .filter(|row| row.origin_kind == RULE && Self::is_open(row))
            .filter(|row| !wanted.iter().any(|(_, next)| next.slot == row.slot))
            .map(|row| row.id)
            .collect();
        for id in stale {
            self.end(id, "cancelled", Reason::Superseded);
        }
        for (rule, next) in wanted {
            let open =
                self.after.values().find(|row| row.slot == next.slot && Self::is_open(row)).map(|row| row.id);
            match open {
                Some(id) => self.place(id, (next.due_at, next.expires_at, next.local_date)),
                None => self.insert(next, RULE, rule),
            }
        }
        Ok(())
    }

    /// The occurrence that is open for a rule if it still fits, else the next one.
    fn next_of(&self, rule: &reminders::Model, facts: &PatientFacts) -> ApiResult<Option<Planned>> {
        let recurrence = queries::recurrence(rule)?;
        let served = self.served(rule.id.0);
        let seen = recurring_facts(rule, &recurrence, served.as_deref());
        let open = self.after.values().find(|row| row.origin_id == rule.id.0 && Self::is_open(row));
        let (zone, policy, hush) = (&facts.zone, &facts.policy, &facts.hush);
        Ok(match open.and_then(|row| slot_local(&row.slot)) {
            Some(open) => replan_recurring(self.now, &seen, open, zone, policy, hush),
            None => plan_recurring(self.now, &seen, zone, policy, hush),
        })
    }

    /// The last slot of a rule that was sent or otherwise used up; given-up ones may come again.
    fn served(&self, rule: Uuid) -> Option<String> {
        self.after
            .values()
            .filter(|row| row.origin_id == rule && !Self::is_open(row) && row.state != "cancelled")
            .map(|row| row.slot.clone())
            .max()
    }

    /// Lays the daily cap over every local date on which something is still open.
    fn cap(&mut self, facts: &PatientFacts) {
        let mut days: BTreeMap<NaiveDate, Vec<CapRow<NotificationId>>> = BTreeMap::new();
        for row in self.after.values() {
            let open = Self::is_open(row);
            if !open && !matches!(row.state.as_str(), "claimed" | "accepted") {
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

    async fn write(self, tx: &WriteTx) -> ApiResult<()> {
        let (mut inserts, mut changes) = (Vec::new(), Vec::new());
        for (id, row) in self.after {
            match self.before.get(&id) {
                Some(before) if *before == row => {}
                Some(_) => changes.push(notifications::Model { updated_at: tx.now(), ..row }),
                None => {
                    let id = NotificationId(tx.new_id());
                    inserts.push(
                        notifications::ActiveModel::from(notifications::Model { id, ..row }).reset_all(),
                    );
                }
            }
        }
        for chunk in inserts.chunks(500) {
            notifications::Entity::insert_many(chunk.to_vec())
                .on_conflict(OnConflict::new().do_nothing().to_owned())
                .exec_without_returning(tx.conn())
                .await?;
        }
        for chunk in changes.chunks(500) {
            update(tx, chunk).await?;
        }
        Ok(())
    }
}

/// Closed by planning, unsent, for a cause that can go away.
fn reopenable(row: &notifications::Model) -> bool {
    let reason = row.reason.as_deref().and_then(Reason::from_word);
    // A capped one is weighed anew with the others of its day; a given-up slot of a rule may be asked for again.
    let cause = reason.is_some_and(|reason| reason.may_reopen() || reason == Reason::DailyCap);
    row.attempts == 0 && matches!(row.state.as_str(), "suppressed" | "cancelled") && cause
}

/// Writes existing rows in one statement, but none that a worker has claimed meanwhile: what is on its way stays on its
/// way. Every row is there already, so the insert always ends in its update.
async fn update(tx: &WriteTx, rows: &[notifications::Model]) -> ApiResult<()> {
    use notifications::{Column, Entity};
    let changed = OnConflict::columns([Column::RecipientId, Column::Id])
        .update_columns([
            Column::State,
            Column::Reason,
            Column::DueAt,
            Column::ExpiresAt,
            Column::LocalDate,
            Column::NextAttemptAt,
            Column::UpdatedAt,
        ])
        .value(Column::Fence, Expr::col((Entity, Column::Fence)).add(1))
        .action_and_where(Expr::col((Entity, Column::State)).ne("claimed"))
        .to_owned();
    let rows = rows.iter().cloned().map(|row| notifications::ActiveModel::from(row).reset_all());
    Entity::insert_many(rows).on_conflict(changed).exec_without_returning(tx.conn()).await?;
    Ok(())
}
