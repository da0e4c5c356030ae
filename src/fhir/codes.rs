//! Code systems, and the small parts that every resource is made of.

use serde_json::{Value, json};

pub const LOINC: &str = "http://loinc.org";
pub const UCUM: &str = "http://unitsofmeasure.org";
/// Ours: where no standard code was verified.
pub const OWN: &str = "urn:afterglow:codes";

pub fn coding(system: &str, code: &str) -> Value {
    json!({"system": system, "code": code})
}

/// A code with its name in that system.
pub fn named(system: &str, code: &str, display: &str) -> Value {
    json!({"system": system, "code": code, "display": display})
}

pub fn concept(coding: Value) -> Value {
    json!({ "coding": [coding] })
}

/// One of our own codes as a concept.
pub fn own(code: &str) -> Value {
    concept(coding(OWN, code))
}

/// A code of HL7's own terminology.
pub fn hl7(system: &str, code: &str, display: &str) -> Value {
    named(&format!("http://terminology.hl7.org/CodeSystem/{system}"), code, display)
}

pub fn loinc(code: &str, display: &str) -> Value {
    named(LOINC, code, display)
}

/// A number as FHIR writes it: without a point where it is whole.
pub fn number(value: f64) -> Value {
    // Exact: every whole number of our scales is far below 2^53.
    if value.fract() == 0.0 { json!(value as i64) } else { json!(value) }
}

/// A measured value in a unit of UCUM.
pub fn quantity(value: Value, unit: &str, code: &str) -> Value {
    json!({"value": value, "unit": unit, "system": UCUM, "code": code})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_have_no_point() {
        assert_eq!(number(12.0).to_string(), "12");
        assert_eq!(number(7.5).to_string(), "7.5");
        assert_eq!(number(-0.5).to_string(), "-0.5");
    }
}
