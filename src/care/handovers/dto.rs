//! Wire types of handovers.

use chrono::{DateTime, Utc};
use entity::ids::{AccountId, HandoverId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::validate::{Checks, Validate};

/// Most shares chosen one by one.
const MOST: usize = 1_000;

/// Who is to follow me.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HandoverCreate {
    /// Another therapist of my clinic.
    pub to_member_id: Uuid,
}

impl Validate for HandoverCreate {
    fn validate(&self, _: &mut Checks) {}
}

/// A proposal that waits for the patient's answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct HandoverProposed {
    #[schema(value_type = Uuid)]
    pub id: HandoverId,
    #[schema(value_type = Uuid)]
    pub to_member_id: AccountId,
    pub proposed_at: DateTime<Utc>,
}

/// A therapist proposes that another one follow them in my care.
#[derive(Debug, Serialize, ToSchema)]
pub struct Handover {
    #[schema(value_type = Uuid)]
    pub id: HandoverId,
    #[schema(value_type = Uuid)]
    pub from_member_id: AccountId,
    #[schema(value_type = Uuid)]
    pub to_member_id: AccountId,
    /// Who would follow.
    #[schema(example = "Dee Castillo")]
    pub to_display_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Psychotherapist")]
    pub to_profession: Option<String>,
    pub proposed_at: DateTime<Utc>,
    /// Journal entries that I share with the one who leaves.
    pub entry_ids: Vec<Uuid>,
    /// Goals that I share with the one who leaves.
    pub goal_ids: Vec<Uuid>,
}

/// Proposals that wait for my answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct HandoverList {
    pub items: Vec<Handover>,
}

/// Which of the old shares the new therapist gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeptShares {
    All,
    /// Those that are named.
    Some,
    None,
}

/// My answer to who follows.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HandoverAccept {
    pub shares: KeptShares,
    /// With `some`: these entries.
    #[serde(default)]
    #[schema(max_items = 1000)]
    pub entry_ids: Vec<Uuid>,
    /// With `some`: these goals.
    #[serde(default)]
    #[schema(max_items = 1000)]
    pub goal_ids: Vec<Uuid>,
}

impl Validate for HandoverAccept {
    fn validate(&self, checks: &mut Checks) {
        checks.items("/entry_ids", &self.entry_ids, MOST);
        checks.items("/goal_ids", &self.goal_ids, MOST);
        for (pointer, ids) in [("/entry_ids", &self.entry_ids), ("/goal_ids", &self.goal_ids)] {
            let fits = self.shares == KeptShares::Some || ids.is_empty();
            checks.require(fits, pointer, "only_with_some", "is only for shares = some; leave it out");
        }
    }
}
