//! What was given on the day of a dosing session, and the vital signs of that day, in the latest version of the record.

use serde_json::{Value, json};

use super::{
    bundle::{Resource, derived, to},
    codes::{UCUM, concept, hl7, loinc, named, number, own, quantity},
    facts::Facts,
    sessions::encounter_of,
};
use crate::{
    content::{in_locale, protocols},
    sessions::{AdministeredDose, Administration, DoseUnit, VitalSigns},
};

const RXNORM: &str = "http://www.nlm.nih.gov/research/umls/rxnorm";

pub fn resources(facts: &Facts<'_>) -> Vec<Resource> {
    let mut all = Vec::new();
    for record in &facts.administrations {
        let doses = record.record.doses.iter().enumerate();
        all.extend(doses.map(|(index, dose)| administration(facts, record, (index, dose))));
        for (index, signs) in record.record.vitals.iter().enumerate() {
            all.extend(vitals(facts, record, (index, signs)));
        }
    }
    all
}

fn encounter(facts: &Facts<'_>, record: &Administration) -> Option<Value> {
    facts.met(record.session_id.0).map(encounter_of)
}

fn recorded(facts: &Facts<'_>, resource: Resource, record: &Administration) -> Resource {
    resource.version(record.version, facts.clock.instant(record.recorded_at))
}

fn administration(
    facts: &Facts<'_>,
    record: &Administration,
    (index, dose): (usize, &AdministeredDose),
) -> Resource {
    let given = facts.clock.instant(dose.given_at);
    let (at, period) = match dose.ended_at {
        None => (Some(given), None),
        Some(end) => (None, Some(json!({"start": given, "end": facts.clock.instant(end)}))),
    };
    let body = json!({
        "status": "completed",
        "medicationCodeableConcept": medication(&record.record.substance),
        "subject": to("Patient", facts.patient),
        "context": encounter(facts, record),
        "effectiveDateTime": at,
        "effectivePeriod": period,
        "performer": [{"function": {"text": "Recorded it"}, "actor": to("Practitioner", record.recorded_by)}],
        "dosage": dosage(facts, &record.record.route, dose),
    });
    let id = derived(&format!("dose:{index}"), record.session_id);
    recorded(facts, Resource::new("MedicationAdministration", id, body), record)
}

/// Only ketamine has a code that was verified; another substance is told in the words of the record.
fn medication(substance: &str) -> Value {
    let coded = substance.trim().eq_ignore_ascii_case("ketamine");
    let codes = coded.then(|| vec![named(RXNORM, "6130", "ketamine")]);
    json!({"coding": codes, "text": substance})
}

fn dosage(facts: &Facts<'_>, route: &str, dose: &AdministeredDose) -> Value {
    let amount = number(dose.amount);
    let (dose, rate) = match dose.unit {
        DoseUnit::Milligram => (Some(quantity(amount, "mg", "mg")), None),
        DoseUnit::MilligramPerKilogram => (Some(quantity(amount, "mg/kg", "mg/kg")), None),
        DoseUnit::MicrogramPerKilogramAndMinute => (None, Some(quantity(amount, "mcg/kg/min", "ug/kg/min"))),
    };
    json!({"route": route_of(facts, route), "dose": dose, "rateQuantity": rate})
}

/// Under the tongue or swallowed is one route here and two there, so it keeps our own code.
fn route_of(facts: &Facts<'_>, route: &str) -> Value {
    let mut coded = match route {
        "iv" => concept(hl7("v2-0162", "IV", "Intravenous")),
        "im" => concept(hl7("v2-0162", "IM", "Intramuscular")),
        "intranasal" => concept(hl7("v2-0162", "IN", "Intranasal")),
        other => own(other),
    };
    let title = protocols().route(route).and_then(|known| in_locale(&known.title, facts.locale));
    coded["text"] = json!(title);
    coded
}

fn vitals(facts: &Facts<'_>, record: &Administration, (index, signs): (usize, &VitalSigns)) -> Vec<Resource> {
    let pressure = signs.systolic.zip(signs.diastolic).map(|(systolic, diastolic)| {
        let part = |code: &str, name: &str, value: i32| {
            let value = json!({"value": value, "unit": "mmHg", "system": UCUM, "code": "mm[Hg]"});
            json!({"code": concept(loinc(code, name)), "valueQuantity": value})
        };
        let parts = [
            part("8480-6", "Systolic blood pressure", systolic),
            part("8462-4", "Diastolic blood pressure", diastolic),
        ];
        let name = "Blood pressure panel with all children optional";
        ("85354-9", name, json!({ "component": parts }))
    });
    let single = |value: Option<Value>, code, name, unit, ucum| {
        value.map(|value| (code, name, json!({"valueQuantity": quantity(value, unit, ucum)})))
    };
    let whole = |value: Option<i32>| value.map(|value| json!(value));
    let found = [
        pressure,
        single(whole(signs.pulse), "8867-4", "Heart rate", "/min", "/min"),
        single(
            whole(signs.oxygen_saturation),
            "59408-5",
            "Oxygen saturation in Arterial blood by Pulse oximetry",
            "%",
            "%",
        ),
        single(whole(signs.respiratory_rate), "9279-1", "Respiratory rate", "/min", "/min"),
        single(signs.temperature.map(number), "8310-5", "Body temperature", "Cel", "Cel"),
    ];
    let observed = found.into_iter().flatten().map(|(code, name, mut body)| {
        body["status"] = json!(if record.version > 1 { "corrected" } else { "final" });
        body["category"] = json!([concept(hl7("observation-category", "vital-signs", "Vital Signs"))]);
        body["code"] = concept(loinc(code, name));
        body["subject"] = to("Patient", facts.patient);
        body["encounter"] = json!(encounter(facts, record));
        body["effectiveDateTime"] = json!(facts.clock.instant(signs.taken_at));
        let id = derived(&format!("vital:{code}:{index}"), record.session_id);
        recorded(facts, Resource::new("Observation", id, body), record)
    });
    observed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fhir::facts::tests::nobody, measures::Catalogue};

    #[test]
    fn routes_units_and_substances_have_the_codes_that_were_verified() {
        let catalogue = Catalogue::default();
        let facts = nobody(&catalogue);
        for (route, code) in
            [("iv", "IV"), ("im", "IM"), ("intranasal", "IN"), ("oral-sublingual", "oral-sublingual")]
        {
            let coded = route_of(&facts, route);
            assert_eq!(coded["coding"][0]["code"], code);
            assert!(coded["text"].is_string(), "{coded}");
        }
        assert_eq!(medication(" Ketamine ")["coding"][0]["code"], "6130");
        assert_eq!(medication("esketamine"), json!({"coding": null, "text": "esketamine"}));
        let dose = |unit| AdministeredDose { amount: 0.5, unit, given_at: facts.now, ended_at: None };
        let rate = dosage(&facts, "iv", &dose(DoseUnit::MicrogramPerKilogramAndMinute));
        assert_eq!((&rate["dose"], &rate["rateQuantity"]["code"]), (&Value::Null, &json!("ug/kg/min")));
        let plain = dosage(&facts, "iv", &dose(DoseUnit::MilligramPerKilogram));
        assert_eq!((&plain["dose"]["value"], &plain["dose"]["code"]), (&json!(0.5), &json!("mg/kg")));
    }
}
