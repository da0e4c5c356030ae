//! Wire types of the administration record.

use chrono::{DateTime, Utc};
use entity::ids::{AccountId, SessionId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    content::protocols,
    validate::{Checks, Validate},
};

/// Most doses of a session.
const MOST_DOSES: usize = 20;
/// Most readings of vital signs.
const MOST_VITALS: usize = 100;
/// Most adverse events.
const MOST_EVENTS: usize = 50;

/// In what a dose is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum DoseUnit {
    #[serde(rename = "mg")]
    Milligram,
    #[serde(rename = "mg/kg")]
    MilligramPerKilogram,
    #[serde(rename = "mcg/kg/min")]
    MicrogramPerKilogramAndMinute,
}

impl DoseUnit {
    /// More than anybody can mean; a slip of the finger, not a recommendation.
    fn most(self) -> f64 {
        match self {
            Self::Milligram => 2_000.0,
            Self::MilligramPerKilogram => 20.0,
            Self::MicrogramPerKilogramAndMinute => 300.0,
        }
    }
}

/// One dose as it was given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AdministeredDose {
    #[schema(exclusive_minimum = 0, maximum = 2000, example = 60)]
    pub amount: f64,
    pub unit: DoseUnit,
    pub given_at: DateTime<Utc>,
    /// The end of an infusion; needed where the unit counts minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<DateTime<Utc>>,
}

/// Vital signs at one moment; at least one of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VitalSigns {
    pub taken_at: DateTime<Utc>,
    /// Systolic blood pressure, mmHg.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 40, maximum = 300, example = 128)]
    pub systolic: Option<i32>,
    /// Diastolic blood pressure, mmHg.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 20, maximum = 200, example = 82)]
    pub diastolic: Option<i32>,
    /// Beats a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 20, maximum = 300, example = 74)]
    pub pulse: Option<i32>,
    /// Oxygen saturation, per cent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 30, maximum = 100, example = 98)]
    pub oxygen_saturation: Option<i32>,
    /// Breaths a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 2, maximum = 80, example = 14)]
    pub respiratory_rate: Option<i32>,
    /// Degrees Celsius.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 30, maximum = 44, example = 36.7)]
    pub temperature: Option<f64>,
}

/// How severe it was, as whoever recorded it saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventSeverity {
    Mild,
    Moderate,
    Severe,
}

/// Something unwanted that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AdverseEvent {
    pub at: DateTime<Utc>,
    #[schema(example = "Nausea", min_length = 1, max_length = 500)]
    pub what: String,
    pub severity: EventSeverity,
    /// What was done about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "Lay down, cold water.", min_length = 1, max_length = 500)]
    pub measures: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_at: Option<DateTime<Utc>>,
}

/// What was given and what was seen, as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AdministrationRecord {
    /// `iv`, `im`, `intranasal` or `oral-sublingual`: as it was given, which may differ from what was planned.
    #[schema(example = "im", max_length = 32)]
    pub route: String,
    #[schema(example = "ketamine", min_length = 1, max_length = 80)]
    pub substance: String,
    /// In the order in which they were given; none when the day ended without one.
    #[schema(max_items = 20)]
    pub doses: Vec<AdministeredDose>,
    #[serde(default)]
    #[schema(max_items = 100)]
    pub vitals: Vec<VitalSigns>,
    #[serde(default)]
    #[schema(max_items = 50)]
    pub events: Vec<AdverseEvent>,
    /// When observation ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_until: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "Slept through the second hour.", min_length = 1, max_length = 2000)]
    pub note: Option<String>,
    /// Why the version before is corrected; needed from the second version on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "The second dose was 20 mg, not 200.", min_length = 1, max_length = 500)]
    pub correction: Option<String>,
}

