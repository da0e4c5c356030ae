//! Sharing an entry with one member of the care team, and taking that back.

use axum::{Json, extract::State, http::StatusCode};
use chrono::{DateTime, Datelike, Utc};
use entity::{
    care_relations,
    ids::{AccountId, JournalEntryId, PatientId},
    journal_shares,
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, ExprTrait, OnConflict},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    dto::{EntryState, JournalShare, JournalShareList, ShareRequest},
    queries,
};
use crate::{
    accounts::Patient,
    app::AppState,
    audit::Event,
    care, consents,
    db::WriteTx,
    error::{ApiError, ApiResult},
    extract::{PathId, PathMember, ValidJson},
    openapi::Problems,
};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_journal_shares))
        .routes(routes!(put_journal_share, delete_journal_share))
}

pub fn view(row: journal_shares::Model) -> JournalShare {
    JournalShare {
        member_id: row.member_id,
        shared_at: row.shared_at,
        until: row.until,
        frozen_revision: row.frozen_revision,
    }
}

/// Who may read this entry of mine.
#[utoipa::path(get, path = "/journal/entries/{id}/shares", operation_id = "list_journal_shares", tag = "journal",
    params(("id" = Uuid, Path)), responses((status = 200, body = JournalShareList), Problems))]
async fn list_journal_shares(
    State(app): State<AppState>,
    me: Patient,
    PathId(id): PathId<JournalEntryId>,
) -> ApiResult<Json<JournalShareList>> {
    queries::find(app.db.reader(), me.id(), id).await?;
    let rows = journal_shares::Entity::find()
        .filter(journal_shares::Column::PatientId.eq(me.id()))
        .filter(journal_shares::Column::EntryId.eq(id))
        .filter(journal_shares::Column::EndedAt.is_null())
        .order_by_asc(journal_shares::Column::SharedAt)
        .limit(100)
        .all(app.db.reader())
        .await?;
    let now = app.clock.now();
    let items = rows.into_iter().filter(|row| row.until.is_none_or(|until| until > now)).map(view).collect();
    Ok(Json(JournalShareList { items }))
}

/// Share this entry of mine with one member of my care team. Sharing again replaces how it is shared.
#[utoipa::path(put, path = "/journal/entries/{id}/shares/{member_id}", operation_id = "put_journal_share",
    tag = "journal", params(("id" = Uuid, Path), ("member_id" = Uuid, Path)), request_body = ShareRequest,
    responses((status = 200, body = JournalShare), Problems))]
async fn put_journal_share(
    State(app): State<AppState>,
    me: Patient,
    PathId(id): PathId<JournalEntryId>,
    PathMember(member): PathMember,
    ValidJson(input): ValidJson<ShareRequest>,
) -> ApiResult<Json<JournalShare>> {
    let share =
        app.db.write(&me.writing(), async |tx| share(tx, me.id(), id, member.into(), input).await).await?;
    Ok(Json(view(share)))
}

/// Close this entry of mine to a member of my care team, at once.
#[utoipa::path(delete, path = "/journal/entries/{id}/shares/{member_id}", operation_id = "delete_journal_share",
    tag = "journal", params(("id" = Uuid, Path), ("member_id" = Uuid, Path)),
    responses((status = 204, description = "Closed"), Problems))]
