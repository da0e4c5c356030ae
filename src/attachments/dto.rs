//! Wire types of attachments.

use chrono::{DateTime, Utc};
use entity::ids::{AttachmentId, JournalEntryId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::rules::AttachmentKind;
use crate::validate::{Checks, Validate};

/// A recording or picture that is about to be uploaded.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AttachmentCreate {
    /// The field of the entry's form that it is for.
    #[schema(min_length = 1, max_length = 64, example = "voice")]
    pub field: String,
    /// What it is: `audio/webm`, `audio/ogg` (both with Opus), `audio/mp4` (AAC), `audio/mpeg`, `audio/wav`,
    /// `image/jpeg`, `image/png`, or `image/webp`. Parameters are taken and ignored.
    #[schema(min_length = 1, max_length = 100, example = "audio/webm")]
    pub media_type: String,
    /// Its whole length, up to 20 MiB.
    #[schema(minimum = 1, example = 734003)]
    pub bytes: u64,
    /// SHA-256 of the whole, in hexadecimal: an upload that arrives damaged is then refused.
    #[schema(
        min_length = 64,
        max_length = 64,
        example = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    )]
    pub sha256: Option<String>,
}

/// How far an upload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AttachmentState {
    /// Goes at `expires_at` unless it is completed before.
    Uploading,
    Complete,
}

/// A recording or picture of an entry. Nobody transcribes it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Attachment {
    #[schema(value_type = Uuid)]
    pub id: AttachmentId,
    #[schema(value_type = Uuid)]
    pub entry_id: JournalEntryId,
    #[schema(example = "voice")]
    pub field: String,
    pub kind: AttachmentKind,
    #[schema(example = "audio/webm")]
    pub media_type: String,
    /// Its whole length.
    #[schema(example = 734003)]
    pub bytes: i32,
    /// How much of it is here.
    #[schema(example = 262144)]
    pub received: i32,
    /// The length of every part but the last: part `n` begins at byte `n` times this.
    #[schema(example = 262144)]
    pub part_bytes: i32,
    /// The number of the part to send next; absent when all are here.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 1)]
    pub next_part: Option<i32>,
    pub state: AttachmentState,
    pub created_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
}

/// Every attachment of an entry, first made first.
#[derive(Debug, Serialize, ToSchema)]
pub struct AttachmentList {
    pub items: Vec<Attachment>,
}

/// An attachment that was completed, and what became of its entry.
#[derive(Debug, Serialize, ToSchema)]
pub struct AttachmentCompleted {
    pub attachment: Attachment,
    /// The entry's version now; its ETag.
    #[schema(example = 2)]
    pub entry_version: i32,
    /// The revision of the entry that shows the attachment.
    #[schema(example = 2)]
    pub entry_revision: i32,
}

impl Validate for AttachmentCreate {
    fn validate(&self, checks: &mut Checks) {
        checks.text("/field", Some(&self.field), 1, 64);
        checks.text("/media_type", Some(&self.media_type), 1, 100);
        checks.require(self.bytes > 0, "/bytes", "out_of_range", "must be at least 1");
        if let Some(hash) = &self.sha256 {
            let hexadecimal = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
            checks.require(hexadecimal, "/sha256", "invalid_hash", "must be 64 hexadecimal digits");
        }
    }
}

/// Bytes as they are.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
pub struct PartBytes(#[expect(dead_code, reason = "only its schema is used")] Vec<u8>);
