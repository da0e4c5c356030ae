//! What a bundle has to hold of a patient with something of everything, value by value.

use serde_json::{Value, json};

use super::{
    by_id, observed, of,
    world::{HOSTILE, World},
};
use crate::harness::Person;

const LOINC: &str = "http://loinc.org";

pub fn answered(seen: &Value) {
    let totals = observed(seen, "44261-6");
    assert_eq!((totals.len(), of(seen, "QuestionnaireResponse").len()), (1, 1));
    let (total, response) = (totals[0], of(seen, "QuestionnaireResponse")[0]);
    assert_eq!(
        total["valueQuantity"],
        json!({"value": 14, "unit": "{score}", "system": "http://unitsofmeasure.org", "code": "{score}"})
    );
    assert_eq!(total["interpretation"][0]["text"], "Moderate");
    assert_eq!(
        total["derivedFrom"][0]["reference"],
        format!("urn:uuid:{}", response["id"].as_str().unwrap())
    );
    assert_eq!(total["effectiveDateTime"], "2026-11-22T13:00:00+01:00");
    let first =
        json!([{"valueCoding": {"system": LOINC, "code": "LA6571-9", "display": "Nearly every day"}}]);
    assert_eq!(response["item"][0]["answer"], first);
    assert_eq!(
        (&response["status"], &response["questionnaire"]),
        (&json!("completed"), &json!("urn:afterglow:measure:phq-9|1.0.0"))
    );
    let asked = of(seen, "Questionnaire")[0];
    let copyright = asked["copyright"].as_str().unwrap();
    assert!(copyright.contains("Spitzer") && copyright.contains("LOINC"), "{copyright}");
    assert_eq!(
        asked["code"],
        json!([{"system": LOINC, "code": "44249-1", "display": "PHQ-9 quick depression assessment panel [Reported.PHQ]"}])
    );
    let daily = observed(seen, "daily-check-in");
    let (july, low) = (daily[0], daily[1]);
    assert_eq!(
        (&july["effectiveDateTime"], &july["status"]),
        (&json!("2026-07-15T22:02:00+02:00"), &json!("amended"))
    );
    assert_eq!(
        (&low["effectiveDateTime"], &low["status"]),
        (&json!("2026-11-22T13:00:00+01:00"), &json!("final"))
    );
    let parts: Vec<&str> = july["component"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["code"]["coding"][0]["code"].as_str().unwrap())
        .collect();
    assert_eq!(parts, ["mood", "anxiety", "sleep-hours"], "numbers only, and none for energy");
    let flags = of(seen, "Flag");
    let flag = |rule: &str| flags.iter().find(|one| one["code"]["coding"][0]["code"] == rule).unwrap();
    assert_eq!(flag("phq9-item9-any")["status"], "active");
    assert!(flag("phq9-item9-any")["code"]["text"].is_string());
    assert_eq!(
        (&flag("checkin-very-low")["status"], &flag("checkin-very-low")["period"]["end"]),
        (&json!("inactive"), &json!("2026-11-22T13:00:00+01:00"))
    );
}

pub fn scheduled(seen: &Value, world: &World) {
    let (dosing, planned) = (by_id(seen, &world.dosing), by_id(seen, &world.planned));
    assert_eq!(dosing["status"], "fulfilled");
    assert_eq!((&planned["status"], &planned["meta"]["versionId"]), (&json!("booked"), &json!("3")));
    assert_eq!(planned["start"], "2027-07-01T12:00:00+02:00");
    let proposed = of(seen, "Appointment").into_iter().find(|one| one["status"] == "proposed").unwrap();
    assert_eq!(proposed["requestedPeriod"][0]["start"], "2026-12-01T10:00:00+01:00");
    let encounters = of(seen, "Encounter");
    let held = encounters.iter().find(|one| one["status"] == "finished").unwrap();
    assert_eq!(
        held["period"],
        json!({"start": "2026-11-22T13:00:00+01:00", "end": "2026-11-22T14:30:00+01:00"})
    );
    assert_eq!(
        (&held["class"]["code"], &held["type"][0]["coding"][0]["code"]),
        (&json!("AMB"), &json!("dosing"))
    );
    assert!(encounters.iter().any(|one| one["class"]["code"] == "VR"));
    let plan = of(seen, "CarePlan")[0];
    assert_eq!(
        (&plan["status"], &plan["instantiatesUri"][0]),
        (&json!("active"), &json!("urn:afterglow:plan-template:kap-weekly-4"))
    );
    assert!(plan["activity"].as_array().unwrap().len() > 4);
    assert_eq!(plan["goal"][0]["reference"], format!("urn:uuid:{}", world.goal));
    let target = &by_id(seen, &world.goal)["target"][0];
    assert_eq!(
        (&target["detailQuantity"]["value"], &target["dueDate"]),
        (&json!(7), &json!("2027-01-17")),
        "half of 14"
    );
    let asked = of(seen, "CommunicationRequest");
    assert!(
        asked.iter().any(|one| one["status"] == "active")
            && asked.iter().any(|one| one["status"] == "completed")
    );
    let reminders = of(seen, "Communication").into_iter().filter(|one| one.get("basedOn").is_some());
    let reminders: Vec<&Value> = reminders.collect();
    assert!(reminders.len() == 1 && reminders[0].get("received").is_none(), "{reminders:?}");
}

