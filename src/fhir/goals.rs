//! Goals, with what of them can be measured.

use serde_json::{Value, json};

use super::{
    bundle::{Resource, to},
    codes::{OWN, UCUM, coding, concept, hl7, number, own},
    facts::Facts,
    measures,
};
use crate::goals::{GoalStatus, GoalTarget, SharedGoal, TargetKind};

pub fn resources(facts: &Facts<'_>) -> Vec<Resource> {
    facts.goals.iter().map(|goal| resource(facts, goal)).collect()
}

fn resource(facts: &Facts<'_>, goal: &SharedGoal) -> Resource {
    let achievement = match goal.lifecycle_status {
        GoalStatus::Active | GoalStatus::OnHold => Some(("in-progress", "In Progress")),
        GoalStatus::Completed => Some(("achieved", "Achieved")),
        _ => None,
    };
    let author = match goal.proposed_by {
        Some(member) => to("Practitioner", member),
        None => to("Patient", facts.patient),
    };
    let began = goal.agreed_at.unwrap_or(goal.created_at);
    let steps = goal
        .steps
        .iter()
        .map(|step| json!({"text": step.text, "time": step.done_at.map(|at| facts.clock.instant(at))}));
    let notes = goal.description.iter().map(|text| json!({ "text": text }));
    let body = json!({
        "lifecycleStatus": goal.lifecycle_status.as_str(),
        "achievementStatus": achievement.map(|(code, name)| concept(hl7("goal-achievement", code, name))),
        "description": {"text": goal.title},
        "subject": to("Patient", facts.patient),
        "startDate": facts.clock.date(began),
        "target": goal.target.as_ref().map(|one| vec![target(facts, goal, one)]),
        "statusDate": facts.clock.date(goal.status_changed_at),
        "expressedBy": author,
        "note": notes.chain(steps).collect::<Vec<_>>(),
    });
    Resource::new("Goal", goal.id, body)
}

fn target(facts: &Facts<'_>, goal: &SharedGoal, target: &GoalTarget) -> Value {
    let due = target.due_date.map(|date| date.to_string());
    if target.kind == TargetKind::CountPerWeek {
        let code = format!("count-per-week.{}", target.of.as_deref().unwrap_or("all"));
        let times = json!({"value": number(target.value), "comparator": ">=", "unit": "/wk", "system": UCUM, "code": "/wk"});
        return json!({"measure": own(&code), "detailQuantity": times, "dueDate": due});
    }
    let id = target.measure.as_deref().unwrap_or_default();
    let score = target.score.as_deref().unwrap_or("total");
    let known = facts.catalogue.find(id).and_then(|measure| Some((measure, measure.score(score)?)));
    let measure = match known {
        Some((measure, score)) => measures::score_code(measure, score, facts.locale),
        None => concept(coding(OWN, &format!("{id}.{score}"))),
    };
    match baseline(facts, goal, (id, score)) {
        Some(from) => {
            let wanted = match target.kind {
                TargetKind::PercentReduction => from * (1.0 - target.value / 100.0),
                _ => from - target.value,
            };
            let wanted = json!({"value": number(wanted), "comparator": "<=", "unit": "{score}", "system": UCUM, "code": "{score}"});
            json!({"measure": measure, "detailQuantity": wanted, "dueDate": due})
        }
        None => {
            let unit = if target.kind == TargetKind::PercentReduction { " %" } else { "" };
            let words = format!("-{}{unit}", target.value);
            json!({"measure": measure, "detailString": words, "dueDate": due})
        }
    }
}

/// The last such score from before the goal was set, among those that the reader sees: where it is to come down from.
fn baseline(facts: &Facts<'_>, goal: &SharedGoal, (measure, score): (&str, &str)) -> Option<f64> {
    let before = facts.responses.iter().rev().map(|one| &one.result);
    let mut before =
        before.filter(|result| result.measure_id == measure && result.taken_at <= goal.created_at);
    before.find_map(|result| result.scores.iter().find(|one| one.id == score)).map(|one| one.value)
}

#[cfg(test)]
mod tests {
    use entity::ids::GoalId;
    use uuid::Uuid;

    use super::*;
    use crate::{fhir::facts::tests::nobody, measures::Catalogue};

    fn goal(kind: TargetKind, measure: Option<&str>, of: Option<&str>) -> SharedGoal {
        let at = "2026-07-01T22:30:00Z".parse().unwrap();
        let target = GoalTarget {
            measure: measure.map(str::to_owned),
            score: None,
            kind,
            value: 50.0,
            of: of.map(str::to_owned),
            due_date: "2026-12-24".parse().ok(),
        };
        SharedGoal {
            id: GoalId(Uuid::from_u128(5)),
            lifecycle_status: GoalStatus::Active,
            status_changed_at: at,
            template_id: None,
            title: "Feel less low".into(),
            description: None,
            steps: Vec::new(),
            target: Some(target),
            proposed_by: None,
            agreed_at: None,
            created_at: at,
            updated_at: at,
        }
    }

    #[test]
    fn targets_are_told_as_far_as_they_are_known() {
        let catalogue = Catalogue::default();
        let facts = nobody(&catalogue);
        let of = |goal: SharedGoal| target(&facts, &goal, goal.target.as_ref().unwrap());
        let reduction = of(goal(TargetKind::PercentReduction, Some("phq-9"), None));
        assert_eq!(reduction["measure"]["coding"][0]["code"], "44261-6");
        assert_eq!(
            (&reduction["detailString"], &reduction["dueDate"]),
            (&json!("-50 %"), &json!("2026-12-24"))
        );
        let count = of(goal(TargetKind::CountPerWeek, None, Some("journal")));
        assert_eq!(count["measure"]["coding"][0], json!({"system": OWN, "code": "count-per-week.journal"}));
        assert_eq!(
            (&count["detailQuantity"]["value"], &count["detailQuantity"]["code"]),
            (&json!(50), &json!("/wk"))
        );
    }
}
