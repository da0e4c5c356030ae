//! Goals and their notes on devices that were offline. Words of a late change that stand against others are kept as a
//! private draft in the journal; status, target and links are those that arrived last, and a tick is never taken back.

use std::collections::HashMap;

use entity::{
    goal_progress, goal_shares, goals,
    ids::{GoalId, GoalProgressId},
};
use sea_orm::{ConnectionTrait, EntityTrait, FromQueryResult};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    dto::{Goal, GoalCreate, GoalPatch, GoalProgress, GoalProgressPatch, GoalShare},
    links, progress, queries,
    rules::{self, Words},
    shares,
    status::GoalStatus,
};
use crate::{
    error::{ApiError, ApiResult},
    extract::Patch,
    journal,
    sync::{Merged, Pulled, Push, Pushed, Reader, Rows, SyncCollection},
    validate::{Checks, Validate},
};

/// A goal with those who may read it.
#[derive(Debug, Serialize, ToSchema)]
pub struct SyncedGoal {
    #[serde(flatten)]
    pub goal: Goal,
    pub shares: Vec<GoalShare>,
}

/// The collection of goals.
pub struct Goals;

const SHARES: &str = "SELECT s.* FROM goals g JOIN goal_shares s ON s.patient_id = g.patient_id \
     AND s.goal_id = g.id AND s.ended_at IS NULL WHERE g.patient_id = $1";

impl Pulled for Goals {
    type View = SyncedGoal;

    async fn load<C: ConnectionTrait>(
        reader: &Reader<'_, C>,
        rows: &Rows,
    ) -> ApiResult<Vec<(Uuid, SyncedGoal)>> {
        let shared = rows.statement(reader, SHARES, "g");
        let mut open: HashMap<GoalId, Vec<GoalShare>> = HashMap::new();
        for share in goal_shares::Model::find_by_statement(shared).all(reader.conn).await? {
            if share.until.is_none_or(|until| until > reader.now) {
                open.entry(share.goal_id).or_default().push(shares::view(share));
            }
        }
        let goals = rows.statement(reader, "SELECT g.* FROM goals g WHERE g.patient_id = $1", "g");
        let goals = goals::Model::find_by_statement(goals).all(reader.conn).await?;
        let mut entries =
            links::of_goals(reader.conn, reader.patient, goals.iter().map(|row| row.id)).await?;
        let view = |row: goals::Model| {
            let (id, shares) = (row.id, open.remove(&row.id).unwrap_or_default());
            let goal = queries::view(row, entries.remove(&id).unwrap_or_default(), reader.key)?;
            Ok((id.0, SyncedGoal { goal, shares }))
        };
        goals.into_iter().map(view).collect()
    }
}

impl Pushed for Goals {
    type Create = GoalCreate;
    type Patch = GoalPatch;
    type Row = goals::Model;
    const KIND: SyncCollection = SyncCollection::Goals;

    async fn find(push: &Push<'_>, id: Uuid) -> ApiResult<Option<goals::Model>> {
        Ok(goals::Entity::find_by_id((push.patient, GoalId(id))).one(push.tx.conn()).await?)
    }

    fn version(row: &goals::Model) -> i32 {
        row.version
    }

    async fn create(push: &Push<'_>, id: Uuid, input: GoalCreate) -> ApiResult<()> {
        let setting = queries::setting(push.tx, push.zone, push.locale)?;
        let words = Words::of_own(&input);
        let draft = queries::Draft {
            id: id.into(),
            status: input.lifecycle_status.unwrap_or(GoalStatus::Active),
            template_id: words.template_id.clone(),
            detail: words.detail(&setting, || push.tx.new_id())?,
            proposed_by: None,
        };
        queries::insert(push.tx, push.patient, push.key, draft).await?;
        links::replace(push.tx, push.patient, id.into(), &input.entry_ids).await
    }

    async fn update(push: &Push<'_>, row: goals::Model, patch: GoalPatch) -> ApiResult<()> {
        let setting = queries::setting(push.tx, push.zone, push.locale)?;
        let id = (row.id, row.version);
        queries::update(push.tx, push.patient, push.key, id, (&setting, patch)).await?;
        Ok(())
    }

    async fn merge(push: &Push<'_>, row: goals::Model, patch: GoalPatch) -> ApiResult<Merged> {
        let goal = row.id;
        let (patch, words) =
            rules::settle_words(&queries::detail(goal, &row.detail_sealed, push.key)?, patch);
        let changed = changes(push, &row, &patch).await?;
        if changed {
            Self::update(push, row, patch).await?;
        }
        Ok(match words {
            Some(words) => Merged::Copied(journal::keep_note(push, goal.0, words).await?),
            None if changed => Merged::Applied,
            None => Merged::Same,
        })
    }

