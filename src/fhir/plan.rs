//! Treatment plans.

use entity::plans;
use serde_json::{Value, json};

use super::{
    bundle::{Resource, derived, to},
    facts::Facts,
};
use crate::{
    content::{in_locale, protocols},
    goals::GoalStatus,
};

pub fn resources(facts: &Facts<'_>) -> Vec<Resource> {
    facts.plans.iter().map(|row| plan(facts, row)).collect()
}

fn plan(facts: &Facts<'_>, row: &plans::Model) -> Resource {
    let of_plan = || facts.sessions.iter().filter(|session| session.plan_id == Some(row.id.0));
    let start = of_plan().map(|session| session.starts_at).min();
    let end = of_plan().map(|session| session.ends_at).max();
    let start = start.map_or_else(|| row.first_dosing_on.to_string(), |at| facts.clock.date(at));
    let appointment = |id| json!({"reference": to("Appointment", id)});
    let body = json!({
        "instantiatesUri": [format!("urn:afterglow:plan-template:{}", row.template_id)],
        "status": status(&row.state),
        "intent": "plan",
        "title": title(facts, &row.template_id),
        "subject": to("Patient", facts.patient),
        "period": {"start": start, "end": end.map(|at| facts.clock.date(at))},
        "created": facts.clock.instant(row.created_at),
        "careTeam": [to("CareTeam", derived("care-team", facts.patient))],
        "goal": if row.state == "active" { pursued(facts) } else { Vec::new() },
        "activity": of_plan().map(|session| appointment(session.id)).collect::<Vec<_>>(),
    });
    Resource::new("CarePlan", row.id, body).version(row.version, facts.clock.instant(row.updated_at))
}

fn status(state: &str) -> &'static str {
    match state {
        "completed" => "completed",
        "cancelled" => "revoked",
        _ => "active",
    }
}

fn title(facts: &Facts<'_>, id: &str) -> String {
    let template = protocols().plan_templates.iter().find(|template| template.id == id);
    let title = template.and_then(|template| in_locale(&template.title, facts.locale));
    title.cloned().unwrap_or_else(|| id.to_owned())
}

/// Goals that somebody works on while the plan goes on.
fn pursued(facts: &Facts<'_>) -> Vec<Value> {
    use GoalStatus::{Accepted, Active, OnHold, Planned};
    let open = facts
        .goals
        .iter()
        .filter(|goal| matches!(goal.lifecycle_status, Planned | Accepted | Active | OnHold));
    open.map(|goal| to("Goal", goal.id)).collect()
}
