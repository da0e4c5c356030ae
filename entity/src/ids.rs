//! One type for each kind of id, so that the compiler refuses a session where a patient is meant.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, DeriveValueType, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        // Asked for by every primary key; no id here is ever a row number.
        impl sea_orm::TryFromU64 for $name {
            fn try_from_u64(_: u64) -> Result<Self, DbErr> {
                Err(DbErr::ConvertFromU64(stringify!($name)))
            }
        }

        impl From<Uuid> for $name {
            fn from(value: Uuid) -> Self {
                Self(value)
            }
        }

        impl From<$name> for Uuid {
            fn from(value: $name) -> Self {
                value.0
            }
        }
    )*};
}

ids! {
    /// The id of an account.
    AccountId,
    /// The id of a patient (the same value as the account's).
    PatientId,
    /// The id of a clinic.
    ClinicId,
    /// The id of a login.
    LoginId,
    /// The id of an invitation.
    InvitationId,
    /// The id of a care relation.
    RelationId,
    /// The id of a consent.
    ConsentId,
    /// The id of a check-in.
    CheckinId,
    /// The id of a journal entry.
    JournalEntryId,
    /// The id of a session.
    SessionId,
    /// The id of what a patient asked the clinic for.
    SessionRequestId,
    /// The id of a reminder.
    ReminderId,
    /// The id of a notification.
    NotificationId,
    /// The id of a push subscription.
    SubscriptionId,
    /// The id of an alert.
    AlertId,
    /// The id of a time in which somebody stands in.
    CoverId,
    /// The id of a handover.
    HandoverId,
    /// The id of a job.
    JobId,
    /// The id of an archive of a patient's own records.
    ExportId,
    /// The id of a goal.
    GoalId,
    /// The id of a note on the way to a goal.
    GoalProgressId,
    /// The id of a comment on a journal entry.
    CommentId,
    /// The id of an attachment.
    AttachmentId,
    /// The id of a treatment plan.
    PlanId,
    /// The id of a filled-in questionnaire.
    MeasureResponseId,
    /// The id of a questionnaire that was asked for.
    MeasureAssignmentId,
}

impl From<PatientId> for AccountId {
    fn from(patient: PatientId) -> Self {
        Self(patient.0)
    }
}
