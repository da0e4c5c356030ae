//! The protocol content that ships inside the binary (`content/protocols.json`), as types: session kinds, routes,
//! reminder templates and the lock-screen texts. A clinic's own edits live in tables and are laid over these.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde::Deserialize;

use crate::goals::GoalTemplate;
use crate::reminders::rules::localtime::{IsoDuration, LocalTime};

static TEXT: &str = include_str!("../content/protocols.json");

#[expect(clippy::expect_used, reason = "the text is compiled in, and a unit test parses it")]
static PROTOCOLS: LazyLock<Protocols> =
    LazyLock::new(|| serde_json::from_str(TEXT).expect("content/protocols.json must match its types"));

/// The embedded protocol content, parsed once.
pub fn protocols() -> &'static Protocols {
    &PROTOCOLS
}

/// One text per locale, by language tag; English is always there.
pub type ByLocale<T> = BTreeMap<String, T>;

/// A title with a body.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    pub title: String,
    pub body: String,
}

/// Everything of `protocols.json` that the program reads.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Protocols {
    pub schema_version: String,
    pub languages: Vec<String>,
    pub disclaimer: ByLocale<String>,
    pub defaults: Defaults,
    /// Category id to its English label.
    pub categories: BTreeMap<String, String>,
    pub session_kinds: Vec<SessionKind>,
    pub routes: Vec<Route>,
    pub lock_screen_texts: BTreeMap<String, ByLocale<Text>>,
    pub reminders: Vec<ReminderTemplate>,
    pub recurring_reminders: Vec<RecurringTemplate>,
    pub plan_templates: Vec<PlanTemplate>,
    pub goal_templates: Vec<GoalTemplate>,
}

/// Delivery defaults; a patient's own policy is laid over them.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Defaults {
    pub quiet_hours: QuietHours,
    pub max_per_day: MaxPerDay,
    pub snooze: Vec<IsoDuration>,
}

/// Local wall-clock times between which nothing is sent: from `start` (included) to `end` (excluded).
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuietHours {
    pub start: LocalTime,
    pub end: LocalTime,
}

/// How many reminders of normal and low priority a local day may bring.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MaxPerDay {
    pub other: u8,
    pub dosing_day: u8,
}

/// A kind of session, such as `dosing`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionKind {
    pub id: String,
    pub title: ByLocale<String>,
    pub purpose: String,
    pub default_duration_minutes: u32,
    pub needs_companion: bool,
}

/// A route of administration, such as `im`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Route {
    pub id: String,
    pub title: ByLocale<String>,
    pub default_visit_minutes: u32,
    pub note: String,
}

/// How strongly a reminder asks. `High` never counts towards the daily cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    High,
    Normal,
    Low,
}

impl Priority {
    /// The word used in the content, in the tables and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Normal => "normal",
            Self::Low => "low",
        }
    }

    /// The priority of a stored word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::High, Self::Normal, Self::Low].into_iter().find(|priority| priority.as_str() == word)
    }
}

/// Which end of the session an offset is added to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Anchor {
    Start,
    End,
}

/// For which sessions of a kind in one plan a template holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Which {
    Every,
    First,
    Last,
}

/// What makes a reminder needless at send time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum SkipIf {
    #[serde(rename = "measures-complete")]
    MeasuresComplete,
    #[serde(rename = "measure-done-24h")]
    MeasureDone24h,
    #[serde(rename = "journal-done-24h")]
    JournalDone24h,
    #[serde(rename = "next-appointment-booked")]
    NextAppointmentBooked,
}

/// What the app opens.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Action {
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(rename = "ref")]
    pub reference: Option<String>,
    pub phase: Option<String>,
    pub category: Option<String>,
}

