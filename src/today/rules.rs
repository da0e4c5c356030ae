//! Where a patient is and what the day asks for. Pure: facts in, words and tasks out.

use chrono::{DateTime, Duration, Utc};
use entity::ids::MeasureAssignmentId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Most things to do.
pub const MOST_TASKS: usize = 3;
/// The time after a session in which words come easiest (`content/protocols.json`, integrationWindow).
const FIRST_DAYS: Duration = Duration::hours(72);
/// How long a session goes on being worked with.
const INTEGRATION: Duration = Duration::days(14);
/// From here on the next dosing session is what the days are about.
const NEAR: Duration = Duration::days(2);
/// What is practical is asked for so long before a session.
const READY_BEFORE: Duration = Duration::hours(48);
/// An intention is asked about so long before a dosing session.
const INTENTION_BEFORE: Duration = Duration::days(7);

/// Where a patient is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DayPhase {
    Beginning,
    Evaluation,
    Preparation,
    DosingDay,
    Rest,
    FirstDays,
    Integration,
    FollowUp,
    Between,
    CareEnded,
    /// An answer has called for help; this stands above every other phase.
    Support,
}

impl DayPhase {
    #[cfg(test)]
    pub const ALL: [Self; 11] = [
        Self::Beginning,
        Self::Evaluation,
        Self::Preparation,
        Self::DosingDay,
        Self::Rest,
        Self::FirstDays,
        Self::Integration,
        Self::FollowUp,
        Self::Between,
        Self::CareEnded,
        Self::Support,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Beginning => "beginning",
            Self::Evaluation => "evaluation",
            Self::Preparation => "preparation",
            Self::DosingDay => "dosing_day",
            Self::Rest => "rest",
            Self::FirstDays => "first_days",
            Self::Integration => "integration",
            Self::FollowUp => "follow_up",
            Self::Between => "between",
            Self::CareEnded => "care_ended",
            Self::Support => "support",
        }
    }
}

/// A questionnaire and the assignment that asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub measure_id: String,
    pub assignment_id: MeasureAssignmentId,
}

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    Support,
    Readiness,
    /// A questionnaire that was asked for.
    Measure(Asked),
    FirstImpressions,
    Intention,
    CheckIn,
}

impl Task {
    /// Its name in `content/today.json` and on the wire.
    pub fn id(&self) -> &'static str {
        match self {
            Self::Support => "support",
            Self::Readiness => "readiness",
            Self::Measure(_) => "measure",
            Self::FirstImpressions => "first_impressions",
            Self::Intention => "intention",
            Self::CheckIn => "check_in",
        }
    }
}

/// A session that lies ahead or is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next {
    pub kind: String,
    pub starts_at: DateTime<Utc>,
    pub started: bool,
    /// On the patient's local date of today.
    pub today: bool,
    pub has_intention: bool,
    /// Things that are not ticked off yet.
    pub open_items: usize,
}

/// The last dosing session that took place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Last {
    pub ended_at: DateTime<Utc>,
    pub today: bool,
    /// Something was written in the journal since.
    pub written_since: bool,
}

/// What is known of a patient's day.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    pub in_care: bool,
    pub alert_open: bool,
    pub next: Option<Next>,
    pub last: Option<Last>,
    /// Questionnaires that are open now, the first due first.
    pub measures: Vec<Asked>,
    pub checked_in_today: bool,
}

/// Where the patient is at this instant.
pub fn phase(facts: &Facts, now: DateTime<Utc>) -> DayPhase {
    if facts.alert_open {
        return DayPhase::Support;
    }
    let next = facts.next.as_ref();
    if next.is_some_and(|next| next.kind == "dosing" && (next.today || next.started)) {
        return DayPhase::DosingDay;
    }
    let since = facts.last.as_ref().map(|last| (last, now - last.ended_at));
    match since {
        Some((last, _)) if last.today => return DayPhase::Rest,
        Some((_, since)) if since <= FIRST_DAYS => return DayPhase::FirstDays,
        _ => {}
    }
    let near = next.is_some_and(|next| next.kind == "dosing" && next.starts_at - now <= NEAR);
    if since.is_some_and(|(_, since)| since <= INTEGRATION) && !near {
        return DayPhase::Integration;
    }
    match next.map(|next| next.kind.as_str()) {
        Some("evaluation") => DayPhase::Evaluation,
        Some("preparation" | "dosing") => DayPhase::Preparation,
        Some("follow-up") => DayPhase::FollowUp,
        Some(_) => DayPhase::Integration,
        None if !facts.in_care => DayPhase::CareEnded,
        None if facts.last.is_some() => DayPhase::Between,
        None => DayPhase::Beginning,
    }
}

