//! A clinic's own edit of what is sent around sessions: templates off, at another time, or marked to pass quiet hours,
//! and how long an unrecorded dosing session keeps the patient in peace. Laid over the content's templates.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::localtime::{IsoDuration, LocalTime};
use crate::content::{ReminderTemplate, protocols};

/// How long after its planned end an unrecorded dosing session still hushes, unless the clinic says otherwise.
pub const HUSH_MARGIN: TimeDelta = TimeDelta::minutes(60);
/// The longest margin a clinic can set, in minutes.
pub const LONGEST_MARGIN: i64 = 720;
/// The furthest a reminder can be moved from its session, in days: what planning looks back over.
const FURTHEST_DAYS: i64 = 31;

/// What a clinic changes of one template; what is left out stays as the content has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TimelineEdit {
    /// An id from `GET /v1/clinic/timeline`.
    #[schema(example = "dosing-ride", max_length = 64)]
    pub template_id: String,
    /// Whether it is sent at all.
    #[serde(default = "switched_on")]
    #[schema(example = true)]
    pub enabled: bool,
    /// ISO 8601, from the session's start or end, on the same side of it as before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "-P3D", max_length = 32)]
    pub offset: Option<String>,
    /// On the patient's wall clock; only for an offset of whole days or months.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, example = "12:00")]
    pub local_time: Option<LocalTime>,
    /// Whether it comes on time also in quiet hours and while a dosing session goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = false)]
    pub ignores_quiet_hours: Option<bool>,
}

fn switched_on() -> bool {
    true
}

/// What a clinic wrote, as it is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Edits {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hush_margin_minutes: Option<i64>,
    pub edits: Vec<TimelineEdit>,
}

/// Why an edit cannot be taken: the field at fault, a stable code, and what to send instead.
pub type EditError = (&'static str, &'static str, &'static str);

/// The template as this edit makes it; `None` when it is off.
///
/// # Errors
/// The first [`EditError`] found.
pub fn edited(edit: &TimelineEdit) -> Result<Option<ReminderTemplate>, EditError> {
    let unknown = ("template_id", "unknown_value", "is no template; GET /clinic/timeline lists them");
    let mut template = protocols().template(&edit.template_id).ok_or(unknown)?.clone();
    if let Some(text) = &edit.offset {
        let form = ("offset", "wrong_form", "write an ISO 8601 duration such as -P2D or PT3H");
        let offset = text.parse::<IsoDuration>().map_err(|_| form)?;
        if offset.is_negative() != template.offset.is_negative() {
            let detail = "must stay on the same side of the session: its words would be wrong on the other";
            return Err(("offset", "other_side", detail));
        }
        if offset.longest() > TimeDelta::days(FURTHEST_DAYS) {
            return Err(("offset", "out_of_range", "must lie within 31 days of the session"));
        }
        if offset.has_time_part() {
            template.local_time = None;
        }
        template.offset = offset;
    }
    if let Some(time) = edit.local_time {
        if template.offset.has_time_part() {
            let detail = "needs an offset of whole days or months; leave it out for an exact offset";
            return Err(("local_time", "exact_offset", detail));
        }
        template.local_time = Some(time);
    }
    template.ignores_quiet_hours = edit.ignores_quiet_hours.unwrap_or(template.ignores_quiet_hours);
    Ok(edit.enabled.then_some(template))
}

/// What is sent around the sessions of one clinic.
#[derive(Debug, Clone)]
pub struct Timeline {
    pub hush_margin: TimeDelta,
    /// By template id; `None` is off.
    changed: BTreeMap<String, Option<ReminderTemplate>>,
}

static UNEDITED: LazyLock<Arc<Timeline>> =
    LazyLock::new(|| Arc::new(Timeline { hush_margin: HUSH_MARGIN, changed: BTreeMap::new() }));

impl Timeline {
    /// That of the content.
    pub fn unedited() -> Arc<Self> {
        UNEDITED.clone()
    }

    /// The content with a clinic's edits over it. One that no longer fits the content is left out: the template then
    /// comes as the content has it, which is better than not at all.
    pub fn with(edits: &Edits) -> Self {
        let changed =
            edits.edits.iter().filter_map(|edit| Some((edit.template_id.clone(), edited(edit).ok()?)));
        let margin = edits.hush_margin_minutes.filter(|minutes| (0..=LONGEST_MARGIN).contains(minutes));
        Self { hush_margin: margin.map_or(HUSH_MARGIN, TimeDelta::minutes), changed: changed.collect() }
    }

    /// Those of a stored text.
    pub fn read(stored: Option<&str>) -> Arc<Self> {
        match stored.and_then(|text| serde_json::from_str::<Edits>(text).ok()) {
            Some(edits) => Arc::new(Self::with(&edits)),
            None => Self::unedited(),
        }
    }

    /// The template of this id as the clinic has it; `None` when there is none or it is off.
    pub fn template(&self, id: &str) -> Option<&ReminderTemplate> {
        match self.changed.get(id) {
            Some(own) => own.as_ref(),
            None => protocols().template(id),
        }
    }

    /// All that are on, in the order of the content.
    pub fn templates(&self) -> impl Iterator<Item = &ReminderTemplate> {
        protocols().reminders.iter().filter_map(|template| match self.changed.get(&template.id) {
            Some(own) => own.as_ref(),
            None => Some(template),
        })
    }
}
