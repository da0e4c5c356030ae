//! The life of a goal in the words of FHIR (`Goal.lifecycleStatus`), and which step may follow which.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::{ApiError, ApiResult};

/// Where a goal stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GoalStatus {
    /// A therapist suggested it; the patient has not answered yet.
    Proposed,
    Planned,
    Accepted,
    Active,
    OnHold,
    Completed,
    Cancelled,
    EnteredInError,
    /// The patient declined it.
    Rejected,
}

impl GoalStatus {
    pub const ALL: [Self; 9] = [
        Self::Proposed,
        Self::Planned,
        Self::Accepted,
        Self::Active,
        Self::OnHold,
        Self::Completed,
        Self::Cancelled,
        Self::EnteredInError,
        Self::Rejected,
    ];

    /// The word that is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Planned => "planned",
            Self::Accepted => "accepted",
            Self::Active => "active",
            Self::OnHold => "on-hold",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::EnteredInError => "entered-in-error",
            Self::Rejected => "rejected",
        }
    }

    /// The status of a stored word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }

    /// What a patient may set it to from here. Agreeing to a proposal is a step of its own, not one of these.
    pub fn next(self) -> &'static [Self] {
        use GoalStatus::{Accepted, Active, Cancelled, Completed, EnteredInError, OnHold, Planned, Rejected};
        match self {
            Self::Proposed => &[Rejected],
            Planned => &[Accepted, Active, Cancelled, EnteredInError],
            Accepted => &[Planned, Active, OnHold, Completed, Cancelled, EnteredInError],
            Active => &[OnHold, Completed, Cancelled, EnteredInError],
            OnHold => &[Active, Completed, Cancelled, EnteredInError],
            Completed | Cancelled => &[Active, EnteredInError],
            EnteredInError | Rejected => &[],
        }
    }

    /// The status after a step to `wanted`; staying is no step. 409 with what is possible instead.
    pub fn step(self, wanted: Self) -> ApiResult<Self> {
        if wanted == self || self.next().contains(&wanted) {
            return Ok(wanted);
        }
        let possible: Vec<&str> = self.next().iter().map(|status| status.as_str()).collect();
        let detail = match self {
            Self::Proposed => {
                "The goal is a proposal. Agree to it with POST /v1/goals/{id}/agree, or set it to rejected."
                    .to_owned()
            }
            Self::Rejected => {
                "The goal was declined. To take it up after all, agree to it with POST /v1/goals/{id}/agree."
                    .to_owned()
            }
            Self::EnteredInError => "The goal was entered in error. It can only be deleted.".to_owned(),
            _ => format!("The goal is {}. It can become: {}.", self.as_str(), possible.join(", ")),
        };
        Err(ApiError::conflict("wrong_goal_state", detail))
    }

    /// The status after the patient agreed to a proposal, also one declined before.
    pub fn agree(self) -> ApiResult<Self> {
        match self {
            Self::Proposed | Self::Rejected => Ok(Self::Active),
            _ => {
                let detail = format!("The goal is {}. Only a proposal can be agreed to.", self.as_str());
                Err(ApiError::conflict("wrong_goal_state", detail))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_from_every_status() {
        // Rows: from; columns: to, both in the order of `ALL`; `x` can be done, `.` is no change, `-` is refused.
        let table = [
            (GoalStatus::Proposed, ". - - - - - - - x"),
            (GoalStatus::Planned, "- . x x - - x x -"),
            (GoalStatus::Accepted, "- x . x x x x x -"),
            (GoalStatus::Active, "- - - . x x x x -"),
            (GoalStatus::OnHold, "- - - x . x x x -"),
            (GoalStatus::Completed, "- - - x - . - x -"),
            (GoalStatus::Cancelled, "- - - x - - . x -"),
            (GoalStatus::EnteredInError, "- - - - - - - . -"),
            (GoalStatus::Rejected, "- - - - - - - - ."),
        ];
        for (index, (from, row)) in table.into_iter().enumerate() {
            assert_eq!(from, GoalStatus::ALL[index]);
            for (to, cell) in GoalStatus::ALL.into_iter().zip(row.split(' ')) {
                assert_eq!(from.step(to).ok(), (cell != "-").then_some(to), "{from:?} to {to:?}");
            }
        }
    }

    #[test]
    fn only_proposals_are_agreed_to() {
        for status in GoalStatus::ALL {
            let open = matches!(status, GoalStatus::Proposed | GoalStatus::Rejected);
            assert_eq!(status.agree().ok(), open.then_some(GoalStatus::Active), "{status:?}");
        }
    }

    #[test]
    fn words_are_the_same_stored_and_on_the_wire() {
        for status in GoalStatus::ALL {
            assert_eq!(GoalStatus::from_word(status.as_str()), Some(status));
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
        assert_eq!(GoalStatus::from_word("done"), None);
    }

    #[test]
    fn a_refusal_says_what_is_possible() {
        let Err(ApiError::Refused { code, detail, .. }) = GoalStatus::Active.step(GoalStatus::Planned) else {
            panic!("an active goal is no plan again");
        };
        assert_eq!(code, "wrong_goal_state");
        assert!(
            detail.ends_with("It can become: on-hold, completed, cancelled, entered-in-error."),
            "{detail}"
        );
    }
}
