//! Moving a session, alone or with all that follow it in its plan.

use entity::{ids::SessionId, sessions};

use super::{
    dto::SessionPatch,
    overlaps::{Slot, refuse_overlaps},
    queries,
};
use crate::error::ApiError;
use crate::{
    care::Scope,
    db::WriteTx,
    error::ApiResult,
    plans::{self, Ground},
    reminders::{self, rules::localtime::Zone},
};

/// Moves a planned session that is at `version`, and with `ground` everything that follows it in its plan. Reminders
/// are planned anew once, for all of them.
pub async fn relocate(
    tx: &WriteTx,
    scope: &Scope,
    ground: Option<&Ground>,
    (id, version): (SessionId, i32),
    patch: SessionPatch,
) -> ApiResult<sessions::Model> {
    let (before, moved) = queries::relocate(tx, scope.patient, &scope.zone, (id, version), patch).await?;
    let mut slots = vec![Slot::of(&moved, "/starts_at")];
    if let Some(ground) = ground {
        let zone = Zone::parse(&scope.zone).map_err(ApiError::internal)?;
        let later = plans::following(tx, ground, &zone, (&before, &moved)).await?;
        slots.extend(later.iter().map(|row| Slot::of(row, "/starts_at")));
        plans::move_assignments(tx, scope.patient, &ground.zone, (&before, &moved)).await?;
    }
    if (before.starts_at, before.ends_at) != (moved.starts_at, moved.ends_at) {
        refuse_overlaps(tx, scope.patient, moved.member_id, &slots).await?;
    }
    reminders::replan_patient(tx, scope.patient).await?;
    Ok(moved)
}
