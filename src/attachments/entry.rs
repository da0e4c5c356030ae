//! What attachments are to the entry they belong to.

use std::collections::HashMap;

use entity::{
    attachments,
    ids::{AttachmentId, JournalEntryId, PatientId},
};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};

use super::{queries::COMPLETE, rules::AttachmentKind};
use crate::{
    db::WriteTx,
    error::ApiResult,
    journal::{self, form},
    validate::Checks,
};

/// What a field of the entry's form takes, if it takes files at all.
pub async fn takes(
    conn: &impl ConnectionTrait,
    patient: PatientId,
    entry: JournalEntryId,
    field: &str,
) -> ApiResult<Option<AttachmentKind>> {
    let kind = journal::kind_of_field(conn, patient, entry, field).await?;
    Ok(kind.map(AttachmentKind::from))
}

impl From<form::AttachmentKind> for AttachmentKind {
    fn from(kind: form::AttachmentKind) -> Self {
        match kind {
            form::AttachmentKind::Audio => Self::Audio,
            form::AttachmentKind::Image => Self::Image,
        }
    }
}

/// 422 for a field that names what is no complete attachment of this entry, or one of another kind.
pub async fn require_complete(
    tx: &WriteTx,
    patient: PatientId,
    entry: JournalEntryId,
    named: &[form::AttachmentRef],
) -> ApiResult<()> {
    if named.is_empty() {
        return Ok(());
    }
    let known: Vec<(AttachmentId, String)> = attachments::Entity::find()
        .select_only()
        .columns([attachments::Column::Id, attachments::Column::Kind])
        .filter(attachments::Column::PatientId.eq(patient))
        .filter(attachments::Column::EntryId.eq(entry))
        .filter(attachments::Column::State.eq(COMPLETE))
        .into_tuple()
        .all(tx.conn())
        .await?;
    let known: HashMap<_, _> =
        known.into_iter().map(|(id, kind)| (id.0, AttachmentKind::parse(&kind))).collect();
    let mut checks = Checks::default();
    for one in named {
        let fits = known.get(&one.id).is_some_and(|kind| *kind == one.kind.into());
        let detail = "must be a complete attachment of this entry, of the field's kind";
        checks.require(fits, &format!("/fields/{}", one.field), "unknown_attachment", detail);
    }
    checks.finish()
}
