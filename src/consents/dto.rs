//! Wire types of consents.

use chrono::{DateTime, Utc};
use entity::ids::ConsentId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::texts::Purpose;
use crate::validate::{Checks, Validate};

/// A consent text as it has to be shown.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConsentText {
    pub purpose: Purpose,
    /// Send it with the answer.
    #[schema(example = "1")]
    pub version: String,
    /// Language of the words.
    #[schema(example = "en")]
    pub language: String,
    #[schema(example = "Reminders")]
    pub title: String,
    #[schema(example = "Afterglow plans reminders around your sessions and those you set yourself.")]
    pub body: String,
    /// What withdrawing does.
    #[schema(example = "If you withdraw, all reminders that are still to come end at once.")]
    pub withdrawal: String,
    /// SHA-256 of title, body and withdrawal, each ended by a line feed.
    #[schema(example = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    pub text_sha256: String,
}

/// The current text of every purpose.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConsentTextList {
    pub items: Vec<ConsentText>,
}

/// An answer to a consent text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConsentDecision {
    Given,
    Withdrawn,
}

/// My answer to a consent text.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsentCreate {
    pub purpose: Purpose,
    pub decision: ConsentDecision,
    /// The version that was shown. Needed to give a consent, and then it must be the current one.
    #[schema(example = "1", min_length = 1, max_length = 16)]
    pub text_version: Option<String>,
    /// The language it was shown in; without it, that of the account.
    #[schema(example = "en", min_length = 2, max_length = 16)]
    pub language: Option<String>,
}

impl Validate for ConsentCreate {
    fn validate(&self, checks: &mut Checks) {
        checks.text("/text_version", self.text_version.as_deref(), 1, 16);
        checks.text("/language", self.language.as_deref(), 2, 16);
        let shown = self.decision == ConsentDecision::Withdrawn || self.text_version.is_some();
        checks.require(shown, "/text_version", "required", "is required to give a consent");
    }
}

/// One answer that was given.
#[derive(Debug, Serialize, ToSchema)]
pub struct Consent {
    #[schema(value_type = Uuid)]
    pub id: ConsentId,
    #[schema(example = "reminders")]
    pub purpose: String,
    pub decision: ConsentDecision,
    #[schema(example = "1")]
    pub text_version: String,
    #[schema(example = "en")]
    pub language: String,
    /// Of the text that was shown: title, body and withdrawal, each ended by a line feed.
    #[schema(example = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    pub text_sha256: String,
    pub decided_at: DateTime<Utc>,
    /// Whether it was not me who withdrew it: a backup was restored that cannot know what I decided since. Ask anew.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schema(example = true)]
    pub ended_by_restore: bool,
}

/// How a consent stands now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConsentState {
    /// No answer yet: what it is for is in use as described in its text.
    NotAsked,
    Given,
    Withdrawn,
}

/// How the consent to one purpose stands now.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConsentStanding {
    pub purpose: Purpose,
    pub state: ConsentState,
    /// The version that the last answer was about; it holds although a newer one may be current.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "1")]
    pub text_version: Option<String>,
    #[schema(example = "1")]
    pub current_version: String,
}

/// A page of answers, latest first, and how every purpose stands now.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConsentList {
    pub items: Vec<Consent>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "AAABk7v5oAABk7v5oABwAIAAAAAAAAAAq1b2c3d4")]
    pub next_cursor: Option<String>,
    pub standing: Vec<ConsentStanding>,
}
