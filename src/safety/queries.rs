//! The one row of a patient's safety plan.

use entity::{ids::PatientId, safety_plans};
use sea_orm::{ActiveModelTrait, ConnectionTrait, EntityTrait};

use super::dto::SafetyPlanContent;
use crate::{
    db::WriteTx,
    error::{ApiError, ApiResult},
    vault::{DataKey, Place},
};

/// Where the words of the plan are sealed.
pub fn plan_place(patient: PatientId) -> Place {
    Place::new("safety_plans", "plan_sealed", patient)
}

/// The plan as it stands, if one was written.
pub async fn find_plan(
    conn: &impl ConnectionTrait,
    patient: PatientId,
) -> ApiResult<Option<safety_plans::Model>> {
    Ok(safety_plans::Entity::find_by_id(patient).one(conn).await?)
}

/// Replaces the plan that is still at `version` (0 when there is none), else 412.
pub async fn put_plan(
    tx: &WriteTx,
    patient: PatientId,
    key: &DataKey,
    version: i32,
    content: &SafetyPlanContent,
) -> ApiResult<safety_plans::Model> {
    let before = find_plan(tx.conn(), patient).await?;
    if before.as_ref().map_or(0, |row| row.version) != version {
        return Err(ApiError::stale());
    }
    let row = safety_plans::Model {
        patient_id: patient,
        version: version + 1,
        sync_seq: tx.sync_seq(),
        plan_sealed: key.seal_json(plan_place(patient), content),
        updated_at: tx.now(),
    };
    let active = safety_plans::ActiveModel::from(row.clone()).reset_all();
    if before.is_some() {
        active.update(tx.conn()).await?;
    } else {
        safety_plans::Entity::insert(active).exec_without_returning(tx.conn()).await?;
    }
    Ok(row)
}
