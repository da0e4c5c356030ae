//! Rows of assignments. The patient is part of every predicate.

use chrono::{DateTime, Duration, SubsecRound, Utc};
use entity::{
    ids::{AccountId, ClinicId, MeasureAssignmentId, MeasureResponseId, PatientId},
    measure_assignments::{self, Column, Entity},
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, Set,
};
use uuid::Uuid;

use super::dto::{MeasureAssignment, MeasureAssignmentState};
use crate::{
    db::WriteTx,
    error::{ApiError, ApiResult},
    measures::{clinic_facts, definition::Measure},
    page::Page,
};

/// Most assignments a patient can have open.
pub const MOST: u64 = 100;
/// How far ahead something can be asked for.
const FARTHEST: Duration = Duration::days(2 * 366);

/// What is asked for, by whom.
#[derive(Debug, Clone, Copy)]
pub struct NewAssignment<'a> {
    pub measure: &'a Measure,
    pub clinic: ClinicId,
    pub member: AccountId,
    /// Now if left out.
    pub opens_at: Option<DateTime<Utc>>,
    pub due_at: DateTime<Utc>,
    /// The plan that it is part of, if any.
    pub plan: Option<Uuid>,
}

pub fn view(row: measure_assignments::Model) -> MeasureAssignment {
    MeasureAssignment {
        id: row.id,
        version: row.version,
        measure_id: row.measure_id,
        member_id: row.member_id,
        state: row.state,
        opens_at: row.opens_at,
        due_at: row.due_at,
        response_id: row.response_id,
        closed_at: row.closed_at,
        created_at: row.created_at,
    }
}

/// Asks a patient for a questionnaire. Refused for one that may raise something urgent while the clinic has not
/// written down who then answers.
pub async fn assign(
    tx: &WriteTx,
    patient: PatientId,
    new: NewAssignment<'_>,
) -> ApiResult<measure_assignments::Model> {
    let opens_at = new.opens_at.unwrap_or(tx.now()).trunc_subsecs(3);
    let due_at = new.due_at.trunc_subsecs(3);
    check_times(opens_at, due_at, tx.now())?;
    if new.measure.needs_response_policy() && !clinic_facts(tx.conn(), new.clinic).await?.has_response_policy
    {
        return Err(ApiError::conflict(
            "response_policy_missing",
            "This questionnaire may raise alerts that need an answer the same day, and your clinic has not written \
             down who gives it. Ask your clinic's admin to fill in the response policy.",
        ));
    }
    if count_open(tx.conn(), patient).await? >= MOST {
        return Err(ApiError::conflict(
            "too_many_assignments",
            "So many questionnaires are open already. Cancel one first.",
        ));
    }
    let row = measure_assignments::Model {
        patient_id: patient,
        id: MeasureAssignmentId(tx.new_id()),
        version: 1,
        sync_seq: tx.sync_seq(),
        clinic_id: new.clinic,
        member_id: new.member,
        measure_id: new.measure.id.clone(),
        opens_at,
        due_at,
        state: MeasureAssignmentState::Open.as_str().to_owned(),
        response_id: None,
        plan_id: new.plan,
        closed_at: None,
        created_at: tx.now(),
        updated_at: tx.now(),
    };
    let active: measure_assignments::ActiveModel = row.clone().into();
    Entity::insert(active.reset_all()).exec_without_returning(tx.conn()).await?;
    Ok(row)
}

fn check_times(opens_at: DateTime<Utc>, due_at: DateTime<Utc>, now: DateTime<Utc>) -> ApiResult<()> {
    let refuse =
        |pointer: &str, detail: &str| Err(ApiError::invalid_field(pointer, "impossible_time", detail));
    if due_at <= now || due_at > now + FARTHEST {
        return refuse("/due_at", "must lie ahead, within two years");
    }
    if opens_at >= due_at || opens_at < now - Duration::days(1) {
        return refuse("/opens_at", "must lie before due_at, and not in the past");
    }
    Ok(())
}

pub async fn count_open(conn: &impl ConnectionTrait, patient: PatientId) -> ApiResult<u64> {
    let open = Entity::find()
        .filter(Column::PatientId.eq(patient))
        .filter(Column::State.eq(MeasureAssignmentState::Open.as_str()));
    Ok(open.count(conn).await?)
}

/// A page, latest due first.
pub async fn list(
    conn: &impl ConnectionTrait,
    patient: PatientId,
    state: Option<MeasureAssignmentState>,
    page: &Page,
) -> ApiResult<Vec<measure_assignments::Model>> {
    let mut query = Entity::find().filter(Column::PatientId.eq(patient));
    if let Some(state) = state {
        query = query.filter(Column::State.eq(state.as_str()));
    }
    Ok(page.newest_first(query, Column::DueAt, Column::Id).all(conn).await?)
}

async fn find(
    tx: &WriteTx,
    patient: PatientId,
    id: MeasureAssignmentId,
) -> ApiResult<measure_assignments::Model> {
    Entity::find_by_id((patient, id)).one(tx.conn()).await?.ok_or(ApiError::NotFound)
}

async fn end(
    tx: &WriteTx,
    row: &measure_assignments::Model,
    state: MeasureAssignmentState,
    response: Option<MeasureResponseId>,
) -> ApiResult<()> {
    let ended = measure_assignments::ActiveModel {
        patient_id: Set(row.patient_id),
        id: Set(row.id),
        version: Set(row.version + 1),
        sync_seq: Set(tx.sync_seq()),
        state: Set(state.as_str().to_owned()),
        response_id: Set(response),
        closed_at: Set(Some(tx.now())),
        updated_at: Set(tx.now()),
        ..Default::default()
    };
    ended.update(tx.conn()).await?;
    Ok(())
}

/// Takes back what was asked for; 409 when it is answered or cancelled already.
pub async fn cancel(tx: &WriteTx, patient: PatientId, id: MeasureAssignmentId) -> ApiResult<()> {
    let row = find(tx, patient, id).await?;
    if row.state != MeasureAssignmentState::Open.as_str() {
        return Err(ApiError::conflict(
            "assignment_closed",
            "It was answered or cancelled already. Read the list again.",
        ));
    }
    end(tx, &row, MeasureAssignmentState::Cancelled, None).await
}

/// Closes an assignment with what was answered. One that is closed already stays as it is, and the answers are kept
/// all the same: what a patient filled in while offline is never refused for what happened meanwhile.
pub async fn close(
    tx: &WriteTx,
    patient: PatientId,
    (id, measure): (MeasureAssignmentId, &str),
    response: MeasureResponseId,
) -> ApiResult<()> {
    let unknown = |detail: &str| ApiError::invalid_field("/assignment_id", "unknown_assignment", detail);
    let row = Entity::find_by_id((patient, id)).one(tx.conn()).await?;
    let row =
        row.ok_or_else(|| unknown("is none of yours; leave it out for a form that nobody asked for"))?;
    if row.measure_id != measure {
        return Err(unknown("asks for another questionnaire"));
    }
    if row.state != MeasureAssignmentState::Open.as_str() {
        return Ok(());
    }
    end(tx, &row, MeasureAssignmentState::Done, Some(response)).await
}
