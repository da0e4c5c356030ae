//! Wire types of check-ins.

use chrono::{DateTime, NaiveDate, Utc};
use entity::ids::CheckinId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::rules;
use crate::{
    extract::Patch,
    validate::{Checks, Validate},
};

/// How somebody is right now. Only mood is required.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckinCreate {
    /// 0 very low, 10 very good.
    #[schema(minimum = 0, maximum = 10, example = 6)]
    pub mood: i32,
    /// 0 none, 10 as much as I can imagine.
    #[schema(minimum = 0, maximum = 10, example = 3)]
    pub anxiety: Option<i32>,
    /// 0 none, 10 a lot.
    #[schema(minimum = 0, maximum = 10, example = 5)]
    pub energy: Option<i32>,
    /// Hours slept last night, in steps of half an hour.
    #[schema(minimum = 0, maximum = 24, multiple_of = 0.5, example = 7.5)]
    pub sleep_hours: Option<f64>,
    /// Words of the daily form, such as `calm` or `tired`.
    #[serde(default)]
    #[schema(max_items = 20, example = json!(["calm", "tired"]))]
    pub emotions: Vec<String>,
    /// Anything to remember about today. Nobody watches it around the clock.
    #[schema(min_length = 1, max_length = 2000, example = "Walked by the river before breakfast.")]
    pub note: Option<String>,
    /// When it was due, if a reminder asked for it.
    pub scheduled_at: Option<DateTime<Utc>>,
    /// When the form was opened.
    pub started_at: Option<DateTime<Utc>>,
    /// When it was filled in; now if left out. For forms filled in without a network.
    pub taken_at: Option<DateTime<Utc>>,
}

/// What to change of a check-in: absent stays, null clears (RFC 7396).
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckinPatch {
    #[schema(minimum = 0, maximum = 10, example = 5)]
    pub mood: Option<i32>,
    #[serde(default)]
    #[schema(value_type = Option<i32>, minimum = 0, maximum = 10, example = 4)]
    pub anxiety: Patch<i32>,
    #[serde(default)]
    #[schema(value_type = Option<i32>, minimum = 0, maximum = 10, example = 5)]
    pub energy: Patch<i32>,
    #[serde(default)]
    #[schema(value_type = Option<f64>, minimum = 0, maximum = 24, multiple_of = 0.5, example = 8)]
    pub sleep_hours: Patch<f64>,
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, max_items = 20, example = json!(["calm"]))]
    pub emotions: Patch<Vec<String>>,
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 2000, example = "It passed.")]
    pub note: Patch<String>,
}

/// A check-in.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Checkin {
    #[schema(value_type = Uuid)]
    pub id: CheckinId,
    /// Rises with every change; the ETag.
    #[schema(example = 1)]
    pub version: i32,
    #[schema(example = 6)]
    pub mood: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 3)]
    pub anxiety: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 5)]
    pub energy: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 7.5)]
    pub sleep_hours: Option<f64>,
    #[schema(example = json!(["calm", "tired"]))]
    pub emotions: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Walked by the river before breakfast.")]
    pub note: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduled_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<DateTime<Utc>>,
    pub taken_at: DateTime<Utc>,
    /// The patient's own date when it was taken.
    pub local_date: NaiveDate,
    /// The patient's own wall clock when it was taken, `HH:MM`.
    #[schema(example = "08:10")]
    pub local_time: String,
    #[schema(example = "Europe/Berlin")]
    pub time_zone: String,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// Present when the answers call for it: show it at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub crisis_card: Option<CrisisCard>,
}

/// What to show at once after a very low check-in.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CrisisCard {
    /// In the account's language.
    pub message: String,
}

/// A page of check-ins, latest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct CheckinList {
    pub items: Vec<Checkin>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

fn check_sleep(checks: &mut Checks, hours: Option<f64>) {
    checks.range("/sleep_hours", hours, 0.0, 24.0);
    let halves = hours.is_none_or(|hours| (hours * 2.0).fract() == 0.0);
    checks.require(halves, "/sleep_hours", "wrong_step", "must be in steps of half an hour");
}

/// At most twenty known words.
fn check_emotions(checks: &mut Checks, pointer: &str, emotions: &[String]) {
    checks.items(pointer, emotions, 20);
    for (index, emotion) in emotions.iter().enumerate().take(20) {
        let known = rules::EMOTIONS.contains(&emotion.as_str());
        let detail = format!("must be one of: {}", rules::EMOTIONS.join(", "));
        checks.require(known, &format!("{pointer}/{index}"), "unknown_value", detail);
    }
}

impl Validate for CheckinCreate {
    fn validate(&self, checks: &mut Checks) {
        checks.range("/mood", Some(self.mood), 0, 10);
        checks.range("/anxiety", self.anxiety, 0, 10);
        checks.range("/energy", self.energy, 0, 10);
        check_sleep(checks, self.sleep_hours);
        check_emotions(checks, "/emotions", &self.emotions);
        checks.text("/note", self.note.as_deref(), 1, 2000);
    }
}

impl Validate for CheckinPatch {
    fn validate(&self, checks: &mut Checks) {
        checks.range("/mood", self.mood, 0, 10);
        checks.range("/anxiety", self.anxiety.value().copied(), 0, 10);
        checks.range("/energy", self.energy.value().copied(), 0, 10);
        check_sleep(checks, self.sleep_hours.value().copied());
        check_emotions(checks, "/emotions", self.emotions.value().map_or(&[], Vec::as_slice));
        checks.text("/note", self.note.value().map(String::as_str), 1, 2000);
    }
}
