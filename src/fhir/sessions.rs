//! Sessions: as appointments, and as encounters. One that is moved stays the same appointment in a higher version.

use entity::sessions;
use serde_json::{Value, json};

use super::{
    bundle::{Resource, derived, to},
    codes::{OWN, coding, hl7},
    facts::Facts,
};
use crate::{
    content::{in_locale, protocols},
    reminders::{rules::session::SessionState, session_state},
    sessions::SessionRequest,
};

pub fn resources(facts: &Facts<'_>) -> Vec<Resource> {
    let appointments = facts.sessions.iter().map(|row| appointment(facts, row));
    let encounters = facts.sessions.iter().filter_map(|row| encounter(facts, row));
    let requested = facts.requests.iter().map(|request| requested(facts, request));
    appointments.chain(requested).chain(encounters).collect()
}

fn kind(facts: &Facts<'_>, kind: &str) -> Value {
    let known = protocols().session_kind(kind);
    let title = known.and_then(|known| in_locale(&known.title, facts.locale));
    json!([{"coding": [coding(OWN, kind)], "text": title}])
}

fn appointment(facts: &Facts<'_>, row: &sessions::Model) -> Resource {
    let status = match session_state(row) {
        SessionState::Planned => "booked",
        SessionState::Started => "arrived",
        SessionState::Completed => "fulfilled",
        SessionState::Cancelled => "cancelled",
        SessionState::NoShow => "noshow",
    };
    let body = json!({
        "status": status,
        "serviceType": kind(facts, &row.kind),
        "start": facts.clock.instant(row.starts_at),
        "end": facts.clock.instant(row.ends_at),
        "created": facts.clock.instant(row.created_at),
        "participant": [
            {"actor": to("Patient", facts.patient), "status": "accepted"},
            {"actor": to("Practitioner", row.member_id), "status": "accepted"},
        ],
    });
    Resource::new("Appointment", row.id, body).version(row.version, facts.clock.instant(row.updated_at))
}

/// A session that is asked for; what else was written with it is for the clinic alone.
fn requested(facts: &Facts<'_>, request: &SessionRequest) -> Resource {
    let periods = request
        .preferred
        .iter()
        .map(|time| json!({"start": facts.clock.instant(time.from), "end": facts.clock.instant(time.until)}));
    let body = json!({
        "status": "proposed",
        "serviceType": request.offer.as_ref().map(|offer| kind(facts, &offer.kind)),
        "created": facts.clock.instant(request.created_at),
        "participant": [{"actor": to("Patient", facts.patient), "status": "accepted"}],
        "requestedPeriod": periods.collect::<Vec<_>>(),
    });
    let since = facts.clock.instant(request.updated_at);
    Resource::new("Appointment", request.id, body).version(request.version, since)
}

/// The id of a session's encounter.
pub fn encounter_of(row: &sessions::Model) -> Value {
    to("Encounter", derived("encounter", row.id))
}

fn encounter(facts: &Facts<'_>, row: &sessions::Model) -> Option<Resource> {
    let status = match session_state(row) {
        SessionState::Planned => "planned",
        SessionState::Started => "in-progress",
        SessionState::Completed => "finished",
        SessionState::Cancelled => "cancelled",
        SessionState::NoShow => return None,
    };
    let body = json!({
        "status": status,
        "class": class(&row.location),
        "type": kind(facts, &row.kind),
        "subject": to("Patient", facts.patient),
        "appointment": [to("Appointment", row.id)],
        "participant": [{"individual": to("Practitioner", row.member_id)}],
        "period": period(facts, row),
        "serviceProvider": to("Organization", facts.clinic),
    });
    let resource = Resource::new("Encounter", derived("encounter", row.id), body);
    Some(resource.version(row.version, facts.clock.instant(row.updated_at)))
}

/// As it was; a session that is only completed began when it was to begin, but not after its end.
fn period(facts: &Facts<'_>, row: &sessions::Model) -> Option<Value> {
    let end = row.ended_at;
    let start = row.started_at.or_else(|| end.map(|end| row.starts_at.min(end)))?;
    Some(json!({"start": facts.clock.instant(start), "end": end.map(|end| facts.clock.instant(end))}))
}

