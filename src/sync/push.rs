//! What devices did while they were offline, in one transaction. An operation that is refused is taken back alone; a
//! row that comes back after it was deleted takes a version above every one it ever had.

use std::collections::{BTreeSet, HashMap};

use axum::http::StatusCode;
use sea_orm::{ConnectionTrait, DatabaseTransaction, Statement, Value};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::{
    SyncCollection,
    collection::{Merged, Pulled, Push, Pushed, Reader, Rows},
    dto::{SyncCopy, SyncOp, SyncOpKind, SyncProblem, SyncResult, SyncRow, SyncStatus},
    ops::{Identity, Known, Memory, Outcome},
    unbury,
};
use crate::{
    checkins::Checkins,
    error::{ApiError, ApiResult, FieldError},
    extract::parse,
    goals::{GoalNotes, Goals},
    journal::JournalEntries,
    language,
    measures::Responses,
    messages,
    prompts::Favourites,
    reminders::{self, DeliveryPolicies, Reminders},
    safety::SafetyPlans,
    sessions::{Intentions, Readiness},
    validate::Validate,
};

/// What one operation did.
enum Effect {
    /// To the row as the device knew it, which has this version now; none if it is gone or was changed elsewhere.
    Applied(Option<i32>),
    /// Says what is there already, or asks for what is gone to go.
    Duplicate,
    /// What was there stays; the words of the device are in this copy.
    Copied(Uuid),
    /// What was there stays, and nothing was changed.
    Kept,
}

/// One operation in its place.
#[derive(Clone, Copy)]
struct Step<'a> {
    index: usize,
    op: &'a SyncOp,
    /// The version it was made on: what an earlier operation of this push left, else what the device says.
    base: Option<i32>,
}

/// Does the operations in their order.
pub async fn run(push: &Push<'_>, ops: &[(SyncOp, Identity)]) -> ApiResult<Vec<SyncResult>> {
    let identities: Vec<Identity> = ops.iter().map(|(_, identity)| *identity).collect();
    let mut memory = Memory::load(push.tx.conn(), push.patient, &identities).await?;
    let mut results = Vec::with_capacity(ops.len());
    let mut left: HashMap<(SyncCollection, Uuid), Option<i32>> = HashMap::new();
    let mut rules_changed = false;
    for (index, (op, identity)) in ops.iter().enumerate() {
        let row = (op.collection, op.id);
        let base = match left.get(&row) {
            Some(Some(version)) => Some(*version),
            // Made on a row that this push did not leave as the device thinks; no version is 0.
            Some(None) => op.base_version.or(Some(0)),
            None => op.base_version,
        };
        let step = Step { index, op, base };
        let (result, version) = one(push, &mut memory, step, identity).await?;
        if result.status != SyncStatus::Refused {
            left.insert(row, version);
        }
        let changed = matches!(result.status, SyncStatus::Applied | SyncStatus::Conflict);
        rules_changed |= changed && op.collection == SyncCollection::Reminders;
        results.push(result);
    }
    memory.store(push.tx).await?;
    if rules_changed {
        reminders::replan_patient(push.tx, push.patient).await?;
    }
    reserve(push, ops.len()).await?;
    Ok(results)
}

/// The result, and the version that the next operation on the row is made on, if it is known.
async fn one(
    push: &Push<'_>,
    memory: &mut Memory,
    step: Step<'_>,
    identity: &Identity,
) -> ApiResult<(SyncResult, Option<i32>)> {
    let op = step.op;
    match memory.ask(identity) {
        Known::Not => {}
        Known::Done(outcome) => {
            return Ok((result(op, SyncStatus::Duplicate, outcome.copy), outcome.version));
        }
        Known::Reused => {
            let detail = "was used for another operation; a changed operation needs an op_id of its own";
            let reused = ApiError::invalid_field(&at(step, "op_id"), "op_id_reused", detail);
            return Ok((refused(push, step, reused)?, None));
        }
    }
    push.tx.conn().execute_unprepared("SAVEPOINT one_op").await?;
    let effect = apply(push, step).await;
    if effect.is_err() {
        push.tx.conn().execute_unprepared("ROLLBACK TO SAVEPOINT one_op").await?;
    }
    push.tx.conn().execute_unprepared("RELEASE SAVEPOINT one_op").await?;
    let (status, outcome) = match effect {
        Ok(Effect::Applied(version)) => (SyncStatus::Applied, Outcome { version, copy: None }),
        Ok(Effect::Duplicate) => (SyncStatus::Duplicate, Outcome::default()),
        Ok(Effect::Copied(copy)) => (SyncStatus::Conflict, Outcome { version: None, copy: Some(copy) }),
        Ok(Effect::Kept) => return Ok((result(op, SyncStatus::Conflict, None), None)),
        Err(error) => return Ok((refused(push, step, error)?, None)),
    };
    memory.keep(push.tx, identity, outcome);
    Ok((result(op, status, outcome.copy), outcome.version))
}

