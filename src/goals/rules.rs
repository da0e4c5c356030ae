//! What a goal is made of, without database or clock.

use chrono::{DateTime, Duration, NaiveDate, SubsecRound, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    dto::{GoalCreate, GoalPatch, GoalProposal, GoalStep, GoalStepInput},
    target::{GoalTarget, check_due},
    templates,
};
use crate::{
    error::{ApiError, ApiResult},
    extract::Patch,
};

/// How wrong a phone's clock may be.
const SKEW: Duration = Duration::minutes(5);
/// How long ago a step may have been done that is entered now.
const OLDEST: Duration = Duration::days(5 * 366);

/// The words of a goal: what is sealed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Detail {
    pub title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default)]
    pub steps: Vec<GoalStep>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<GoalTarget>,
}

/// When and for whom a goal is set.
pub struct Setting<'a> {
    pub now: DateTime<Utc>,
    /// The patient's own date.
    pub today: NaiveDate,
    /// The patient's language.
    pub locale: &'a str,
}

/// What somebody sends to set a goal, whoever they are.
pub struct Words {
    pub template_id: Option<String>,
    title: Option<String>,
    description: Option<String>,
    steps: Vec<GoalStepInput>,
    target: Option<GoalTarget>,
}

impl Words {
    pub fn of_own(input: &GoalCreate) -> Self {
        Self {
            template_id: input.template_id.clone(),
            title: input.title.clone(),
            description: input.description.clone(),
            steps: input.steps.clone(),
            target: input.target.clone(),
        }
    }

    pub fn of_proposal(input: GoalProposal) -> Self {
        Self {
            template_id: input.template_id,
            title: input.title,
            description: input.description,
            steps: input.steps,
            target: input.target,
        }
    }

    /// The words of a new goal; what is not sent comes from the template.
    pub fn detail(self, setting: &Setting<'_>, new_id: impl FnMut() -> Uuid) -> ApiResult<Detail> {
        check_due(self.target.as_ref(), setting.today)?;
        let template = self.template_id.as_deref().and_then(templates::find);
        let title = self.title.or_else(|| template.map(|template| template.title(setting.locale)));
        Ok(Detail {
            title: title.ok_or_else(|| ApiError::invalid_field("/title", "required", "is required"))?,
            description: self.description,
            steps: steps(&[], self.steps, setting.now, new_id)?,
            target: self.target.or_else(|| template.map(|template| template.target(setting.today))),
        })
    }
}

/// The words after a patch.
pub fn patched(
    before: Detail,
    patch: &GoalPatch,
    setting: &Setting<'_>,
    new_id: impl FnMut() -> Uuid,
) -> ApiResult<Detail> {
    // A date that has passed meanwhile may stay; a new one lies ahead.
    if let Patch::Set(target) = &patch.target
        && before.target.as_ref().and_then(|before| before.due_date) != target.due_date
    {
        check_due(Some(target), setting.today)?;
    }
    let steps = match &patch.steps {
        Some(wanted) => steps(&before.steps, wanted.clone(), setting.now, new_id)?,
        None => before.steps,
    };
    Ok(Detail {
        title: patch.title.clone().unwrap_or(before.title),
        description: patch.description.clone().apply(before.description),
        steps,
        target: patch.target.clone().apply(before.target),
    })
}

/// A late change without what would replace words that are there, and its own words that stand against them. Steps stay
/// as they are, with the ticks of both.
pub fn settle_words(there: &Detail, mut patch: GoalPatch) -> (GoalPatch, Option<String>) {
    let mut words = Vec::new();
    words.extend(patch.title.take().filter(|title| *title != there.title));
    if let Some(known) = &there.description {
        match std::mem::take(&mut patch.description) {
            Patch::Set(description) if description != *known => words.push(description),
            _ => {}
        }
    }
    if let Some(late) = patch.steps.take() {
        let known = |text: &String| there.steps.iter().any(|step| step.text == *text);
        words.extend(late.iter().map(|step| step.text.clone()).filter(|text| !known(text)));
        let ticked = |step: &GoalStep| late.iter().find(|late| late.id == Some(step.id))?.done_at;
        let keep = |step: &GoalStep| GoalStepInput {
            id: Some(step.id),
            text: step.text.clone(),
            done_at: step.done_at.or_else(|| ticked(step)),
        };
        patch.steps = Some(there.steps.iter().map(keep).collect());
    }
    (patch, Some(words.join("\n\n")).filter(|words| !words.is_empty()))
}

