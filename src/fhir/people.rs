//! Who it is about, and who cares for them. Names are in these resources only, in no reference.

use entity::ids::AccountId;
use serde_json::json;

use super::{
    bundle::{Resource, derived, to},
    codes::{coding, concept},
    facts::Facts,
};
use crate::care::StaffName;

pub fn resources(facts: &Facts<'_>) -> Vec<Resource> {
    let mut all = vec![patient(facts), organization(facts), care_team(facts)];
    for one in &facts.staff {
        all.extend([practitioner(one), role(facts, one)]);
    }
    let strangers = facts.referred().into_iter().filter(|id| facts.staff.iter().all(|one| one.id != *id));
    all.extend(strangers.map(stranger));
    all
}

/// Somebody of another clinic, whom records name that came along from there: nobody here knows more of them.
fn stranger(id: AccountId) -> Resource {
    Resource::new("Practitioner", id, json!({"active": false}))
}

/// Identified by the random id of the account; no number of any state or insurer is kept.
fn patient(facts: &Facts<'_>) -> Resource {
    let language = concept(coding("urn:ietf:bcp:47", &facts.patient_locale));
    let body = json!({
        "identifier": [{"system": "urn:ietf:rfc:3986", "value": format!("urn:uuid:{}", facts.patient)}],
        "active": facts.active,
        "name": [{"use": "usual", "text": facts.patient_name}],
        "communication": [{"language": language, "preferred": true}],
        "managingOrganization": to("Organization", facts.clinic),
    });
    Resource::new("Patient", facts.patient, body)
}

fn organization(facts: &Facts<'_>) -> Resource {
    Resource::new("Organization", facts.clinic, json!({"active": true, "name": facts.clinic_name}))
}

fn practitioner(one: &StaffName) -> Resource {
    let qualification = one.profession.as_ref().map(|profession| json!([{"code": {"text": profession}}]));
    let body = json!({
        "active": one.active,
        "name": [{"text": one.display_name}],
        "qualification": qualification,
    });
    Resource::new("Practitioner", one.id, body)
}

fn role(facts: &Facts<'_>, one: &StaffName) -> Resource {
    let body = json!({
        "active": one.active,
        "practitioner": to("Practitioner", one.id),
        "organization": to("Organization", facts.clinic),
        "code": [{"text": one.profession}],
    });
    Resource::new("PractitionerRole", derived("role", one.id), body)
}

fn care_team(facts: &Facts<'_>) -> Resource {
    let profession =
        |member| facts.staff.iter().find(|one| one.id == member).and_then(|one| one.profession.clone());
    let participants = facts.team.iter().map(
        |member| json!({"role": [{"text": profession(*member)}], "member": to("Practitioner", *member)}),
    );
    let body = json!({
        "status": if facts.team.is_empty() { "inactive" } else { "active" },
        "subject": to("Patient", facts.patient),
        "participant": participants.collect::<Vec<_>>(),
        "managingOrganization": [to("Organization", facts.clinic)],
    });
    Resource::new("CareTeam", derived("care-team", facts.patient), body)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{
        fhir::{Bundle, facts::tests::nobody},
        measures::Catalogue,
    };

    #[test]
    fn a_patient_without_data_is_a_small_bundle_whose_references_name_nobody() {
        let catalogue = Catalogue::default();
        let mut facts = nobody(&catalogue);
        let bo = AccountId(Uuid::from_u128(9));
        facts.team = vec![bo];
        facts.staff = vec![StaffName {
            id: bo,
            display_name: "Bo Lindqvist".into(),
            profession: Some("Psychotherapist".into()),
            active: true,
        }];
        let bundle = serde_json::to_value(Bundle::of(&facts)).unwrap();
        let kinds: Vec<&str> = bundle["entry"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["resource"]["resourceType"].as_str().unwrap())
            .collect();
        assert_eq!(kinds, ["Patient", "Organization", "CareTeam", "Practitioner", "PractitionerRole"]);
        let team = &bundle["entry"][2]["resource"];
        assert_eq!(
            team["participant"],
            json!([{"role": [{"text": "Psychotherapist"}],
                "member": {"reference": bundle["entry"][3]["fullUrl"], "type": "Practitioner"}}])
        );
        assert_eq!(bundle.to_string().matches("Bo Lindqvist").count(), 1);
        assert_eq!(bundle["timestamp"], "2026-11-22T13:00:00+01:00");
    }
}