fn result(op: &SyncOp, status: SyncStatus, copy: Option<Uuid>) -> SyncResult {
    let copy = copy.map(|id| SyncCopy { collection: copies_of(op.collection), id, crisis_card: None });
    SyncResult { id: op.id, status, version: None, problem: None, copy, current: None }
}

/// Where the words of a collection are kept that stand against others: mostly in the journal, because a second
/// check-in or goal would be counted. A form is counted: it was filled in.
fn copies_of(collection: SyncCollection) -> SyncCollection {
    match collection {
        SyncCollection::Reminders | SyncCollection::MeasureResponses => collection,
        _ => SyncCollection::JournalEntries,
    }
}

/// What a client has to change ends one operation, and is said in the account's language; anything else ends the push.
fn refused(push: &Push<'_>, step: Step<'_>, error: ApiError) -> ApiResult<SyncResult> {
    let ApiError::Refused { code, detail, errors, .. } = error else { return Err(error) };
    let said = |text| messages::in_language(language::of(push.locale), text);
    let errors = errors.into_iter().map(|error| below(step.index, error));
    let errors = errors.map(|error| FieldError { detail: said(error.detail), ..error }).collect();
    let problem = Some(SyncProblem { code: code.to_owned(), detail: said(detail), errors });
    Ok(SyncResult { problem, ..result(step.op, SyncStatus::Refused, None) })
}

/// Slices name places in their own body.
fn below(index: usize, error: FieldError) -> FieldError {
    if error.pointer.starts_with("/ops/") {
        return error;
    }
    FieldError { pointer: format!("/ops/{index}/fields{}", error.pointer), ..error }
}

/// A place of the operation itself.
fn at(step: Step<'_>, field: &str) -> String {
    format!("/ops/{}/{field}", step.index)
}

async fn apply(push: &Push<'_>, step: Step<'_>) -> ApiResult<Effect> {
    match step.op.collection {
        SyncCollection::Checkins => of::<Checkins>(push, step).await,
        SyncCollection::JournalEntries => of::<JournalEntries>(push, step).await,
        SyncCollection::Reminders => of::<Reminders>(push, step).await,
        SyncCollection::Goals => of::<Goals>(push, step).await,
        SyncCollection::GoalProgress => of::<GoalNotes>(push, step).await,
        SyncCollection::DeliveryPolicy => of::<DeliveryPolicies>(push, step).await,
        SyncCollection::MeasureResponses => of::<Responses>(push, step).await,
        SyncCollection::SafetyPlan => of::<SafetyPlans>(push, step).await,
        SyncCollection::PromptFavourites => of::<Favourites>(push, step).await,
        SyncCollection::SessionIntentions => of::<Intentions>(push, step).await,
        SyncCollection::SessionReadiness => of::<Readiness>(push, step).await,
        SyncCollection::Sessions | SyncCollection::MeasureAssignments | SyncCollection::Plans => {
            Err(ApiError::invalid_field(
                &at(step, "collection"),
                "read_only",
                "is only read by devices; leave this operation out",
            ))
        }
    }
}

