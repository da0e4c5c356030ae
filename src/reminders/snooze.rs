//! Putting a notification off: for half an hour, two hours, or until tomorrow. What was put off is a notification of
//! its own, bound to the same session or rule; it does not count towards the daily cap, which the first one did.

use chrono::{DateTime, Duration, Utc};
use entity::{
    ids::{NotificationId, PatientId},
    notifications, reminders,
};
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    SESSION, SNOOZE,
    board::Board,
    facts::PatientFacts,
    ledger,
    marks::reacted,
    planner::row_of,
    rules::{
        localtime::IsoDuration,
        planned::{Planned, PlannedState},
        policy::{Candidate, Decision, Kind, Reason, decide},
        session::session_slot,
    },
};
use crate::{
    content::{Anchor, Priority, protocols},
    db::WriteTx,
    error::{ApiError, ApiResult},
    validate::{Checks, Validate},
};

/// How often one notification can be put off.
const MOST: i64 = 10;
/// The shortest time for which it then stays of use.
const FRESH: Duration = Duration::hours(1);
/// How far quiet hours and hush may carry it.
const FURTHEST: Duration = Duration::hours(24);

/// For how long to put a notification off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum SnoozeFor {
    /// Half an hour.
    #[serde(rename = "PT30M")]
    HalfAnHour,
    /// Two hours.
    #[serde(rename = "PT2H")]
    TwoHours,
    /// Tomorrow at this time of day.
    #[serde(rename = "P1D")]
    Tomorrow,
}

impl SnoozeFor {
    fn duration(self) -> Option<IsoDuration> {
        let index = match self {
            Self::HalfAnHour => 0,
            Self::TwoHours => 1,
            Self::Tomorrow => 2,
        };
        protocols().defaults.snooze.get(index).copied()
    }
}

/// Put a notification off.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NotificationSnooze {
    #[serde(rename = "for")]
    pub wait: SnoozeFor,
}

impl Validate for NotificationSnooze {
    fn validate(&self, _: &mut Checks) {}
}

/// The notification that was put off first, of what is put off once more.
fn root_of(row: &notifications::Model) -> NotificationId {
    let named = row.slot.strip_prefix("snooze:").and_then(|rest| rest.split(':').next());
    named.and_then(|id| Uuid::parse_str(id).ok()).map_or(row.id, NotificationId)
}

/// Puts a notification of the patient off and returns what was planned instead.
pub async fn snooze(
    tx: &WriteTx,
    patient: PatientId,
    id: NotificationId,
    wait: SnoozeFor,
) -> ApiResult<notifications::Model> {
    let row = ledger::find(tx.conn(), patient.into(), id).await?;
    if matches!(row.state.as_str(), "planned" | "claimed" | "retrying") {
        let detail = "It has not come yet; there is nothing to put off.";
        return Err(ApiError::conflict("not_yet_sent", detail));
    }
    let facts = PatientFacts::load(tx.conn(), patient, tx.now()).await?;
    let root = root_of(&row);
    let earlier = format!("snooze:{root}:");
    let number = ledger::count_slots(tx.conn(), patient.into(), &earlier).await? + 1;
    if number > MOST {
        let detail = format!("It was put off {MOST} times already.");
        return Err(ApiError::conflict("snoozed_too_often", detail));
    }
    let planned = plan(&row, &facts, wait, tx.now())?;
    let planned = Planned { slot: format!("{earlier}{number}"), ..planned };
    let next = row_of(patient, (SNOOZE, row.origin_id), tx.new_id().into(), planned, tx.now());
    let active: notifications::ActiveModel = next.clone().into();
    notifications::Entity::insert(active.reset_all()).exec_without_returning(tx.conn()).await?;
    note(tx, &row).await?;
    tx.wake_scheduler();
    Ok(next)
}

