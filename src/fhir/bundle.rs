//! The Bundle, and what every resource in it has: an id, the label of restricted data, and no empty parts.

use aws_lc_rs::digest::{SHA256, digest};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::{Builder, Uuid};

use super::{
    checkins, communication, consent, documents, facts::Facts, flag, goals, journal, measures, medication,
    people, plan, sessions,
};

/// Everything that is ever in a bundle.
pub const KINDS: [&str; 19] = [
    "Appointment",
    "CarePlan",
    "CareTeam",
    "Communication",
    "CommunicationRequest",
    "Composition",
    "Consent",
    "DocumentReference",
    "Encounter",
    "Flag",
    "Goal",
    "MedicationAdministration",
    "Observation",
    "Organization",
    "Patient",
    "Practitioner",
    "PractitionerRole",
    "Questionnaire",
    "QuestionnaireResponse",
];

/// A FHIR R4 Bundle of type `collection`. Each reference in it is the `fullUrl` of another entry.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = FhirBundle)]
pub struct Bundle {
    /// `Bundle`.
    #[schema(example = "Bundle")]
    resource_type: &'static str,
    #[schema(example = "0198f3c2-7f11-7c3e-9b6e-1f0a55c0aa01")]
    id: Uuid,
    /// Labelled as restricted, like every resource in it.
    #[schema(value_type = Object, example = json!({"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}]}))]
    meta: Value,
    /// `collection`.
    #[serde(rename = "type")]
    #[schema(example = "collection")]
    kind: &'static str,
    /// When it was put together.
    #[schema(example = "2026-11-22T13:00:00+01:00")]
    timestamp: String,
    entry: Vec<Entry>,
}

/// One resource of a bundle.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = FhirEntry)]
struct Entry {
    #[schema(example = "urn:uuid:0b3f1f0a-6f0c-4f5e-9a53-0f4a3d1f7c11")]
    full_url: String,
    #[schema(value_type = Object, example = json!({"resourceType": "Patient", "id": "0b3f1f0a-6f0c-4f5e-9a53-0f4a3d1f7c11", "active": true, "name": [{"use": "usual", "text": "Ana"}]}))]
    resource: Value,
}

/// A resource before it is in a bundle.
pub struct Resource {
    kind: &'static str,
    id: Uuid,
    meta: Value,
    body: Value,
}

impl Resource {
    pub fn new(kind: &'static str, id: impl Into<Uuid>, body: Value) -> Self {
        Self { kind, id: id.into(), meta: restricted(), body }
    }

    /// Which version of it this is.
    pub fn revision(mut self, version: i32) -> Self {
        self.meta["versionId"] = json!(version.to_string());
        self
    }

    /// Which version of it this is, and since when.
    pub fn version(mut self, version: i32, since: String) -> Self {
        self.meta["lastUpdated"] = json!(since);
        self.revision(version)
    }

    fn into_value(mut self) -> Value {
        let mut value = json!({"resourceType": self.kind, "id": self.id, "meta": self.meta});
        if let (Value::Object(all), Value::Object(own)) = (&mut value, &mut self.body) {
            all.append(own);
        }
        prune(&mut value);
        value
    }
}

fn restricted() -> Value {
    json!({"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}]})
}

fn url(id: Uuid) -> String {
    format!("urn:uuid:{id}")
}

/// A reference to another resource of the bundle, without anybody's name.
pub fn to(kind: &str, id: impl Into<Uuid>) -> Value {
    json!({"reference": url(id.into()), "type": kind})
}

/// The id of a resource that has no row of its own: the same at each reading, and telling as little as the random id of
/// the row it belongs to.
pub fn derived(name: &str, of: impl Into<Uuid>) -> Uuid {
    let hash = digest(&SHA256, format!("afterglow:fhir:{name}:{}", of.into()).as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.as_ref()[..16]);
    Builder::from_custom_bytes(bytes).into_uuid()
}

/// FHIR knows no null and nothing empty, and no control character but tabs and line ends.
fn prune(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(prune);
            fields.retain(|_, field| !is_empty(field));
        }
        Value::Array(items) => {
            items.iter_mut().for_each(prune);
            items.retain(|item| !is_empty(item));
        }
        Value::String(text) if text.contains(is_control) => {
            *text = text.replace(is_control, "\u{fffd}");
        }
        _ => {}
    }
}

fn is_control(letter: char) -> bool {
    letter < ' ' && !matches!(letter, '\t' | '\n' | '\r')
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::String(text) => text.trim().is_empty(),
        _ => false,
    }
}

impl Bundle {
    /// Everything that was read, as resources.
    pub fn of(facts: &Facts<'_>) -> Self {
        let mut bundle = Self {
            resource_type: "Bundle",
            id: facts.id,
            meta: restricted(),
            kind: "collection",
            timestamp: facts.clock.instant(facts.now),
            entry: Vec::new(),
        };
        bundle.extend(people::resources(facts));
        bundle.extend(consent::resources(facts));
        bundle.extend(plan::resources(facts));
        bundle.extend(goals::resources(facts));
        bundle.extend(sessions::resources(facts));
        bundle.extend(documents::resources(facts));
        bundle.extend(measures::resources(facts));
        bundle.extend(checkins::resources(facts));
        bundle.extend(medication::resources(facts));
        bundle.extend(flag::resources(facts));
        bundle.extend(journal::resources(facts));
        bundle.extend(communication::resources(facts));
        bundle
    }

    fn extend(&mut self, resources: Vec<Resource>) {
        let entry =
            |resource: Resource| Entry { full_url: url(resource.id), resource: resource.into_value() };
        self.entry.extend(resources.into_iter().map(entry));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_empty_is_left_and_every_resource_is_restricted() {
        let body = json!({"note": null, "list": [null, {"text": " "}, "x"], "deep": {"a": {"b": []}}, "count": 0,
            "words": "a\u{0}b\u{1f}c\td\ne"});
        let id = Uuid::from_u128(7);
        let made =
            Resource::new("Flag", id, body).version(3, "2026-11-22T13:00:00+01:00".into()).into_value();
        assert_eq!(
            made,
            json!({"resourceType": "Flag", "id": id, "list": ["x"], "count": 0, "words": "a\u{fffd}b\u{fffd}c\td\ne",
                "meta": {"security": restricted()["security"], "versionId": "3",
                    "lastUpdated": "2026-11-22T13:00:00+01:00"}})
        );
    }

    #[test]
    fn a_derived_id_is_the_same_each_time_and_no_other() {
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        assert_eq!(derived("encounter", one), derived("encounter", one));
        assert_ne!(derived("encounter", one), derived("encounter", other));
        assert_ne!(derived("encounter", one), derived("care-team", one));
        assert_eq!(derived("encounter", one).get_version_num(), 8);
    }
}