impl Validate for AdministrationRecord {
    fn validate(&self, checks: &mut Checks) {
        let routes: Vec<&str> = protocols().routes.iter().map(|route| route.id.as_str()).collect();
        let detail = format!("must be one of: {}", routes.join(", "));
        checks.require(routes.contains(&self.route.as_str()), "/route", "unknown_value", detail);
        checks.text("/substance", Some(self.substance.trim()), 1, 80);
        checks.items("/doses", &self.doses, MOST_DOSES);
        for (index, dose) in self.doses.iter().take(MOST_DOSES).enumerate() {
            check_dose(checks, &format!("/doses/{index}"), dose);
        }
        checks.items("/vitals", &self.vitals, MOST_VITALS);
        for (index, vitals) in self.vitals.iter().take(MOST_VITALS).enumerate() {
            check_vitals(checks, &format!("/vitals/{index}"), vitals);
        }
        checks.items("/events", &self.events, MOST_EVENTS);
        for (index, event) in self.events.iter().take(MOST_EVENTS).enumerate() {
            checks.text(&format!("/events/{index}/what"), Some(&event.what), 1, 500);
            checks.text(&format!("/events/{index}/measures"), event.measures.as_deref(), 1, 500);
        }
        checks.text("/note", self.note.as_deref(), 1, 2_000);
        checks.text("/correction", self.correction.as_deref(), 1, 500);
    }
}

fn check_dose(checks: &mut Checks, at: &str, dose: &AdministeredDose) {
    let most = dose.unit.most();
    let fits = dose.amount > 0.0 && dose.amount <= most;
    let detail = format!("must be above 0 and at most {most} in this unit");
    checks.require(fits, &format!("{at}/amount"), "out_of_range", detail);
    let timed = dose.unit != DoseUnit::MicrogramPerKilogramAndMinute || dose.ended_at.is_some();
    let detail = "is needed where the unit counts minutes";
    checks.require(timed, &format!("{at}/ended_at"), "required", detail);
}

fn check_vitals(checks: &mut Checks, at: &str, vitals: &VitalSigns) {
    let VitalSigns { systolic, diastolic, pulse, oxygen_saturation, respiratory_rate, temperature, .. } =
        vitals;
    checks.range(&format!("{at}/systolic"), *systolic, 40, 300);
    checks.range(&format!("{at}/diastolic"), *diastolic, 20, 200);
    checks.range(&format!("{at}/pulse"), *pulse, 20, 300);
    checks.range(&format!("{at}/oxygen_saturation"), *oxygen_saturation, 30, 100);
    checks.range(&format!("{at}/respiratory_rate"), *respiratory_rate, 2, 80);
    checks.range(&format!("{at}/temperature"), *temperature, 30.0, 44.0);
    let (both, order) = match (systolic, diastolic) {
        (Some(systolic), Some(diastolic)) => (true, diastolic < systolic),
        (one, other) => (one.is_none() && other.is_none(), true),
    };
    let detail = "needs both values of the blood pressure";
    checks.require(both, &format!("{at}/diastolic"), "required", detail);
    let detail = "must be below the systolic value";
    checks.require(order, &format!("{at}/diastolic"), "out_of_range", detail);
    let any = systolic.or(*pulse).or(*oxygen_saturation).or(*respiratory_rate).is_some();
    let detail = "needs at least one value";
    checks.require(any || temperature.is_some(), at, "required", detail);
}

/// A version of the record, with who wrote it and when.
#[derive(Debug, Serialize, ToSchema)]
pub struct Administration {
    #[schema(value_type = Uuid)]
    pub session_id: SessionId,
    /// 1 is as it was first recorded, each correction one more; the ETag.
    #[schema(example = 1)]
    pub version: i32,
    #[serde(flatten)]
    pub record: AdministrationRecord,
    #[schema(value_type = Uuid)]
    pub recorded_by: AccountId,
    /// The name as it was then.
    #[schema(example = "Mira Holt")]
    pub recorded_by_name: String,
    pub recorded_at: DateTime<Utc>,
}

/// Every version of a record, the latest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct AdministrationVersions {
    pub items: Vec<Administration>,
}
