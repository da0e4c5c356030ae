//! Wire types of reminders and notifications.

use chrono::{DateTime, NaiveDate, Utc};
use entity::{
    ids::{NotificationId, ReminderId},
    notifications,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::rules::{
    localtime::LocalTime,
    recurrence::{Recurrence, Weekday},
};
use crate::{
    content::protocols,
    extract::Patch,
    validate::{Checks, Validate},
};

/// How a reminder recurs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleKind {
    /// Every day at `time`.
    Daily,
    /// Monday to Friday at `time`.
    Weekdays,
    /// On `days` at `time`.
    Weekly,
    /// Every `every_days` days from `starting` on, at `time`.
    EveryNDays,
    /// As `cron` says: five fields, weekdays by name.
    Cron,
}

/// When a reminder comes, on the patient's own wall clock. `kind` says which of the other fields are needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    pub kind: ScheduleKind,
    /// `HH:MM`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "20:00", min_length = 5, max_length = 5)]
    pub time: Option<String>,
    /// `mon` to `sun`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 7, example = json!(["mon", "thu"]))]
    pub days: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 366, example = 2)]
    pub every_days: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starting: Option<NaiveDate>,
    /// Minute, hour, day of month, month, weekday.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 120, example = "30 8 * * MON-FRI")]
    pub cron: Option<String>,
}

/// A reminder to set.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReminderCreate {
    /// A category of the content, such as `mindfulness`, `measure` or `integration`.
    #[schema(example = "mindfulness", max_length = 32)]
    pub category: String,
    pub schedule: Schedule,
    /// Shown inside the app; the lock screen stays discreet.
    #[schema(min_length = 1, max_length = 80, example = "A small pause")]
    pub title: Option<String>,
    #[schema(min_length = 1, max_length = 400, example = "Two minutes by the window.")]
    pub body: Option<String>,
    #[serde(default = "switched_on")]
    pub active: bool,
}

fn switched_on() -> bool {
    true
}

/// What to change of a reminder: absent stays, null clears (RFC 7396).
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReminderPatch {
    #[schema(nullable = false)]
    pub schedule: Option<Schedule>,
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 80, example = "A small pause")]
    pub title: Patch<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 400, example = "Three breaths.")]
    pub body: Patch<String>,
    pub active: Option<bool>,
}

/// One occurrence of a reminder.
#[derive(Debug, Serialize, ToSchema)]
pub struct NextOccurrence {
    pub at: DateTime<Utc>,
    /// The same on the patient's wall clock.
    #[schema(example = "2026-11-22T20:00:00")]
    pub local: String,
}

/// A standing reminder.
#[derive(Debug, Serialize, ToSchema)]
pub struct Reminder {
    #[schema(value_type = Uuid)]
    pub id: ReminderId,
    /// Rises with every change; the ETag.
    #[schema(example = 1)]
    pub version: i32,
    #[schema(example = "mindfulness")]
    pub category: String,
    pub schedule: Schedule,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "A small pause")]
    pub title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Two minutes by the window.")]
    pub body: Option<String>,
    pub active: bool,
    /// The reminder of the content it came from with a treatment plan; such a one comes while a plan does.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "daily-check-in")]
    pub template_id: Option<String>,
    /// Since when it rests because it was left unanswered. Ask once whether it shall go on: a change with `active` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rested_at: Option<DateTime<Utc>>,
    /// Whether the care team set it.
    pub set_by_care_team: bool,
    /// The next five times it comes; empty while it is switched off or rests.
    pub next: Vec<NextOccurrence>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// The patient's reminders, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReminderList {
    pub items: Vec<Reminder>,
}

/// One reminder around a session, as it is planned now.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionReminder {
    #[schema(example = "dosing-checklist")]
    pub template_id: String,
    pub due_at: DateTime<Utc>,
    /// On the patient's calendar.
    pub local_date: NaiveDate,
    /// `planned`, or how it already ended.
    #[schema(example = "planned")]
    pub state: String,
    /// Why it will not come, if it will not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "scheduled_late")]
    pub reason: Option<String>,
}

impl From<notifications::Model> for SessionReminder {
    fn from(row: notifications::Model) -> Self {
        Self {
            template_id: row.template_id.unwrap_or_default(),
            due_at: row.due_at,
            local_date: row.local_date,
            state: row.state,
            reason: row.reason,
        }
    }
}

/// One line of the ledger: what was planned, and what became of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Notification {
    #[schema(value_type = Uuid)]
    pub id: NotificationId,
    /// The session it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<Uuid>,
    /// The standing reminder it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reminder_id: Option<Uuid>,
    #[schema(example = "preparation")]
    pub category: String,
    /// `high`, `normal` or `low`.
    #[schema(example = "normal")]
    pub priority: String,
    #[schema(example = "Your checklist for tomorrow")]
    pub title: String,
    #[schema(example = "Please go through it now.")]
    pub body: String,
    /// `planned`, `claimed`, `retrying`, `accepted`, `expired`, `suppressed`, `cancelled` or `failed`.
    #[schema(example = "accepted")]
    pub state: String,
    /// Why it was not sent, if it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "quiet_hours")]
    pub reason: Option<String>,
    /// What becomes or became of it, in the reader's words.
    #[schema(example = "It fell into your quiet hours and could not be moved.")]
    pub explanation: String,
    pub due_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub local_date: NaiveDate,
    /// When a push service took it; that is not yet "seen".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted_at: Option<DateTime<Utc>>,
    /// When a device said that it showed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shown_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opened_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub done_at: Option<DateTime<Utc>>,
    /// When it was put off; what was planned instead is a line of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snoozed_at: Option<DateTime<Utc>>,
    /// How often it was tried.
    pub attempts: i32,
}