/// The steps as they were sent: known ones keep their id, new ones get one.
fn steps(
    before: &[GoalStep],
    wanted: Vec<GoalStepInput>,
    now: DateTime<Utc>,
    mut new_id: impl FnMut() -> Uuid,
) -> ApiResult<Vec<GoalStep>> {
    let mut after: Vec<GoalStep> = Vec::with_capacity(wanted.len());
    for (index, step) in wanted.into_iter().enumerate() {
        let known = step.id.and_then(|id| before.iter().find(|known| known.id == id));
        if step.id.is_some_and(|id| known.is_none() || after.iter().any(|other| other.id == id)) {
            return Err(ApiError::invalid_field(
                &format!("/steps/{index}/id"),
                "unknown_step",
                "must be the id of one of this goal's steps, once; leave it out for a new step",
            ));
        }
        let done_at = step.done_at.map(|at| at.trunc_subsecs(3));
        let unchanged = known.is_some_and(|known| known.done_at == done_at);
        if !unchanged && done_at.is_some_and(|at| at > now + SKEW || at < now - OLDEST) {
            return Err(ApiError::invalid_field(
                &format!("/steps/{index}/done_at"),
                "impossible_time",
                "must lie within the last five years, not ahead",
            ));
        }
        after.push(GoalStep { id: step.id.unwrap_or_else(&mut new_id), text: step.text, done_at });
    }
    Ok(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        "2026-11-22T12:00:00Z".parse().unwrap()
    }

    fn setting(locale: &str) -> Setting<'_> {
        Setting { now: now(), today: now().date_naive(), locale }
    }

    fn step(id: Option<u128>, text: &str, done_at: Option<DateTime<Utc>>) -> GoalStepInput {
        GoalStepInput { id: id.map(Uuid::from_u128), text: text.into(), done_at }
    }

    fn detail(steps: Vec<GoalStep>) -> Detail {
        Detail { title: "title".into(), description: Some("words".into()), steps, target: None }
    }

    #[test]
    fn a_template_gives_what_was_not_sent() {
        let input = GoalCreate { template_id: Some("practice-three".into()), ..GoalCreate::default() };
        let made = Words::of_own(&input).detail(&setting("es-MX"), Uuid::nil).unwrap();
        assert_eq!(made.title, "Practicar o escribir tres veces por semana");
        let target = made.target.unwrap();
        assert_eq!((target.value, target.due_date), (3.0, "2026-12-20".parse().ok()));
        let input = GoalCreate { title: Some("mine".into()), ..input };
        assert_eq!(Words::of_own(&input).detail(&setting("en"), Uuid::nil).unwrap().title, "mine");
    }

    #[test]
    fn steps_keep_their_ids_and_new_ones_get_one() {
        let before = [GoalStep { id: Uuid::from_u128(1), text: "one".into(), done_at: None }];
        let wanted = vec![step(None, "new", None), step(Some(1), "one, better", Some(now()))];
        let after = steps(&before, wanted, now(), || Uuid::from_u128(9)).unwrap();
        let ids: Vec<u128> = after.iter().map(|step| step.id.as_u128()).collect();
        assert_eq!((ids, after[1].text.as_str(), after[1].done_at), (vec![9, 1], "one, better", Some(now())));
        for wrong in
            [vec![step(Some(2), "x", None)], vec![step(Some(1), "x", None), step(Some(1), "y", None)]]
        {
            assert!(steps(&before, wanted_of(&wrong), now(), Uuid::nil).is_err(), "{wrong:?}");
        }
    }

    fn wanted_of(steps: &[GoalStepInput]) -> Vec<GoalStepInput> {
        steps.to_vec()
    }

    #[test]
    fn a_step_is_done_in_the_past_and_stays_done() {
        let long_ago = now() - Duration::days(4_000);
        let before = [GoalStep { id: Uuid::from_u128(1), text: "one".into(), done_at: Some(long_ago) }];
        for (done_at, id, good) in [
            (now() + Duration::minutes(4), None, true),
            (now() + Duration::minutes(6), None, false),
            (long_ago, None, false),
            (long_ago, Some(1), true),
        ] {
            let after = steps(&before, vec![step(id, "x", Some(done_at))], now(), Uuid::nil);
            assert_eq!(after.is_ok(), good, "{done_at} {id:?}");
        }
    }

    #[test]
    fn a_patch_keeps_clears_and_sets() {
        let kept = patched(detail(vec![]), &GoalPatch::default(), &setting("en"), Uuid::nil).unwrap();
        assert_eq!(kept, detail(vec![]));
        let patch =
            GoalPatch { title: Some("new".into()), description: Patch::Clear, ..GoalPatch::default() };
        let after = patched(detail(vec![]), &patch, &setting("en"), Uuid::nil).unwrap();
        assert_eq!((after.title.as_str(), after.description), ("new", None));
    }
}
