//! Standing rules: which of them go on, and their next occurrence on a patient's board.

use entity::{ids::NotificationId, reminders};
use uuid::Uuid;

use super::{
    RULE,
    attention::Streaks,
    board::Board,
    facts::PatientFacts,
    queries,
    rules::{
        attention::HALVES_AFTER,
        planned::{Planned, PlannedState},
        policy::Reason,
        recurrence::{Recurrence, slot_local},
        recurring::{DEFAULT_SPREAD, RecurringFacts, plan_recurring, replan_recurring, spread_offset},
    },
};
use crate::{
    content::{Priority, RecurringTemplate, protocols},
    error::ApiResult,
};

/// The template of the content that a rule came from.
pub fn template_of(rule: &reminders::Model) -> Option<&'static RecurringTemplate> {
    rule.template_id.as_deref().and_then(|id| protocols().recurring_template(id))
}

/// Whether a rule has a next occurrence at all. One of the content lives as long as a plan does.
pub fn goes_on(rule: &reminders::Model, active_plan: bool) -> bool {
    let bound = template_of(rule).is_some_and(|template| template.while_state == "active-plan");
    rule.active && rule.rested_at.is_none() && (active_plan || !bound)
}

/// Whether a rule is silent on the whole local day of a dosing session. As all of the content do, those that patients
/// and therapists set are.
pub fn skips_dosing_day(rule: &reminders::Model) -> bool {
    template_of(rule).is_none_or(|template| template.skip_on_dosing_day)
}

/// The facts of a standing rule after the slot `served`, of whose last occurrences `ignored` were ignored in a row.
pub fn recurring_facts<'a>(
    row: &'a reminders::Model,
    recurrence: &'a Recurrence,
    served: Option<&str>,
    ignored: i32,
) -> RecurringFacts<'a> {
    let template = template_of(row);
    // Only a time that the program chose is spread: somebody who sets 20:00 means 20:00.
    let ours = template.is_some_and(|template| recurrence.time() == Some(template.local_time));
    RecurringFacts {
        rule_id: row.id.0,
        template_id: row.template_id.as_deref(),
        recurrence,
        category: &row.category,
        priority: Priority::Normal,
        served: served.and_then(slot_local),
        skip_on_dosing_day: skips_dosing_day(row),
        halved: ignored >= HALVES_AFTER,
        spread: ours.then(|| spread_offset(row.patient_id.0, DEFAULT_SPREAD)),
    }
}

impl Board {
    /// Exactly the next occurrence of each active rule; open rows of any other occurrence end.
    pub fn plan_rules(
        &mut self,
        rules: &[reminders::Model],
        facts: &PatientFacts,
        streaks: &Streaks,
    ) -> ApiResult<()> {
        let mut wanted = Vec::new();
        for rule in rules.iter().filter(|rule| goes_on(rule, facts.active_plan)) {
            if let Some(next) = self.next_of(rule, facts, streaks)? {
                // What is closed to it now is asked again when it is due, and the ledger then says why.
                wanted.push((rule.id.0, Planned { state: PlannedState::Planned, ..next }));
            }
        }
        let rests = |origin: Uuid| rules.iter().any(|rule| rule.id.0 == origin && rule.rested_at.is_some());
        let stale: Vec<(NotificationId, Uuid)> = self
            .after
            .values()
            .filter(|row| row.origin_kind == RULE && Self::is_open(row))
            .filter(|row| !wanted.iter().any(|(_, next)| next.slot == row.slot))
            .map(|row| (row.id, row.origin_id))
            .collect();
        for (id, origin) in stale {
            let reason = if rests(origin) { Reason::Ignored } else { Reason::Superseded };
            self.end(id, "cancelled", reason);
        }
        for (rule, next) in wanted {
            let open = self.of_slot(&next.slot).filter(|row| Self::is_open(row)).map(|row| row.id);
            match open {
                Some(id) => self.place(id, (next.due_at, next.expires_at, next.local_date)),
                None => self.insert(next, RULE, rule),
            }
        }
        Ok(())
    }

    /// The occurrence that is open for a rule if it still fits, else the next one.
    fn next_of(
        &self,
        rule: &reminders::Model,
        facts: &PatientFacts,
        streaks: &Streaks,
    ) -> ApiResult<Option<Planned>> {
        let recurrence = queries::recurrence(rule)?;
        let served = self.served(rule.id.0);
        let ignored = streaks.of(rule);
        let seen = recurring_facts(rule, &recurrence, served.as_deref(), ignored);
        let mut open = self.after.values().filter(|row| row.origin_kind == RULE && Self::is_open(row));
        let open = open.find(|row| row.origin_id == rule.id.0);
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
            .filter(|row| row.origin_id == rule && row.origin_kind == RULE)
            .filter(|row| !Self::is_open(row) && row.state != "cancelled")
            .map(|row| row.slot.clone())
            .max()
    }
}