/// A page of the ledger, latest due first.
#[derive(Debug, Serialize, ToSchema)]
pub struct NotificationList {
    pub items: Vec<Notification>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// What is still to come, earliest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct UpcomingList {
    pub items: Vec<Notification>,
}

impl Schedule {
    /// The rule, with whatever is wrong with it in `checks`.
    pub fn recurrence(&self, checks: &mut Checks) -> Option<Recurrence> {
        let rule = match self.kind {
            ScheduleKind::Daily => Recurrence::Daily { time: self.time(checks)? },
            ScheduleKind::Weekdays => Recurrence::Weekdays { time: self.time(checks)? },
            ScheduleKind::Weekly => {
                Recurrence::Weekly { time: self.time(checks)?, days: self.weekdays(checks)? }
            }
            ScheduleKind::EveryNDays => Recurrence::EveryNDays {
                n: needed(checks, "every_days", self.every_days)?,
                anchor: needed(checks, "starting", self.starting)?,
                time: self.time(checks)?,
            },
            ScheduleKind::Cron => Recurrence::Cron { text: needed(checks, "cron", self.cron.clone())? },
        };
        if let Err(error) = rule.validate() {
            let field = match error.field() {
                "n" => "every_days",
                "anchor" => "starting",
                "text" => "cron",
                field => field,
            };
            checks.require(false, &format!("/schedule/{field}"), error.code(), error.to_string());
            return None;
        }
        Some(rule)
    }

    fn time(&self, checks: &mut Checks) -> Option<LocalTime> {
        let text = needed(checks, "time", self.time.as_deref())?;
        let time = text.parse().ok();
        checks.require(time.is_some(), "/schedule/time", "wrong_form", "must be HH:MM, such as 20:00");
        time
    }

    fn weekdays(&self, checks: &mut Checks) -> Option<Vec<Weekday>> {
        let names = needed(checks, "days", self.days.as_ref())?;
        let days = serde_json::to_value(names).ok().and_then(|names| serde_json::from_value(names).ok());
        checks.require(
            days.is_some(),
            "/schedule/days",
            "unknown_value",
            "must be of mon, tue, wed, thu, fri, sat, sun",
        );
        days
    }

    fn check(&self, checks: &mut Checks) {
        let _rule = self.recurrence(checks);
    }
}

impl From<&Recurrence> for Schedule {
    fn from(rule: &Recurrence) -> Self {
        let empty = Self {
            kind: ScheduleKind::Daily,
            time: None,
            days: None,
            every_days: None,
            starting: None,
            cron: None,
        };
        let at = |time: &LocalTime| Some(time.to_string());
        match rule {
            Recurrence::Daily { time } => Self { time: at(time), ..empty },
            Recurrence::Weekdays { time } => Self { kind: ScheduleKind::Weekdays, time: at(time), ..empty },
            Recurrence::Weekly { days, time } => {
                let names = serde_json::to_value(days).and_then(serde_json::from_value).unwrap_or_default();
                Self { kind: ScheduleKind::Weekly, time: at(time), days: Some(names), ..empty }
            }
            Recurrence::EveryNDays { n, anchor, time } => Self {
                kind: ScheduleKind::EveryNDays,
                time: at(time),
                every_days: Some(*n),
                starting: Some(*anchor),
                ..empty
            },
            Recurrence::Cron { text } => Self { kind: ScheduleKind::Cron, cron: Some(text.clone()), ..empty },
        }
    }
}

fn needed<T>(checks: &mut Checks, field: &str, value: Option<T>) -> Option<T> {
    checks.require(value.is_some(), &format!("/schedule/{field}"), "required", "is required for this kind");
    value
}

impl Validate for ReminderCreate {
    fn validate(&self, checks: &mut Checks) {
        let categories = &protocols().categories;
        let names: Vec<&str> = categories.keys().map(String::as_str).collect();
        let detail = format!("must be one of: {}", names.join(", "));
        checks.require(categories.contains_key(&self.category), "/category", "unknown_value", detail);
        self.schedule.check(checks);
        checks.text("/title", self.title.as_deref(), 1, 80);
        checks.text("/body", self.body.as_deref(), 1, 400);
    }
}

impl Validate for ReminderPatch {
    fn validate(&self, checks: &mut Checks) {
        if let Some(schedule) = &self.schedule {
            schedule.check(checks);
        }
        checks.text("/title", self.title.value().map(String::as_str), 1, 80);
        checks.text("/body", self.body.value().map(String::as_str), 1, 400);
    }
}
