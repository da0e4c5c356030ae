//! A small ledger to play session plans against: it takes what planning says, and refuses what may never happen.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::berlin;
use crate::content::protocols;
use crate::reminders::rules::planned::{Change, Planned, PlannedState};
use crate::reminders::rules::policy::{Policy, Reason};
use crate::reminders::rules::session::{ExistingRow, SessionFacts, plan_session};

/// The ledger of one session: rows with what closed them.
#[derive(Default)]
pub(super) struct Ledger {
    pub(super) rows: Vec<(ExistingRow, Option<Reason>)>,
}

impl Ledger {
    pub(super) fn plan(&mut self, now: DateTime<Utc>, facts: &SessionFacts) -> Vec<Change> {
        let existing: Vec<_> = self.rows.iter().map(|(row, _)| row.clone()).collect();
        let changes =
            plan_session(&protocols().reminders, now, facts, &berlin(), &Policy::default(), &existing);
        for change in &changes {
            self.apply(change.clone());
        }
        changes
    }

    pub(super) fn apply(&mut self, change: Change) {
        match change {
            Change::Insert(planned) => {
                assert!(self.rows.iter().all(|(row, _)| row.slot != planned.slot), "{} twice", planned.slot);
                let id = Uuid::from_u128(self.rows.len() as u128);
                let reason = match planned.state {
                    PlannedState::Planned => None,
                    PlannedState::Suppressed(reason) => Some(reason),
                };
                self.rows.push((existing(id, &planned), reason));
            }
            Change::Move { id, due_at, expires_at, local_date } => {
                let (row, _) = self.row_mut(id);
                assert!(row.open);
                *row = ExistingRow { due_at, expires_at, local_date, ..row.clone() };
            }
            Change::Reopen { id, due_at, expires_at, local_date } => {
                let (row, reason) = self.row_mut(id);
                assert!(!row.open && row.may_reopen);
                *row = ExistingRow {
                    due_at,
                    expires_at,
                    local_date,
                    open: true,
                    may_reopen: false,
                    ..row.clone()
                };
                *reason = None;
            }
            Change::Cancel { id, reason } => {
                let (row, closed) = self.row_mut(id);
                assert!(row.open);
                (row.open, row.may_reopen, *closed) = (false, reason.may_reopen(), Some(reason));
            }
        }
    }

    pub(super) fn row_mut(&mut self, id: Uuid) -> &mut (ExistingRow, Option<Reason>) {
        self.rows.iter_mut().find(|(row, _)| row.id == id).unwrap()
    }

    /// Template id to due time, of the rows still to be sent.
    pub(super) fn open(&self) -> BTreeMap<&str, DateTime<Utc>> {
        let open = self.rows.iter().filter(|(row, _)| row.open);
        open.map(|(row, _)| (template_of(&row.slot), row.due_at)).collect()
    }

    pub(super) fn reason(&self, template: &str) -> Option<Reason> {
        self.rows.iter().find(|(row, _)| template_of(&row.slot) == template).unwrap().1
    }

    pub(super) fn send_due(&mut self, now: DateTime<Utc>) {
        for (row, _) in self.rows.iter_mut().filter(|(row, _)| row.open && row.due_at <= now) {
            row.open = false;
        }
    }
}

pub(super) fn template_of(slot: &str) -> &str {
    slot.split(':').nth(2).unwrap()
}

pub(super) fn existing(id: Uuid, planned: &Planned) -> ExistingRow {
    let may_reopen = matches!(planned.state, PlannedState::Suppressed(reason) if reason.may_reopen());
    ExistingRow {
        id,
        slot: planned.slot.clone(),
        local_date: planned.local_date,
        due_at: planned.due_at,
        expires_at: planned.expires_at,
        open: planned.state == PlannedState::Planned,
        may_reopen,
    }
}
