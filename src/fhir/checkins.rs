//! Daily check-ins. Words and feelings are in the patient's own archive only; the care team reads numbers.

use serde_json::{Value, json};

use super::{
    bundle::{Resource, to},
    codes::{OWN, coding, concept, hl7, number, own, quantity},
    facts::Facts,
};
use crate::checkins::Checkin;

pub fn resources(facts: &Facts<'_>) -> Vec<Resource> {
    facts.checkins.iter().map(|one| observation(facts, one)).collect()
}

fn observation(facts: &Facts<'_>, one: &Checkin) -> Resource {
    let scale = |code: &str, value: i32| json!({"code": own(code), "valueInteger": value});
    let mut parts = vec![scale("mood", one.mood)];
    parts.extend(one.anxiety.map(|value| scale("anxiety", value)));
    parts.extend(one.energy.map(|value| scale("energy", value)));
    let hours =
        |value| json!({"code": own("sleep-hours"), "valueQuantity": quantity(number(value), "h", "h")});
    parts.extend(one.sleep_hours.map(hours));
    if !one.emotions.is_empty() {
        let felt: Vec<Value> = one.emotions.iter().map(|word| coding(OWN, word)).collect();
        parts.push(json!({"code": own("emotion"), "valueCodeableConcept": {"coding": felt}}));
    }
    let mut code = own("daily-check-in");
    code["text"] = json!("Daily check-in");
    let body = json!({
        // A patient may change what they entered.
        "status": if one.version > 1 { "amended" } else { "final" },
        "category": [concept(hl7("observation-category", "survey", "Survey"))],
        "code": code,
        "subject": to("Patient", facts.patient),
        "effectiveDateTime": facts.clock.instant_in(&one.time_zone, one.taken_at),
        "performer": [to("Patient", facts.patient)],
        "note": one.note.as_ref().map(|text| vec![json!({ "text": text })]),
        "component": parts,
    });
    Resource::new("Observation", one.id, body).version(one.version, facts.clock.instant(one.updated_at))
}
