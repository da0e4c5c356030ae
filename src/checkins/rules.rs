//! What a check-in is, without database or clock.

use chrono::{DateTime, Duration, NaiveDate, SubsecRound, Utc};
use serde::{Deserialize, Serialize};

use super::dto::{CheckinCreate, CheckinPatch};
use crate::{
    error::{ApiError, ApiResult},
    extract::Patch,
    reminders::rules::localtime::{LocalTime, Zone},
};

/// The words of `content/journal_templates.json` → `emotionTags`; a test compares them.
pub const EMOTIONS: [&str; 20] = [
    "calm",
    "hopeful",
    "grateful",
    "connected",
    "curious",
    "joyful",
    "tender",
    "relieved",
    "tired",
    "sad",
    "anxious",
    "irritable",
    "angry",
    "numb",
    "lonely",
    "ashamed",
    "guilty",
    "overwhelmed",
    "confused",
    "hopeless",
];

/// The gravest rule of `content/measures/daily-check-in.json`.
pub const VERY_LOW: &str = "checkin-very-low";

/// How far back a form filled in offline may lie.
const OLDEST: Duration = Duration::days(366);
/// How wrong a phone's clock may be.
const SKEW: Duration = Duration::minutes(5);

/// The words of a check-in: what is sealed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Detail {
    #[serde(default)]
    pub emotions: Vec<String>,
    #[serde(default)]
    pub note: Option<String>,
}

impl Detail {
    pub fn is_empty(&self) -> bool {
        self.emotions.is_empty() && self.note.is_none()
    }
}

/// A check-in that may be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    pub mood: i32,
    pub anxiety: Option<i32>,
    pub energy: Option<i32>,
    pub sleep_hours: Option<f64>,
    pub detail: Detail,
    pub scheduled_at: Option<DateTime<Utc>>,
    pub started_at: Option<DateTime<Utc>>,
    pub taken_at: DateTime<Utc>,
    pub local_date: NaiveDate,
    pub local_time: String,
    pub zone: String,
}

/// Places the form on the patient's own calendar. 422 for instants that cannot be true.
pub fn draft(input: CheckinCreate, zone: &str, now: DateTime<Utc>) -> ApiResult<Draft> {
    let taken_at = input.taken_at.unwrap_or(now).trunc_subsecs(3);
    for (pointer, at) in [
        ("/taken_at", Some(taken_at)),
        ("/started_at", input.started_at),
        ("/scheduled_at", input.scheduled_at),
    ] {
        if at.is_some_and(|at| at > now + SKEW || at < now - OLDEST) {
            return Err(ApiError::invalid_field(
                pointer,
                "impossible_time",
                "must lie within the last year, not ahead",
            ));
        }
    }
    let wall = Zone::parse(zone).map_err(ApiError::internal)?;
    Ok(Draft {
        mood: input.mood,
        anxiety: input.anxiety,
        energy: input.energy,
        sleep_hours: input.sleep_hours,
        detail: Detail { emotions: input.emotions, note: input.note },
        scheduled_at: input.scheduled_at.map(|at| at.trunc_subsecs(3)),
        started_at: input.started_at.map(|at| at.trunc_subsecs(3)),
        taken_at,
        local_date: wall.local_date(taken_at),
        local_time: LocalTime::of(wall.local(taken_at)).to_string(),
        zone: zone.to_owned(),
    })
}

/// The words after a patch.
pub fn patched(detail: Detail, patch: &CheckinPatch) -> Detail {
    Detail {
        emotions: patch.emotions.clone().apply(Some(detail.emotions)).unwrap_or_default(),
        note: patch.note.clone().apply(detail.note),
    }
}

/// What becomes of the note of a late change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// It says nothing about the note, or nothing that stands against it.
    Agreed,
    /// It wanted to clear a note that its device never saw.
    NotCleared,
    /// It has another note than the one that is there.
    Other(String),
}

/// A late change without what would replace the note that is there: no words are ever lost to one.
pub fn settle_note(there: &Detail, patch: CheckinPatch) -> (CheckinPatch, Note) {
    let note = match (&there.note, &patch.note) {
        (Some(there), Patch::Set(other)) if there != other => Note::Other(other.clone()),
        (Some(_), Patch::Clear) => Note::NotCleared,
        _ => return (patch, Note::Agreed),
    };
    (CheckinPatch { note: Patch::Keep, ..patch }, note)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_change_never_replaces_a_note() {
        let words = |text: &str| Some(text.to_owned());
        let set = |text: &str| Patch::Set(text.to_owned());
        for (there, late, kept, note) in [
            (None, Patch::Keep, Patch::Keep, Note::Agreed),
            (None, set("b"), set("b"), Note::Agreed),
            (words("a"), Patch::Keep, Patch::Keep, Note::Agreed),
            (words("a"), set("a"), set("a"), Note::Agreed),
            (words("a"), set("b"), Patch::Keep, Note::Other("b".into())),
            (words("a"), Patch::Clear, Patch::Keep, Note::NotCleared),
            (None, Patch::Clear, Patch::Clear, Note::Agreed),
        ] {
            let there = Detail { note: there, ..Detail::default() };
            let patch = CheckinPatch { mood: Some(3), note: late, ..CheckinPatch::default() };
            let (settled, found) = settle_note(&there, patch);
            assert_eq!((settled.mood, settled.note, found), (Some(3), kept, note), "{there:?}");
        }
    }

    #[test]
    fn the_emotions_are_those_of_the_content() {
        let templates: serde_json::Value =
            serde_json::from_str(include_str!("../../content/journal_templates.json")).unwrap();
        let words: Vec<&str> =
            templates["emotionTags"].as_array().unwrap().iter().map(|w| w.as_str().unwrap()).collect();
        assert_eq!(words, EMOTIONS);
    }
}
