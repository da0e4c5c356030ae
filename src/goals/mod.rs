//! Goals. A patient's own goals are theirs alone until they share one with a member of their care team. A therapist's
//! proposal counts once the patient agrees; agreeing shares it with whoever proposed it, which the patient can take
//! back like any other sharing.

mod dto;
mod links;
mod progress;
mod queries;
mod routes;
mod rules;
mod shares;
mod staff;
mod status;
mod sync;
mod target;
mod templates;

pub use dto::{GoalProgress, SharedGoal};
pub use links::forget_entry;
pub use staff::{all_own, readable_by};
pub use status::GoalStatus;
pub use sync::{GoalNotes, Goals, SyncedGoal};
pub use target::{GoalTarget, TargetKind};
pub use templates::GoalTemplate;
use utoipa_axum::router::OpenApiRouter;

use crate::app::AppState;

pub fn router() -> OpenApiRouter<AppState> {
    routes::router()
        .merge(progress::router())
        .merge(shares::router())
        .merge(staff::router())
        .merge(templates::router())
}