    fn patch_of(input: GoalCreate) -> GoalPatch {
        GoalPatch {
            title: input.title,
            description: input.description.map_or(Patch::Keep, Patch::Set),
            steps: Some(input.steps).filter(|steps| !steps.is_empty()),
            target: input.target.map_or(Patch::Keep, Patch::Set),
            entry_ids: Some(input.entry_ids).filter(|entries| !entries.is_empty()),
            lifecycle_status: None,
        }
    }

    async fn delete(push: &Push<'_>, row: goals::Model) -> ApiResult<()> {
        queries::delete(push.tx, push.patient, row.id, row.version).await
    }
}

async fn changes(push: &Push<'_>, row: &goals::Model, patch: &GoalPatch) -> ApiResult<bool> {
    let before = queries::detail(row.id, &row.detail_sealed, push.key)?;
    let setting = queries::setting(push.tx, push.zone, push.locale)?;
    if rules::patched(before.clone(), patch, &setting, || push.tx.new_id())? != before {
        return Ok(true);
    }
    if patch.lifecycle_status.is_some_and(|status| status.as_str() != row.state) {
        return Ok(true);
    }
    let Some(wanted) = &patch.entry_ids else { return Ok(false) };
    let mut linked = links::of_goals(push.tx.conn(), push.patient, [row.id]).await?;
    let (mut linked, mut wanted) = (linked.remove(&row.id).unwrap_or_default(), wanted.clone());
    linked.sort_unstable();
    wanted.sort_unstable();
    wanted.dedup();
    Ok(linked != wanted)
}

/// A new note on the way to a goal, as a device sends it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SyncedProgressCreate {
    #[schema(value_type = Uuid)]
    pub goal_id: GoalId,
    #[schema(min_length = 1, max_length = 2000, example = "Wrote on Monday and Thursday.")]
    pub note: String,
}

impl Validate for SyncedProgressCreate {
    fn validate(&self, checks: &mut Checks) {
        checks.text("/note", Some(&self.note), 1, 2000);
    }
}

/// The collection of notes.
pub struct GoalNotes;

impl Pulled for GoalNotes {
    type View = GoalProgress;

    async fn load<C: ConnectionTrait>(
        reader: &Reader<'_, C>,
        rows: &Rows,
    ) -> ApiResult<Vec<(Uuid, GoalProgress)>> {
        let notes = rows.statement(reader, "SELECT n.* FROM goal_progress n WHERE n.patient_id = $1", "n");
        let notes = goal_progress::Model::find_by_statement(notes).all(reader.conn).await?;
        notes.into_iter().map(|row| Ok((row.id.0, progress::view(row, reader.key)?))).collect()
    }
}

impl Pushed for GoalNotes {
    type Create = SyncedProgressCreate;
    type Patch = GoalProgressPatch;
    type Row = goal_progress::Model;
    const KIND: SyncCollection = SyncCollection::GoalProgress;

    async fn find(push: &Push<'_>, id: Uuid) -> ApiResult<Option<goal_progress::Model>> {
        let id = (push.patient, GoalProgressId(id));
        Ok(goal_progress::Entity::find_by_id(id).one(push.tx.conn()).await?)
    }

    fn version(row: &goal_progress::Model) -> i32 {
        row.version
    }

    async fn create(push: &Push<'_>, id: Uuid, input: SyncedProgressCreate) -> ApiResult<()> {
        let ids = (input.goal_id, id.into());
        match progress::insert(push.tx, push.patient, push.key, ids, &input.note).await {
            Err(ApiError::NotFound) => Err(ApiError::invalid_field(
                "/goal_id",
                "unknown_goal",
                "must be one of your goals; if it was deleted elsewhere, create it again first",
            )),
            other => other.map(drop),
        }
    }

    async fn update(push: &Push<'_>, row: goal_progress::Model, patch: GoalProgressPatch) -> ApiResult<()> {
        progress::update(push.tx, push.patient, push.key, (row.id, row.version), patch).await?;
        Ok(())
    }

    async fn merge(
        push: &Push<'_>,
        row: goal_progress::Model,
        patch: GoalProgressPatch,
    ) -> ApiResult<Merged> {
        let (goal, there) = (row.goal_id, progress::view(row, push.key)?.note);
        match patch.note {
            Some(note) if note != there => Ok(Merged::Copied(journal::keep_note(push, goal.0, note).await?)),
            _ => Ok(Merged::Same),
        }
    }

    fn patch_of(input: SyncedProgressCreate) -> GoalProgressPatch {
        GoalProgressPatch { note: Some(input.note) }
    }

    async fn delete(push: &Push<'_>, row: goal_progress::Model) -> ApiResult<()> {
        progress::delete(push.tx, push.patient, row.id, row.version).await
    }
}
