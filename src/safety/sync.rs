//! The safety plan on devices that were offline. A part that stands against the same part of a plan that was written
//! elsewhere is kept as a private draft in the journal; a part that is empty there is filled.

use chrono::{DateTime, Utc};
use entity::{ids::PatientId, safety_plans};
use sea_orm::ConnectionTrait;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    dto::{SafetyContact, SafetyPlanContent},
    queries,
};
use crate::{
    error::{ApiError, ApiResult},
    journal,
    sync::{Merged, Pulled, Push, Pushed, Reader, Rows, SyncCollection},
};

/// My safety plan, as devices keep it.
#[derive(Debug, Serialize, ToSchema)]
pub struct SyncedSafetyPlan {
    /// The patient's own.
    #[schema(value_type = Uuid)]
    pub id: PatientId,
    #[schema(example = 3)]
    pub version: i32,
    pub plan: SafetyPlanContent,
    pub updated_at: DateTime<Utc>,
}

/// The collection: at most one row.
pub struct SafetyPlans;

impl Pulled for SafetyPlans {
    type View = SyncedSafetyPlan;

    async fn load<C: ConnectionTrait>(
        reader: &Reader<'_, C>,
        _: &Rows,
    ) -> ApiResult<Vec<(Uuid, SyncedSafetyPlan)>> {
        let row = queries::find_plan(reader.conn, reader.patient).await?;
        let view = |row: safety_plans::Model| {
            let plan = reader.key.open_json(queries::plan_place(row.patient_id), &row.plan_sealed)?;
            let (id, version, updated_at) = (row.patient_id, row.version, row.updated_at);
            Ok((id.0, SyncedSafetyPlan { id, version, plan, updated_at }))
        };
        row.into_iter().map(view).collect()
    }
}

impl Pushed for SafetyPlans {
    type Create = SafetyPlanContent;
    type Patch = SafetyPlanContent;
    type Row = safety_plans::Model;
    const KIND: SyncCollection = SyncCollection::SafetyPlan;
    const DELETABLE: bool = false;

    async fn find(push: &Push<'_>, id: Uuid) -> ApiResult<Option<safety_plans::Model>> {
        if id != push.patient.0 {
            return Ok(None);
        }
        queries::find_plan(push.tx.conn(), push.patient).await
    }

    fn version(row: &safety_plans::Model) -> i32 {
        row.version
    }

    async fn create(push: &Push<'_>, id: Uuid, input: SafetyPlanContent) -> ApiResult<()> {
        if id != push.patient.0 {
            return Err(ApiError::NotFound);
        }
        queries::put_plan(push.tx, push.patient, push.key, 0, &input).await?;
        Ok(())
    }

    async fn update(push: &Push<'_>, row: safety_plans::Model, patch: SafetyPlanContent) -> ApiResult<()> {
        queries::put_plan(push.tx, push.patient, push.key, row.version, &patch).await?;
        Ok(())
    }

    async fn merge(push: &Push<'_>, row: safety_plans::Model, patch: SafetyPlanContent) -> ApiResult<Merged> {
        let there: SafetyPlanContent =
            push.key.open_json(queries::plan_place(push.patient), &row.plan_sealed)?;
        if patch == there {
            return Ok(Merged::Same);
        }
        let (settled, words) = settle(there.clone(), patch);
        let changed = settled != there;
        if changed {
            Self::update(push, row, settled).await?;
        }
        Ok(match words {
            Some(words) => Merged::Copied(journal::keep_note(push, push.patient.0, words).await?),
            None if changed => Merged::Applied,
            None => Merged::Kept,
        })
    }

    fn patch_of(input: SafetyPlanContent) -> SafetyPlanContent {
        input
    }
}

/// The plan that is there with what a late one fills of it, and the lines of the late one that are then in neither.
fn settle(there: SafetyPlanContent, late: SafetyPlanContent) -> (SafetyPlanContent, Option<String>) {
    let mut left = Vec::new();
    let settled = SafetyPlanContent {
        warning_signs: part(there.warning_signs, late.warning_signs, &mut left, |line| line.clone()),
        coping: part(there.coping, late.coping, &mut left, |line| line.clone()),
        people: part(there.people, late.people, &mut left, SafetyContact::line),
        professionals: part(there.professionals, late.professionals, &mut left, SafetyContact::line),
        means: part(there.means, late.means, &mut left, |line| line.clone()),
        reasons: part(there.reasons, late.reasons, &mut left, |line| line.clone()),
    };
    (settled, Some(left.join("\n")).filter(|words| !words.is_empty()))
}

fn part<T: PartialEq>(
    there: Vec<T>,
    late: Vec<T>,
    left: &mut Vec<String>,
    line: impl Fn(&T) -> String,
) -> Vec<T> {
    if there.is_empty() {
        return late;
    }
    left.extend(late.iter().filter(|one| !there.contains(one)).map(line));
    there
}

impl SafetyContact {
    fn line(&self) -> String {
        match &self.phone {
            Some(phone) => format!("{}, {phone}", self.name),
            None => self.name.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(coping: &[&str], people: &[(&str, Option<&str>)]) -> SafetyPlanContent {
        let contact = |(name, phone): &(&str, Option<&str>)| SafetyContact {
            name: (*name).to_owned(),
            phone: phone.map(str::to_owned),
        };
        SafetyPlanContent {
            coping: coping.iter().map(|line| (*line).to_owned()).collect(),
            people: people.iter().map(contact).collect(),
            ..SafetyPlanContent::default()
        }
    }

    #[test]
    fn a_late_plan_fills_what_is_empty_and_replaces_nothing() {
        let marta = [("Marta", Some("600"))];
        for (there, late, settled, words) in [
            (plan(&["walk"], &[]), plan(&[], &marta), plan(&["walk"], &marta), None),
            (plan(&["walk"], &[]), plan(&["walk", "swim"], &[]), plan(&["walk"], &[]), Some("swim")),
            (plan(&["walk"], &marta), plan(&[], &[]), plan(&["walk"], &marta), None),
            (
                plan(&["walk"], &marta),
                plan(&["swim"], &[("Marta", Some("611")), ("Ben", None)]),
                plan(&["walk"], &marta),
                Some("swim\nMarta, 611\nBen"),
            ),
        ] {
            assert_eq!(settle(there, late), (settled, words.map(str::to_owned)));
        }
    }
}
