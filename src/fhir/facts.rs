//! What a bundle is made of, read and opened: everything that its reader may see, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use entity::{
    alerts, consents,
    ids::{AccountId, ClinicId, JournalEntryId, MeasureResponseId, PatientId, SessionId},
    notifications, plans, sessions,
};
use uuid::Uuid;

use super::time::WallClock;
use crate::{
    accounts::{Caller, Capability},
    care::StaffName,
    checkins::Checkin,
    goals::SharedGoal,
    journal::{EntryFields, JournalComment, JournalEntry, SharedEntry},
    measures::{Catalogue, MeasureResult},
    reminders::session_state,
    safety::SafetyPlanContent,
    sessions::{Administration, SessionRequest},
    vault::DataKey,
};

/// Whose eyes read.
#[derive(Clone, Copy)]
pub enum Reader<'a> {
    /// The patient's own: all of it.
    Own,
    /// A member of the care team: what is shared with them, and what their roles read.
    Member(&'a Caller),
}

impl Reader<'_> {
    pub fn is_own(self) -> bool {
        matches!(self, Self::Own)
    }

    /// Whether they read what therapists do: questionnaires, check-ins, goals, plans, reminders.
    pub fn reads_therapy(self) -> bool {
        self.has(Capability::Therapist)
    }

    /// Whether they read what was given, and vital signs.
    pub fn reads_medicine(self) -> bool {
        self.has(Capability::Medical)
    }

    fn has(self, capability: Capability) -> bool {
        match self {
            Self::Own => true,
            Self::Member(me) => me.capabilities().has(capability),
        }
    }
}

/// The keys that open a patient's records.
#[derive(Clone, Copy)]
pub struct Keys<'a> {
    pub patient: &'a DataKey,
    /// Of what the clinic recorded about them.
    pub record: Option<&'a DataKey>,
    pub clinic: &'a DataKey,
}

/// A questionnaire that was filled in.
pub struct FilledIn {
    pub id: MeasureResponseId,
    pub result: MeasureResult,
}

/// A journal entry in the revision that the reader sees.
pub struct Entry {
    pub id: JournalEntryId,
    pub revision: i32,
    pub template_id: String,
    pub template_version: String,
    pub title: Option<String>,
    pub fields: EntryFields,
    /// The patient's own; sharing shows none.
    pub tags: Vec<String>,
    pub written_at: DateTime<Utc>,
}

impl From<SharedEntry> for Entry {
    fn from(entry: SharedEntry) -> Self {
        Self {
            id: entry.id,
            revision: entry.revision,
            template_id: entry.template_id,
            template_version: entry.template_version,
            title: entry.title,
            fields: entry.fields,
            tags: Vec::new(),
            written_at: entry.written_at,
        }
    }
}

impl From<JournalEntry> for Entry {
    fn from(entry: JournalEntry) -> Self {
        Self {
            id: entry.id,
            revision: entry.revision,
            template_id: entry.template_id,
            template_version: entry.template_version,
            title: entry.title,
            fields: entry.fields,
            tags: entry.tags,
            written_at: entry.created_at,
        }
    }
}

/// A line of the ledger with its words inside the app.
pub struct Reminding {
    pub row: notifications::Model,
    pub words: String,
}

/// The patient's safety plan, which is shown to nobody else.
pub struct SafetyPlan {
    pub version: i32,
    pub updated_at: DateTime<Utc>,
    pub content: SafetyPlanContent,
}

/// Everything that was read.
pub struct Facts<'a> {
    /// Of the bundle.
    pub id: Uuid,
    pub now: DateTime<Utc>,
    /// Of the reader: in which language titles and labels are.
    pub locale: &'a str,
    pub own: bool,
    pub catalogue: &'a Catalogue,
    pub clock: WallClock,
    pub patient: PatientId,
    pub patient_name: String,
    pub patient_locale: String,
    pub active: bool,
    pub clinic: ClinicId,
    pub clinic_name: String,
    /// Who takes part in the care now.
    pub team: Vec<AccountId>,
    /// Everybody of the staff whom something in the bundle refers to.
    pub staff: Vec<StaffName>,
    pub consents: Vec<consents::Model>,
    pub plans: Vec<plans::Model>,
    pub goals: Vec<SharedGoal>,
    pub sessions: Vec<sessions::Model>,
    pub requests: Vec<SessionRequest>,
    pub intentions: BTreeMap<SessionId, String>,
    pub safety_plan: Option<SafetyPlan>,
    pub responses: Vec<FilledIn>,
    pub checkins: Vec<Checkin>,
    pub administrations: Vec<Administration>,
    pub alerts: Vec<alerts::Model>,
    pub entries: Vec<Entry>,
    pub comments: Vec<JournalComment>,
    /// Who reads comments of the patient's: the member that asks.
    pub listener: Option<AccountId>,
    pub reminders: Vec<Reminding>,
}

impl Facts<'_> {
    /// Every member of staff whom something refers to.
    pub fn referred(&self) -> BTreeSet<AccountId> {
        let patient = AccountId::from(self.patient);
        let mut all: BTreeSet<AccountId> = self.team.iter().copied().collect();
        all.extend(self.sessions.iter().map(|row| row.member_id));
        all.extend(self.goals.iter().filter_map(|goal| goal.proposed_by));
        all.extend(self.administrations.iter().map(|record| record.recorded_by));
        all.extend(self.comments.iter().map(|comment| comment.author_id));
        all.extend(self.listener);
        all.remove(&patient);
        all
    }

    /// The session, if it is in the bundle.
    pub fn session(&self, id: Uuid) -> Option<&sessions::Model> {
        self.sessions.iter().find(|row| row.id.0 == id)
    }

    /// The session, if it has an encounter: whoever did not come has met nobody.
    pub fn met(&self, id: Uuid) -> Option<&sessions::Model> {
        use crate::reminders::rules::session::SessionState::NoShow;
        self.session(id).filter(|row| session_state(row) != NoShow)
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A patient about whom nothing is known yet.
    pub fn nobody(catalogue: &Catalogue) -> Facts<'_> {
        let now = "2026-11-22T12:00:00Z".parse().unwrap();
        Facts {
            id: Uuid::from_u128(1),
            now,
            locale: "en",
            own: false,
            catalogue,
            clock: WallClock::new(Vec::new(), "Europe/Berlin").unwrap(),
            patient: PatientId(Uuid::from_u128(2)),
            patient_name: "Ana".into(),
            patient_locale: "es".into(),
            active: true,
            clinic: ClinicId(Uuid::from_u128(3)),
            clinic_name: "Praxis am Park".into(),
            team: Vec::new(),
            staff: Vec::new(),
            consents: Vec::new(),
            plans: Vec::new(),
            goals: Vec::new(),
            sessions: Vec::new(),
            requests: Vec::new(),
            intentions: BTreeMap::new(),
            safety_plan: None,
            responses: Vec::new(),
            checkins: Vec::new(),
            administrations: Vec::new(),
            alerts: Vec::new(),
            entries: Vec::new(),
            comments: Vec::new(),
            listener: None,
            reminders: Vec::new(),
        }
    }
}