async fn delete_journal_share(
    State(app): State<AppState>,
    me: Patient,
    PathId(id): PathId<JournalEntryId>,
    PathMember(member): PathMember,
) -> ApiResult<StatusCode> {
    app.db.write(&me.writing(), async |tx| unshare(tx, me.id(), id, member.into()).await).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn share(
    tx: &WriteTx,
    patient: PatientId,
    entry: JournalEntryId,
    member: AccountId,
    input: ShareRequest,
) -> ApiResult<journal_shares::Model> {
    let row = queries::find(tx.conn(), patient, entry).await?;
    if EntryState::parse(&row.state) == EntryState::Draft {
        return Err(draft_not_shared());
    }
    if input.until.is_some_and(|until| until <= tx.now()) {
        return Err(ApiError::invalid_field("/until", "in_the_past", "must lie in the future"));
    }
    // SQLite compares instants as text, which holds for years of four digits.
    if input.until.is_some_and(|until| until.year() > 9_999) {
        return Err(ApiError::invalid_field("/until", "impossible_time", "must lie before the year 10000"));
    }
    in_care(tx.conn(), patient, member).await?;
    consents::require_sharing(tx.conn(), patient).await?;
    let share = journal_shares::Model {
        patient_id: patient,
        entry_id: entry,
        member_id: member,
        until: input.until,
        frozen_revision: input.frozen.then_some(row.head_revision),
        shared_at: tx.now(),
        ended_at: None,
        reviewed_at: None,
        reviewed_revision: None,
    };
    upsert(tx, share.clone(), row.head_revision).await?;
    touch(tx, patient, entry).await?;
    care::changed_for(tx.conn(), patient, member).await?;
    tx.audit(Event::new("journal.share", patient, format!("journal_entries/{entry} to accounts/{member}")));
    Ok(share)
}

pub fn draft_not_shared() -> ApiError {
    ApiError::conflict("draft_not_shared", "A draft is never shared. Finish the entry first.")
}

/// 404 unless the member takes part in the patient's care now.
pub async fn in_care(conn: &impl ConnectionTrait, patient: PatientId, member: AccountId) -> ApiResult<()> {
    care_relations::Entity::find()
        .filter(care_relations::Column::PatientId.eq(patient))
        .filter(care_relations::Column::MemberId.eq(member))
        .filter(care_relations::Column::EndedAt.is_null())
        .one(conn)
        .await?
        .map(drop)
        .ok_or(ApiError::NotFound)
}

/// What the member has reviewed stays so while it is what they are shown.
async fn upsert(tx: &WriteTx, share: journal_shares::Model, head: i32) -> ApiResult<()> {
    use journal_shares::Column::{
        EndedAt, EntryId, FrozenRevision, MemberId, PatientId, ReviewedAt, ReviewedRevision, SharedAt, Until,
    };
    let reviewed = Expr::case(
        Expr::col((journal_shares::Entity, ReviewedRevision)).eq(head),
        Expr::col((journal_shares::Entity, ReviewedAt)),
    )
    .finally(None::<DateTime<Utc>>);
    let active: journal_shares::ActiveModel = share.into();
    journal_shares::Entity::insert(active.reset_all())
        .on_conflict(
            OnConflict::columns([PatientId, EntryId, MemberId])
                .update_columns([Until, FrozenRevision, SharedAt, EndedAt])
                .value(ReviewedAt, reviewed)
                .to_owned(),
        )
        .exec_without_returning(tx.conn())
        .await?;
    Ok(())
}

async fn unshare(
    tx: &WriteTx,
    patient: PatientId,
    entry: JournalEntryId,
    member: AccountId,
) -> ApiResult<()> {
    let ended = journal_shares::Entity::update_many()
        .col_expr(journal_shares::Column::EndedAt, Expr::value(tx.now()))
        .filter(journal_shares::Column::PatientId.eq(patient))
        .filter(journal_shares::Column::EntryId.eq(entry))
        .filter(journal_shares::Column::MemberId.eq(member))
        .filter(journal_shares::Column::EndedAt.is_null())
        .exec(tx.conn())
        .await?;
    if ended.rows_affected == 0 {
        return Err(ApiError::NotFound);
    }
    touch(tx, patient, entry).await?;
    care::changed_for(tx.conn(), patient, member).await?;
    tx.audit(Event::new("journal.unshare", patient, format!("journal_entries/{entry} to accounts/{member}")));
    Ok(())
}

/// Shares and comments travel with their entry to the patient's other devices.
pub async fn touch(tx: &WriteTx, patient: PatientId, entry: JournalEntryId) -> ApiResult<()> {
    use entity::journal_entries::{Column, Entity};
    Entity::update_many()
        .col_expr(Column::SyncSeq, Expr::value(tx.sync_seq()))
        .filter(Column::PatientId.eq(patient))
        .filter(Column::Id.eq(entry))
        .exec(tx.conn())
        .await?;
    Ok(())
}