/// A reminder as an offset from a session's start or end.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReminderTemplate {
    pub id: String,
    pub session_kinds: Vec<String>,
    pub anchor: Anchor,
    /// Calendar arithmetic for day and month parts in the patient's zone, exact for time parts.
    pub offset: IsoDuration,
    /// Wall-clock time on the day the offset reaches; only for offsets without a time part.
    pub local_time: Option<LocalTime>,
    pub category: String,
    pub purpose: String,
    pub priority: Priority,
    pub which: Which,
    /// Later than this after its due time it is dropped.
    pub expire_after: IsoDuration,
    #[serde(default)]
    pub skip_if: Vec<SkipIf>,
    #[serde(default)]
    pub superseded_by_next_dosing: bool,
    #[serde(default)]
    pub requires_acknowledgement: bool,
    /// Only for sessions at these places; empty means everywhere.
    #[serde(default)]
    pub locations: Vec<String>,
    #[serde(default)]
    pub ignores_quiet_hours: bool,
    pub action: Action,
    pub lock_screen: String,
    pub text: ByLocale<Text>,
}

impl ReminderTemplate {
    /// Title and body shown inside the app, in the locale or in English.
    pub fn text(&self, locale: &str) -> (&str, &str) {
        in_locale(&self.text, locale).map_or(FALLBACK, |text| (&text.title, &text.body))
    }
}

/// A standing reminder a clinic or patient can switch on.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecurringTemplate {
    pub id: String,
    /// ISO 8601 repeating interval without end, such as `R/P1D`.
    pub recurrence: Interval,
    pub local_time: LocalTime,
    pub category: String,
    pub skip_on_dosing_day: bool,
    pub enabled_by_default: bool,
    #[serde(rename = "while")]
    pub while_state: String,
    pub skip_if: Vec<SkipIf>,
    pub action: Action,
    pub lock_screen: String,
    pub text: ByLocale<Text>,
}

impl RecurringTemplate {
    /// Title and body shown inside the app, in the locale or in English.
    pub fn text(&self, locale: &str) -> (&str, &str) {
        in_locale(&self.text, locale).map_or(FALLBACK, |text| (&text.title, &text.body))
    }
}

/// A repeating interval of whole days, written `R/P7D`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Interval {
    pub days: u16,
}

impl TryFrom<String> for Interval {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let parsed = text.strip_prefix("R/").and_then(|duration| duration.parse::<IsoDuration>().ok());
        let days = parsed.and_then(IsoDuration::as_days).and_then(|days| u16::try_from(days).ok());
        let days = days.filter(|days| *days > 0);
        days.map(|days| Self { days }).ok_or_else(|| format!("{text} is not R/P<n>D"))
    }
}

/// A typical series of sessions that a clinic can start from.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanTemplate {
    pub id: String,
    pub title: ByLocale<String>,
    pub summary: String,
    pub setting: String,
    #[serde(default = "switched_on")]
    pub enabled_by_default: bool,
    #[serde(default)]
    pub cautions: Vec<String>,
    pub sessions: Vec<PlannedSession>,
    #[serde(default)]
    pub measures: Vec<PlannedMeasure>,
}

fn switched_on() -> bool {
    true
}

/// A session of a plan template, in days from the first dosing session.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlannedSession {
    pub key: String,
    pub kind: String,
    pub day_offset: i32,
    pub location: String,
    #[serde(default)]
    pub routes: Vec<String>,
    pub note: Option<String>,
}

/// A questionnaire of a plan template, in days from the first dosing session.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlannedMeasure {
    pub measure: String,
    pub day_offset: i32,
    /// Left to the therapist, never asked for by itself.
    #[serde(default)]
    pub optional: bool,
}

/// Shown if a text were missing; says nothing about anything.
const FALLBACK: (&str, &str) = ("You have a new note", "Open the app when it suits you.");

impl Protocols {
    /// The session kind with this id.
    pub fn session_kind(&self, id: &str) -> Option<&SessionKind> {
        self.session_kinds.iter().find(|kind| kind.id == id)
    }

    /// The route of administration with this id.
    pub fn route(&self, id: &str) -> Option<&Route> {
        self.routes.iter().find(|route| route.id == id)
    }

    /// The session reminder template with this id.
    pub fn template(&self, id: &str) -> Option<&ReminderTemplate> {
        self.reminders.iter().find(|template| template.id == id)
    }

    /// The recurring reminder template with this id.
    pub fn recurring_template(&self, id: &str) -> Option<&RecurringTemplate> {
        self.recurring_reminders.iter().find(|template| template.id == id)
    }