fn class(location: &str) -> Value {
    let (code, name) = match location {
        "telehealth" => ("VR", "virtual"),
        "home" => ("HH", "home health"),
        _ => ("AMB", "ambulatory"),
    };
    hl7("v3-ActCode", code, name)
}

#[cfg(test)]
pub mod tests {
    use entity::ids::{AccountId, ClinicId, PatientId, SessionId};
    use uuid::Uuid;

    use super::*;
    use crate::{
        fhir::{Bundle, facts::tests::nobody},
        measures::Catalogue,
    };

    /// A session in July.
    pub fn session(state: &str) -> sessions::Model {
        let at = |text: &str| text.parse().unwrap();
        sessions::Model {
            patient_id: PatientId(Uuid::from_u128(2)),
            id: SessionId(Uuid::from_u128(40)),
            version: 2,
            sync_seq: 1,
            clinic_id: ClinicId(Uuid::from_u128(3)),
            member_id: AccountId(Uuid::from_u128(9)),
            kind: "dosing".into(),
            route: Some("im".into()),
            location: "home".into(),
            starts_at: at("2026-07-15T12:00:00Z"),
            ends_at: at("2026-07-15T14:30:00Z"),
            zone: "Europe/Berlin".into(),
            placement: 1,
            state: state.into(),
            started_at: None,
            ended_at: None,
            plan_id: None,
            plan_key: None,
            group_id: None,
            intention_sealed: None,
            created_at: at("2026-01-15T12:00:00Z"),
            updated_at: at("2026-01-16T12:00:00Z"),
        }
    }

    #[test]
    fn every_state_has_its_words() {
        let catalogue = Catalogue::default();
        for (state, appointment, encounter) in [
            ("planned", "booked", Some("planned")),
            ("started", "arrived", Some("in-progress")),
            ("completed", "fulfilled", Some("finished")),
            ("cancelled", "cancelled", Some("cancelled")),
            ("no_show", "noshow", None),
        ] {
            let mut facts = nobody(&catalogue);
            facts.sessions = vec![session(state)];
            let bundle = serde_json::to_value(Bundle::of(&facts)).unwrap();
            let of = |kind: &str| {
                let entries = bundle["entry"].as_array().unwrap().iter();
                entries.map(|entry| entry["resource"].clone()).find(|one| one["resourceType"] == kind)
            };
            let booked = of("Appointment").unwrap();
            assert_eq!((&booked["status"], &booked["meta"]["versionId"]), (&json!(appointment), &json!("2")));
            assert_eq!(booked["start"], "2026-07-15T14:00:00+02:00");
            assert_eq!(booked["created"], "2026-01-15T13:00:00+01:00");
            let held = of("Encounter");
            assert_eq!(held.as_ref().map(|one| one["status"].clone()), encounter.map(|word| json!(word)));
            if let Some(held) = held {
                assert_eq!(held["class"]["code"], "HH");
                assert_eq!(
                    held["appointment"][0]["reference"],
                    format!("urn:uuid:{}", booked["id"].as_str().unwrap())
                );
                assert!(held.get("period").is_none());
            }
        }
    }

    #[test]
    fn an_encounter_lasted_as_long_as_it_did() {
        let catalogue = Catalogue::default();
        let facts = nobody(&catalogue);
        let mut row = session("completed");
        row.ended_at = "2026-07-15T11:00:00Z".parse().ok();
        let early = period(&facts, &row).unwrap();
        assert_eq!((&early["start"], &early["end"]), (&early["end"], &json!("2026-07-15T13:00:00+02:00")));
        row.started_at = "2026-07-15T10:03:00Z".parse().ok();
        assert_eq!(period(&facts, &row).unwrap()["start"], "2026-07-15T12:03:00+02:00");
        row.ended_at = None;
        assert_eq!(period(&facts, &row).unwrap()["end"], Value::Null);
    }
}
