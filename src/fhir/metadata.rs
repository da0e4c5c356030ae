//! What there is, for programs that ask first.

use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::bundle::KINDS;

/// When what it says last changed.
const SINCE: &str = "2026-11-26";

/// A CapabilityStatement of FHIR R4.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = FhirCapabilityStatement)]
pub struct CapabilityStatement {
    #[schema(example = "CapabilityStatement")]
    resource_type: &'static str,
    #[schema(example = "active")]
    status: &'static str,
    #[schema(example = "2026-11-26")]
    date: &'static str,
    #[schema(example = "instance")]
    kind: &'static str,
    #[schema(value_type = Object, example = json!({"name": "Afterglow", "version": "0.1.0"}))]
    software: Value,
    #[schema(value_type = Object, example = json!({"description": "Companion backend for ketamine-assisted psychotherapy"}))]
    implementation: Value,
    #[schema(example = "4.0.1")]
    fhir_version: &'static str,
    #[schema(value_type = Vec<String>, example = json!(["json"]))]
    format: [&'static str; 1],
    /// Which resources there are. None has an interaction of its own.
    #[schema(value_type = Vec<Object>, example = json!([{"mode": "server", "resource": [{"type": "Patient"}]}]))]
    rest: Value,
}

impl CapabilityStatement {
    pub fn new() -> Self {
        let resource = |kind: &&str| json!({"type": kind, "documentation": "Read as a part of the bundle."});
        let resources: Vec<Value> = KINDS.iter().map(resource).collect();
        let documentation = "Everything is read as one Bundle of type collection: a therapist or medical staff of \
            the care team reads GET /v1/patients/{patient_id}/fhir, and a patient takes fhir.json in their own archive. \
            Nothing is searched or written.";
        let security =
            "A bearer token of this server's own logins; who may read what is said in its contract.";
        Self {
            resource_type: "CapabilityStatement",
            status: "active",
            date: SINCE,
            kind: "instance",
            software: json!({"name": "Afterglow", "version": env!("CARGO_PKG_VERSION")}),
            implementation: json!({"description": "Companion backend for ketamine-assisted psychotherapy"}),
            fhir_version: "4.0.1",
            format: ["json"],
            rest: json!([{"mode": "server", "documentation": documentation,
                "security": {"description": security}, "resource": resources}]),
        }
    }
}