/// When it comes again.
fn plan(
    row: &notifications::Model,
    facts: &PatientFacts,
    wait: SnoozeFor,
    now: DateTime<Utc>,
) -> ApiResult<Planned> {
    let wait = wait.duration().ok_or(ApiError::NotFound)?;
    let start = start_of(row, facts);
    let asked = facts.zone.add(now, wait);
    let priority = Priority::from_word(&row.priority).unwrap_or(Priority::Normal);
    let candidate = Candidate {
        category: &row.category,
        priority,
        kind: Kind::Other,
        ignores_quiet_hours: false,
        due_at: asked,
        expires_at: asked + FURTHEST,
        not_before: now,
    };
    let due_at = match decide(&candidate, &facts.policy, &facts.zone, &facts.hush) {
        Decision::Send(at) | Decision::MoveTo(at) => at,
        Decision::Suppress(_) => {
            let detail = "Reminders like this are paused or switched off.";
            return Err(ApiError::conflict("reminders_off", detail));
        }
    };
    if start.is_some_and(|start| due_at >= start) {
        return Err(ApiError::invalid_field("/for", "after_start", "the session will have begun by then"));
    }
    let until = due_at + (row.expires_at - row.due_at).max(FRESH);
    Ok(Planned {
        slot: String::new(),
        template_id: row.template_id.clone(),
        category: row.category.clone(),
        priority,
        // The patient asked for it: it is not one of the prompts that a day may bring.
        routine: false,
        local_date: facts.zone.local_date(due_at),
        due_at,
        expires_at: start.map_or(until, |start| until.min(start)),
        state: PlannedState::Planned,
    })
}

/// The start of the session that a reminder has to come before.
fn start_of(row: &notifications::Model, facts: &PatientFacts) -> Option<DateTime<Utc>> {
    let template = row.template_id.as_deref().and_then(|id| protocols().template(id))?;
    let session = facts.sessions.iter().find(|session| session.id.0 == row.origin_id)?;
    (template.anchor == Anchor::Start && template.offset.is_negative()).then_some(session.starts_at)
}

/// Putting off is a reaction.
async fn note(tx: &WriteTx, row: &notifications::Model) -> ApiResult<()> {
    use notifications::Column;
    notifications::Entity::update_many()
        .col_expr(Column::SnoozedAt, Expr::value(tx.now()))
        .filter(Column::RecipientId.eq(row.recipient_id))
        .filter(Column::Id.eq(row.id))
        .exec(tx.conn())
        .await?;
    reacted(tx.conn(), row.subject_patient_id, row.origin_id).await
}

impl Board {
    /// What was put off follows its session or rule: it ends with it, and never comes at the start or past it.
    pub fn plan_snoozes(&mut self, facts: &PatientFacts, rules: &[reminders::Model]) {
        let open: Vec<notifications::Model> = self
            .after
            .values()
            .filter(|row| row.origin_kind == SNOOZE && Self::is_open(row))
            .cloned()
            .collect();
        for row in open {
            match self.follows(&row, facts, rules) {
                Err(reason) => self.end(row.id, "cancelled", reason),
                Ok(Some(start)) if row.due_at >= start => self.end(row.id, "cancelled", Reason::SessionMoved),
                Ok(Some(start)) => {
                    self.place(row.id, (row.due_at, row.expires_at.min(start), row.local_date));
                }
                Ok(None) => {}
            }
        }
    }

    /// The start it must come before, if any, or why it does not come any more.
    fn follows(
        &self,
        row: &notifications::Model,
        facts: &PatientFacts,
        rules: &[reminders::Model],
    ) -> Result<Option<DateTime<Utc>>, Reason> {
        let root = self.after.get(&root_of(row));
        let Some(root) = root.filter(|root| root.origin_kind == SESSION) else {
            let goes_on = rules.iter().any(|rule| rule.id.0 == row.origin_id && rule.active);
            let of_rule = root.is_some_and(|root| root.origin_kind == super::RULE);
            return if goes_on || !of_rule { Ok(None) } else { Err(Reason::Superseded) };
        };
        let session = facts.sessions.iter().find(|session| session.id.0 == row.origin_id);
        let session = session.ok_or(Reason::SessionCancelled)?;
        if matches!(session.state.as_str(), "cancelled" | "no_show") {
            return Err(Reason::SessionCancelled);
        }
        let template = row.template_id.as_deref().unwrap_or_default();
        if root.slot != session_slot(session.id.0, template, session.placement) {
            return Err(Reason::SessionMoved);
        }
        let start = start_of(row, facts);
        if start.is_some() && session.state != "planned" { Err(Reason::Superseded) } else { Ok(start) }
    }
}