    /// Every place a session can be at: `clinic`, `home`, `telehealth`.
    pub fn locations(&self) -> BTreeSet<&str> {
        let planned = self.plan_templates.iter().flat_map(|plan| &plan.sessions).map(|s| s.location.as_str());
        planned.chain(self.reminders.iter().flat_map(|t| &t.locations).map(String::as_str)).collect()
    }

    /// Title and body for a lock screen, in the locale or in English. An unknown key gives the neutral note.
    pub fn lock_screen(&self, key: &str, locale: &str) -> (&str, &str) {
        let texts = self.lock_screen_texts.get(key).or_else(|| self.lock_screen_texts.get("note"));
        texts.and_then(|texts| in_locale(texts, locale)).map_or(FALLBACK, |text| (&text.title, &text.body))
    }
}

/// The entry for a locale such as `es-MX`: the exact tag, then its language, then English.
pub fn in_locale<'a, T>(texts: &'a ByLocale<T>, locale: &str) -> Option<&'a T> {
    let language = locale.split(['-', '_']).next().unwrap_or(locale).to_ascii_lowercase();
    texts.get(locale).or_else(|| texts.get(&language)).or_else(|| texts.get("en"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn embedded_content_parses_and_is_complete() {
        let content = protocols();
        assert_eq!((content.reminders.len(), content.recurring_reminders.len()), (48, 5));
        assert_eq!((content.session_kinds.len(), content.routes.len()), (6, 4));
        assert_eq!(content.locations().into_iter().collect::<Vec<_>>(), ["clinic", "home", "telehealth"]);
        assert!(content.session_kind("dosing").is_some_and(|kind| kind.needs_companion));
        assert_eq!(content.session_kind("dosing").map(|kind| kind.default_duration_minutes), Some(150));
        assert_eq!(content.route("iv").map(|route| route.default_visit_minutes), Some(120));
        assert_eq!(content.recurring_template("weekly-review").map(|t| t.recurrence.days), Some(7));
        assert!(content.template("no-such-template").is_none());
    }

    #[test]
    fn every_reference_inside_the_content_resolves() {
        let content = protocols();
        for template in &content.reminders {
            assert!(content.categories.contains_key(&template.category), "{}", template.id);
            assert!(content.lock_screen_texts.contains_key(&template.lock_screen), "{}", template.id);
            assert!(template.session_kinds.iter().all(|kind| content.session_kind(kind).is_some()));
            assert!(!template.text("en").0.is_empty() && !template.text("es").1.is_empty());
            let clocked = template.local_time.is_some();
            assert!(!(clocked && template.offset.has_time_part()), "{} has two times of day", template.id);
        }
        for template in &content.recurring_reminders {
            assert!(content.categories.contains_key(&template.category), "{}", template.id);
            assert!(content.lock_screen_texts.contains_key(&template.lock_screen), "{}", template.id);
        }
        let sessions = content.plan_templates.iter().flat_map(|plan| &plan.sessions);
        assert!(sessions.flat_map(|s| &s.routes).all(|route| content.route(route).is_some()));
    }

    #[test]
    fn texts_fall_back_to_language_then_english() {
        let content = protocols();
        assert_eq!(content.lock_screen("plan", "es-MX").0, "Organice sus días");
        assert_eq!(content.lock_screen("plan", "ja").0, "Plan ahead");
        assert_eq!(content.lock_screen("no-such-key", "en"), FALLBACK);
        assert!(content.lock_screen_texts.values().all(|texts| texts.contains_key("en")));
        let template = content.template("dosing-safety").map(|t| (t.text("xx"), t.text("en")));
        assert!(template.is_some_and(|(other, english)| other == english));
    }

    #[test]
    fn intervals_are_whole_days_only() {
        assert_eq!(Interval::try_from("R/P14D".to_owned()).map(|i| i.days), Ok(14));
        for wrong in ["P1D", "R/PT1H", "R/P0D", "R/-P1D", "R/P1M", ""] {
            assert!(Interval::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
    }
}