async fn of<C: Pushed>(push: &Push<'_>, step: Step<'_>) -> ApiResult<Effect> {
    let row = C::find(push, step.op.id).await?;
    match (step.op.kind, row) {
        (SyncOpKind::Create, None) => bring::<C>(push, step, body(step)?).await,
        (SyncOpKind::Create, Some(row)) => merge::<C>(push, row, C::patch_of(body(step)?)).await,
        (SyncOpKind::Update, None) => revive::<C>(push, step).await,
        (SyncOpKind::Update, Some(row)) => {
            let (base, patch) = (base(step)?, body(step)?);
            if base != C::version(&row) {
                return merge::<C>(push, row, patch).await;
            }
            C::update(push, row, patch).await?;
            Ok(Effect::Applied(Some(base + 1)))
        }
        (SyncOpKind::Delete, row) => {
            let base = base(step)?;
            match row {
                None => Ok(Effect::Duplicate),
                Some(row) if C::version(&row) == base => {
                    C::delete(push, row).await?;
                    Ok(Effect::Applied(None))
                }
                Some(_) => Ok(Effect::Kept),
            }
        }
    }
}

fn base(step: Step<'_>) -> ApiResult<i32> {
    step.base.ok_or_else(|| {
        ApiError::invalid_field(&at(step, "base_version"), "required", "is required for this kind")
    })
}

fn body<T: DeserializeOwned + Validate>(step: Step<'_>) -> ApiResult<T> {
    match &step.op.fields {
        Some(raw) => parse(raw.get().as_bytes()),
        None => Err(ApiError::invalid_field(&at(step, "fields"), "required", "is required for this kind")),
    }
}

async fn merge<C: Pushed>(push: &Push<'_>, row: C::Row, patch: C::Patch) -> ApiResult<Effect> {
    Ok(match C::merge(push, row, patch).await? {
        Merged::Same => Effect::Duplicate,
        Merged::Applied => Effect::Applied(None),
        Merged::Copied(copy) => Effect::Copied(copy),
        Merged::Kept => Effect::Kept,
    })
}

/// A change to what was deleted elsewhere: words win, so the row comes back, if the change says all of it.
async fn revive<C: Pushed>(push: &Push<'_>, step: Step<'_>) -> ApiResult<Effect> {
    base(step)?;
    let whole = body::<C::Create>(step).and_then(|input| C::complete(&input).map(|()| input));
    let missing = match whole {
        Ok(input) => return bring::<C>(push, step, input).await,
        Err(ApiError::Refused { errors, .. }) => errors,
        Err(error) => return Err(error),
    };
    body::<C::Patch>(step)?;
    Err(ApiError::Refused {
        status: StatusCode::CONFLICT,
        code: "deleted_elsewhere",
        detail: "It was deleted elsewhere. Create it again under the same id, with all of its fields.".into(),
        errors: missing,
    })
}

/// Creates a row under the device's id.
async fn bring<C: Pushed>(push: &Push<'_>, step: Step<'_>, input: C::Create) -> ApiResult<Effect> {
    let (table, id) = (C::KIND.table(), step.op.id);
    let was_there = C::DELETABLE && unbury(push.tx, push.patient, table, id).await?;
    C::create(push, id, input).await.map_err(|error| match error {
        ApiError::NotFound => ApiError::invalid_field(
            &at(step, "id"),
            "unknown_id",
            "is the id of nothing of yours that this could belong to",
        ),
        error => error,
    })?;
    if !was_there && (step.op.kind == SyncOpKind::Create || !C::DELETABLE) {
        return Ok(Effect::Applied(Some(1)));
    }
    // Each change of a row took at least one number, so no version was ever above the counter.
    let version = push.tx.sync_seq().saturating_add(i64::try_from(step.index).unwrap_or(i64::MAX));
    let version = i32::try_from(version).unwrap_or(i32::MAX);
    let sql = format!("UPDATE {table} SET version = $1 WHERE patient_id = $2 AND id = $3");
    execute(push, &sql, vec![version.into(), push.patient.0.into(), id.into()]).await?;
    Ok(Effect::Applied(Some(version)))
}

/// Takes as many numbers as there are operations, so that [`bring`] stays right.
async fn reserve(push: &Push<'_>, ops: usize) -> ApiResult<()> {
    let ops = i64::try_from(ops).unwrap_or(i64::MAX);
    let sql = "UPDATE patients SET sync_seq = sync_seq + $1 WHERE patient_id = $2";
    execute(push, sql, vec![ops.into(), push.patient.0.into()]).await
}

