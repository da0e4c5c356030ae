//! What attachments are to the entry they belong to.

use chrono::{DateTime, Utc};
use entity::ids::{AccountId, AttachmentId, JournalEntryId, PatientId};
use sea_orm::{ConnectionTrait, DatabaseConnection};

use super::{queries::Which, rules::AttachmentKind};
use crate::{
    care::Scope,
    db::WriteTx,
    error::{ApiError, ApiResult},
    vault::DataKey,
};

pub async fn takes(
    _: &impl ConnectionTrait,
    _: PatientId,
    _: JournalEntryId,
    _: &str,
) -> ApiResult<Option<AttachmentKind>> {
    Err(ApiError::NotFound)
}
pub async fn now(_: &impl ConnectionTrait, _: PatientId, _: JournalEntryId) -> ApiResult<(i32, i32)> {
    Err(ApiError::NotFound)
}
pub async fn bind(_: &WriteTx, _: &DataKey, _: Which, _: &str) -> ApiResult<(i32, i32)> {
    Err(ApiError::NotFound)
}
pub async fn unbind(_: &WriteTx, _: &DataKey, _: Which, _: &str) -> ApiResult<()> {
    Err(ApiError::NotFound)
}
pub async fn shown_to(
    _: &DatabaseConnection,
    _: &Scope,
    _: (AccountId, DateTime<Utc>),
    _: (JournalEntryId, AttachmentId),
) -> ApiResult<()> {
    Err(ApiError::NotFound)
}
pub async fn require_complete() {}