pub fn written(seen: &Value, world: &World, reader: &Person) {
    let (live, frozen) = (by_id(seen, &world.live), by_id(seen, &world.frozen));
    assert_eq!(of(seen, "Composition").len(), 2);
    assert_eq!((&live["status"], &live["title"]), (&json!("amended"), &json!(HOSTILE)));
    let text = live["section"][0]["text"]["div"].as_str().unwrap();
    assert!(
        text.contains("written later, for Bo too &lt;/div&gt;&lt;script&gt;") && !text.contains("<script"),
        "{text}"
    );
    assert_eq!(text.matches("</div>").count(), 1);
    assert_eq!((&frozen["status"], frozen.to_string().contains("as it was frozen")), (&json!("final"), true));
    let comments: Vec<&Value> =
        of(seen, "Communication").into_iter().filter(|one| one.get("basedOn").is_none()).collect();
    assert_eq!(comments.len(), 2);
    let (his, hers) = (comments[0], comments[1]);
    assert_eq!(his["recipient"][0]["type"], "Patient");
    assert_eq!(hers["recipient"][0]["reference"], format!("urn:uuid:{}", reader.id));
    assert_eq!(hers["inResponseTo"][0]["reference"], format!("urn:uuid:{}", his["id"].as_str().unwrap()));
    let intention = of(seen, "DocumentReference")[0];
    let data = intention["content"][0]["attachment"]["data"].as_str().unwrap();
    assert_eq!(data_encoding::BASE64.decode(data.as_bytes()).unwrap(), b"to meet my grief");
}

pub fn given(seen: &Value, world: &World) {
    let doses = of(seen, "MedicationAdministration");
    assert_eq!(doses.len(), 1);
    let (dose, encounter) = (doses[0], &doses[0]["context"]["reference"]);
    assert_eq!(dose["medicationCodeableConcept"]["coding"][0]["code"], "6130");
    assert_eq!(
        dose["dosage"]["route"]["coding"][0],
        json!({"system": "http://terminology.hl7.org/CodeSystem/v2-0162", "code": "IM", "display": "Intramuscular"})
    );
    assert_eq!(
        dose["dosage"]["dose"],
        json!({"value": 60, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"})
    );
    assert_eq!(
        (&dose["effectiveDateTime"], &dose["meta"]["versionId"]),
        (&json!("2026-11-22T13:00:00+01:00"), &json!("2"))
    );
    let held = of(seen, "Encounter")
        .into_iter()
        .find(|one| *encounter == format!("urn:uuid:{}", one["id"].as_str().unwrap()));
    assert_eq!(held.unwrap()["appointment"][0]["reference"], format!("urn:uuid:{}", world.dosing));
    let pressure = observed(seen, "85354-9")[0];
    let parts = pressure["component"].as_array().unwrap();
    assert_eq!(
        (&parts[0]["valueQuantity"]["value"], &parts[1]["valueQuantity"]["code"]),
        (&json!(128), &json!("mm[Hg]"))
    );
    let pulse = observed(seen, "8867-4")[0];
    assert_eq!((&pulse["status"], &pulse["valueQuantity"]["value"]), (&json!("corrected"), &json!(72)));
    assert_eq!(observed(seen, "59408-5")[0]["valueQuantity"]["unit"], "%");
}