async fn execute(push: &Push<'_>, sql: &str, values: Vec<Value>) -> ApiResult<()> {
    let conn = push.tx.conn();
    conn.execute_raw(Statement::from_sql_and_values(conn.get_database_backend(), sql, values)).await?;
    Ok(())
}

/// Adds the rows as they are now to the last operation on each, with one statement a collection, and the crisis cards
/// of what was kept in copies.
pub async fn show(
    reader: &Reader<'_, DatabaseTransaction>,
    ops: &[(SyncOp, Identity)],
    results: &mut [SyncResult],
) -> ApiResult<()> {
    use SyncCollection as One;
    let ids = |collection: One| -> Vec<Uuid> {
        let done = ops.iter().filter(|(op, _)| op.collection == collection).map(|(op, _)| op.id);
        let copies = results.iter().filter_map(|result| result.copy.as_ref());
        let copies = copies.filter(|copy| copy.collection == collection).map(|copy| copy.id);
        done.chain(copies).collect::<BTreeSet<_>>().into_iter().collect()
    };
    let mut checkins = rows::<Checkins>(reader, ids(One::Checkins)).await?;
    let mut entries = rows::<JournalEntries>(reader, ids(One::JournalEntries)).await?;
    let mut reminders = rows::<Reminders>(reader, ids(One::Reminders)).await?;
    let mut goals = rows::<Goals>(reader, ids(One::Goals)).await?;
    let mut notes = rows::<GoalNotes>(reader, ids(One::GoalProgress)).await?;
    let mut policies = rows::<DeliveryPolicies>(reader, ids(One::DeliveryPolicy)).await?;
    let mut responses = rows::<Responses>(reader, ids(One::MeasureResponses)).await?;
    let mut plans = rows::<SafetyPlans>(reader, ids(One::SafetyPlan)).await?;
    let mut favourites = rows::<Favourites>(reader, ids(One::PromptFavourites)).await?;
    let mut intentions = rows::<Intentions>(reader, ids(One::SessionIntentions)).await?;
    let mut readiness = rows::<Readiness>(reader, ids(One::SessionReadiness)).await?;
    for copy in results.iter_mut().filter_map(|result| result.copy.as_mut()) {
        let entry = entries.get(&copy.id).and_then(|row| row.entry.crisis_card.clone());
        copy.crisis_card = entry.or(responses.get(&copy.id).and_then(|row| row.crisis_card.clone()));
    }
    for ((op, _), result) in ops.iter().zip(results).rev() {
        if result.status == SyncStatus::Refused {
            continue;
        }
        let mut row = SyncRow::default();
        match op.collection {
            One::Checkins => row.checkin = checkins.remove(&op.id),
            One::JournalEntries => row.journal_entry = entries.remove(&op.id),
            One::Reminders => row.reminder = reminders.remove(&op.id),
            One::Goals => row.goal = goals.remove(&op.id),
            One::GoalProgress => row.goal_progress = notes.remove(&op.id),
            One::MeasureResponses => row.measure_response = responses.remove(&op.id),
            One::SafetyPlan => row.safety_plan = plans.remove(&op.id),
            One::PromptFavourites => row.prompt_favourites = favourites.remove(&op.id),
            One::SessionIntentions => row.session_intention = intentions.remove(&op.id),
            One::SessionReadiness => row.session_readiness = readiness.remove(&op.id),
            One::DeliveryPolicy => row.delivery_policy = policies.remove(&op.id),
            One::Sessions | One::MeasureAssignments | One::Plans => {}
        }
        result.version = row.version();
        result.current = result.version.is_some().then_some(row);
    }
    Ok(())
}

async fn rows<P: Pulled>(
    reader: &Reader<'_, DatabaseTransaction>,
    ids: Vec<Uuid>,
) -> ApiResult<HashMap<Uuid, P::View>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    Ok(P::load(reader, &Rows::Ids(ids)).await?.into_iter().collect())
}
