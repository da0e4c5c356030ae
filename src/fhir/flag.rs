//! Alerts: that an answer called for somebody, by which rule, and whether somebody has it. What a clinician wrote about
//! it is in no bundle.

use entity::alerts;
use serde_json::json;

use super::{
    bundle::{Resource, to},
    codes::{concept, hl7, own},
    facts::Facts,
};

pub fn resources(facts: &Facts<'_>) -> Vec<Resource> {
    facts.alerts.iter().map(|row| flag(facts, row)).collect()
}

fn flag(facts: &Facts<'_>, row: &alerts::Model) -> Resource {
    let mut code = own(&row.rule);
    // What a rule says to clinicians is no word to a patient.
    let says = facts.catalogue.rule(&row.rule).filter(|_| !facts.own);
    code["text"] = json!(says.map(|rule| rule.says(facts.locale)));
    let end = row.acknowledged_at;
    let body = json!({
        "status": if end.is_some() { "inactive" } else { "active" },
        "category": [concept(hl7("flag-category", "safety", "Safety")), own(&format!("level.{}", row.level))],
        "code": code,
        "subject": to("Patient", facts.patient),
        "period": {"start": facts.clock.instant(row.raised_at), "end": end.map(|at| facts.clock.instant(at))},
    });
    Resource::new("Flag", row.id, body)
}