/// At most three things to do, the most pressing first. A day with medicine asks for nothing but what the clinic
/// wants; after an answer that called for help nothing else is asked.
pub fn tasks(facts: &Facts, phase: DayPhase, now: DateTime<Utc>) -> Vec<Task> {
    if phase == DayPhase::Support {
        return vec![Task::Support];
    }
    let next = facts.next.as_ref();
    let soon = |within: Duration| next.filter(|next| !next.started && next.starts_at - now <= within);
    let mut tasks = Vec::new();
    if soon(READY_BEFORE).is_some_and(|next| next.open_items > 0) {
        tasks.push(Task::Readiness);
    }
    tasks.extend(facts.measures.iter().cloned().map(Task::Measure));
    let quiet = matches!(phase, DayPhase::DosingDay | DayPhase::Rest);
    if !quiet {
        if phase == DayPhase::FirstDays && facts.last.as_ref().is_some_and(|last| !last.written_since) {
            tasks.push(Task::FirstImpressions);
        }
        if soon(INTENTION_BEFORE).is_some_and(|next| next.kind == "dosing" && !next.has_intention) {
            tasks.push(Task::Intention);
        }
        if !facts.checked_in_today {
            tasks.push(Task::CheckIn);
        }
    }
    tasks.truncate(MOST_TASKS);
    tasks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        "2026-11-23T12:00:00Z".parse().unwrap()
    }

    fn next(kind: &str, hours: i64) -> Option<Next> {
        Some(Next {
            kind: kind.into(),
            starts_at: now() + Duration::hours(hours),
            started: false,
            today: hours < 12,
            has_intention: false,
            open_items: 2,
        })
    }

    fn last(hours: i64) -> Option<Last> {
        Some(Last { ended_at: now() - Duration::hours(hours), today: hours < 12, written_since: false })
    }

    fn facts(next: Option<Next>, last: Option<Last>) -> Facts {
        Facts { in_care: true, next, last, ..Facts::default() }
    }

    #[test]
    fn every_place_in_a_treatment_has_its_phase() {
        let table = [
            (facts(None, None), DayPhase::Beginning),
            (facts(next("evaluation", 100), None), DayPhase::Evaluation),
            (facts(next("preparation", 100), None), DayPhase::Preparation),
            (facts(next("dosing", 100), None), DayPhase::Preparation),
            (facts(next("dosing", 3), None), DayPhase::DosingDay),
            (facts(next("dosing", 3), last(100)), DayPhase::DosingDay),
            (facts(next("integration", 20), last(2)), DayPhase::Rest),
            (facts(next("integration", 20), last(24)), DayPhase::FirstDays),
            (facts(None, last(72)), DayPhase::FirstDays),
            (facts(None, last(73)), DayPhase::Integration),
            (facts(next("dosing", 49), last(5 * 24)), DayPhase::Integration),
            (facts(next("dosing", 48), last(5 * 24)), DayPhase::Preparation),
            (facts(None, last(14 * 24)), DayPhase::Integration),
            (facts(None, last(14 * 24 + 1)), DayPhase::Between),
            (facts(next("integration", 20), last(30 * 24)), DayPhase::Integration),
            (facts(next("group", 20), None), DayPhase::Integration),
            (facts(next("follow-up", 20), last(30 * 24)), DayPhase::FollowUp),
            (Facts { in_care: false, ..facts(None, last(30 * 24)) }, DayPhase::CareEnded),
            (Facts { alert_open: true, ..facts(next("dosing", 3), None) }, DayPhase::Support),
        ];
        for (facts, wanted) in table {
            assert_eq!(phase(&facts, now()), wanted, "{facts:?}");
        }
    }

    fn asked_for(measure: &str) -> Asked {
        Asked { measure_id: measure.into(), assignment_id: MeasureAssignmentId(uuid::Uuid::nil()) }
    }

    fn asked(facts: &Facts) -> Vec<&'static str> {
        tasks(facts, phase(facts, now()), now()).iter().map(Task::id).collect()
    }

    #[test]
    fn a_new_patient_is_asked_for_one_small_thing() {
        assert_eq!(asked(&facts(None, None)), ["check_in"]);
        let done = Facts { checked_in_today: true, ..facts(None, None) };
        assert!(asked(&done).is_empty());
    }

    #[test]
    fn there_are_never_more_than_three_and_the_pressing_come_first() {
        let many = Facts {
            measures: ["phq-9", "gad-7", "pcl-5"].map(asked_for).to_vec(),
            ..facts(next("dosing", 40), last(30))
        };
        assert_eq!(asked(&many), ["readiness", "measure", "measure"]);
        let few = facts(next("dosing", 40), last(30));
        assert_eq!(asked(&few), ["readiness", "first_impressions", "intention"]);
    }

    #[test]
    fn a_day_with_medicine_is_quiet() {
        assert_eq!(asked(&facts(next("dosing", 3), None)), ["readiness"]);
        let wanted =
            Facts { measures: vec![asked_for("pre-session-check")], ..facts(next("dosing", 3), None) };
        assert_eq!(asked(&wanted), ["readiness", "measure"]);
        let under_way = next("dosing", -1).map(|next| Next { started: true, ..next });
        assert!(asked(&facts(under_way, None)).is_empty());
        assert!(asked(&facts(None, last(2))).is_empty(), "and so is the rest of it");
    }

    #[test]
    fn after_an_answer_that_called_for_help_nothing_else_is_asked() {
        let open =
            Facts { alert_open: true, measures: vec![asked_for("gad-7")], ..facts(next("dosing", 40), None) };
        assert_eq!(asked(&open), ["support"]);
    }

    #[test]
    fn what_was_done_is_not_asked_for_again() {
        let ready = next("dosing", 40).map(|next| Next { open_items: 0, has_intention: true, ..next });
        assert_eq!(asked(&facts(ready, None)), ["check_in"]);
        let written = last(30).map(|last| Last { written_since: true, ..last });
        assert_eq!(asked(&facts(None, written)), ["check_in"]);
    }
}
