//! What a patient answered to a consent text. Of all answers to one purpose only the last may be active.

use std::collections::BTreeSet;

use entity::consents;
use serde_json::{Value, json};

use super::{
    bundle::{Resource, derived, to},
    codes::{OWN, coding, concept, hl7, loinc},
    facts::Facts,
};
use crate::consents::Purpose;

pub fn resources(facts: &Facts<'_>) -> Vec<Resource> {
    let mut seen = BTreeSet::new();
    // The latest come first.
    facts.consents.iter().map(|row| consent(facts, row, seen.insert(row.purpose.as_str()))).collect()
}

fn consent(facts: &Facts<'_>, row: &consents::Model, latest: bool) -> Resource {
    let given = row.withdrawn_at.is_none();
    let code = if given { "OPTIN" } else { "OPTOUT" };
    let provision = json!({
        "type": if given { "permit" } else { "deny" },
        "actor": actor(facts, row),
        "class": [coding(OWN, &row.purpose)],
    });
    let body = json!({
        "status": if latest && given { "active" } else { "inactive" },
        "scope": concept(hl7("consentscope", "patient-privacy", "Privacy Consent")),
        "category": [concept(loinc("59284-0", "Patient Consent"))],
        "patient": to("Patient", facts.patient),
        "dateTime": facts.clock.instant(row.given_at),
        // A consent that a restored backup ended was answered by nobody.
        "performer": row.ended_by.is_none().then(|| json!([to("Patient", facts.patient)])),
        "organization": [to("Organization", facts.clinic)],
        "policyRule": {"coding": [coding("http://terminology.hl7.org/CodeSystem/v3-ActCode", code)],
            "text": format!("{} {}", row.purpose, row.text_version)},
        "provision": provision,
    });
    Resource::new("Consent", row.id, body)
}

/// Who may read by it; reminders are read by nobody else.
fn actor(facts: &Facts<'_>, row: &consents::Model) -> Option<Value> {
    let role = concept(hl7("v3-ParticipationType", "IRCP", "information recipient"));
    let reads = row.purpose == Purpose::SharingWithCareTeam.as_str();
    reads.then(|| json!([{"role": role, "reference": to("CareTeam", derived("care-team", facts.patient))}]))
}
