//! Raising alerts, in the transaction of the answer that calls for somebody.

use entity::{
    alerts,
    ids::{AlertId, PatientId},
};
use sea_orm::{EntityTrait, Set};
use uuid::Uuid;

use crate::{care, db::WriteTx, error::ApiResult, measures::SafetyRule};

/// An alert to be.
#[derive(Debug)]
pub struct Raised<'a> {
    pub id: AlertId,
    pub rule: &'a SafetyRule,
    /// The kind of record it came from, and its id.
    pub source: (&'static str, Uuid),
}

/// Commits alerts beside their cause. Those that somebody has to look at the same day begin to climb now; the others
/// wait in the queue for the next review.
pub async fn raise(tx: &WriteTx, patient: PatientId, raised: Vec<Raised<'_>>) -> ApiResult<()> {
    if raised.is_empty() {
        return Ok(());
    }
    let rows = raised.into_iter().map(|one| {
        let climbs = one.rule.notify.needs_response_policy();
        alerts::ActiveModel {
            patient_id: Set(patient),
            id: Set(one.id),
            rule: Set(one.rule.id.clone()),
            level: Set(one.rule.level.as_str().to_owned()),
            source_kind: Set(one.source.0.to_owned()),
            source_id: Set(one.source.1),
            step: Set(0),
            raised_at: Set(tx.now()),
            acknowledged_at: Set(None),
            acknowledged_by: Set(None),
            note_sealed: Set(None),
            next_at: Set(climbs.then_some(tx.now())),
        }
    });
    alerts::Entity::insert_many(rows).exec_without_returning(tx.conn()).await?;
    care::changed_for_team(tx.conn(), patient).await?;
    tx.wake_scheduler();
    Ok(())
}
