//! Telling a patient that somebody commented on an entry of theirs, and those who read the entry that the patient did:
//! one row in the ledger for each, with the discreet words of a new note.

use chrono::Duration;
use entity::{
    ids::{AccountId, CommentId, JournalEntryId, PatientId},
    notifications::{self, Column},
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QuerySelect,
    QueryTrait, Statement,
    sea_query::{Expr, ExprTrait, IntoCondition},
};
use uuid::Uuid;

use super::{
    COMMENT, RECORD,
    planner::row_of,
    rules::{
        localtime::Zone,
        planned::{Planned, PlannedState},
        policy::Reason,
    },
};
use crate::{
    accounts::treats,
    alerts::ALERT,
    content::Priority,
    db::WriteTx,
    error::{ApiError, ApiResult},
    journal::readable,
};

/// How long a note is of use.
const FRESH: Duration = Duration::days(3);

/// Plans the note; it is due now, and quiet hours may keep it until morning.
pub async fn announce_comment(
    tx: &WriteTx,
    patient: PatientId,
    zone: &str,
    comment: CommentId,
) -> ApiResult<()> {
    announce(tx, patient, zone, (COMMENT, comment.0), (format!("comment:{comment}"), "integration")).await
}

#[derive(FromQueryResult)]
struct Reader {
    id: AccountId,
    zone: String,
}

/// Plans a note about a patient's comment for each member whom the entry is shared with.
pub async fn announce_to_readers(
    tx: &WriteTx,
    patient: PatientId,
    entry: JournalEntryId,
    comment: CommentId,
) -> ApiResult<()> {
    let sql = format!(
        "SELECT a.id, a.zone FROM {} JOIN accounts a ON a.id = s.member_id AND a.state = 'active' AND {} \
         WHERE s.patient_id = $1 AND s.entry_id = $2",
        readable("$3"),
        treats("a")
    );
    let values = [patient.0.into(), entry.0.into(), tx.now().into()];
    let statement = Statement::from_sql_and_values(tx.conn().get_database_backend(), sql, values);
    let mut rows = Vec::new();
    for reader in Reader::find_by_statement(statement).all(tx.conn()).await? {
        let note = note(tx, &reader.zone, format!("comment:{comment}"), "integration")?;
        let row = row_of(patient, (COMMENT, comment.0), tx.new_id().into(), note, tx.now());
        rows.push(notifications::ActiveModel::from(notifications::Model { recipient_id: reader.id, ..row }));
    }
    if rows.is_empty() {
        return Ok(());
    }
    let rows = rows.into_iter().map(ActiveModelTrait::reset_all);
    notifications::Entity::insert_many(rows).exec_without_returning(tx.conn()).await?;
    tx.wake_scheduler();
    Ok(())
}

/// A note that is due now, without words of its own.
pub async fn announce(
    tx: &WriteTx,
    patient: PatientId,
    zone: &str,
    origin: (&str, Uuid),
    (slot, category): (String, &str),
) -> ApiResult<()> {
    let planned = note(tx, zone, slot, category)?;
    let row = row_of(patient, origin, tx.new_id().into(), planned, tx.now());
    let row: notifications::ActiveModel = row.into();
    notifications::Entity::insert(row.reset_all()).exec_without_returning(tx.conn()).await?;
    tx.wake_scheduler();
    Ok(())
}

/// The same before it belongs to anybody.
pub fn note(tx: &WriteTx, zone: &str, slot: String, category: &str) -> ApiResult<Planned> {
    let zone = Zone::parse(zone).map_err(ApiError::internal)?;
    Ok(Planned {
        slot,
        template_id: None,
        category: category.to_owned(),
        priority: Priority::Normal,
        routine: false,
        local_date: zone.local_date(tx.now()),
        due_at: tx.now(),
        expires_at: tx.now() + FRESH,
        state: PlannedState::Planned,
    })
}

/// Takes back what was not sent yet about comments that are gone, from the patient and from everybody who read them.
pub async fn withdraw_comments(tx: &WriteTx, patient: PatientId, comments: Vec<Uuid>) -> ApiResult<()> {
    let told = Column::RecipientId.eq(patient.0).or(by_team(patient));
    let which = told.and(Column::OriginKind.eq(COMMENT)).and(Column::OriginId.is_in(comments));
    cancel(tx, which, Reason::Superseded).await
}

/// Takes back notes of one kind that were not sent yet.
pub async fn withdraw(tx: &WriteTx, patient: PatientId, kind: &str, origins: Vec<Uuid>) -> ApiResult<()> {
    let which = Column::RecipientId.eq(patient.0).and(Column::OriginKind.eq(kind));
    cancel(tx, which.and(Column::OriginId.is_in(origins)), Reason::Superseded).await
}

/// Takes back what was not sent yet to a member about an entry that they no longer read.
pub async fn withdraw_entry_from(
    tx: &WriteTx,
    patient: PatientId,
    entry: JournalEntryId,
    member: AccountId,
) -> ApiResult<()> {
    use entity::journal_comments::{Column as Comment, Entity as Comments};
    let below = Comments::find().select_only().column(Comment::Id);
    let below = below.filter(Comment::PatientId.eq(patient)).filter(Comment::EntryId.eq(entry));
    let which = Column::RecipientId.eq(member).and(Column::OriginKind.eq(COMMENT));
    cancel(tx, which.and(Column::OriginId.in_subquery(below.into_query())), Reason::Superseded).await
}

/// Takes back everything that was not sent yet to a member about a patient whom they no longer follow.
pub async fn withdraw_from(tx: &WriteTx, patient: PatientId, member: AccountId) -> ApiResult<()> {
    let which = Column::RecipientId.eq(member).and(Column::SubjectPatientId.eq(patient));
    cancel(tx, which, Reason::CareEnded).await
}

/// Takes back what was not sent yet to anybody about comments that only the patient reads from now on.
pub async fn withdraw_from_readers(tx: &WriteTx, patient: PatientId) -> ApiResult<()> {
    let of_others = by_team(patient).and(Column::OriginKind.eq(COMMENT));
    cancel(tx, of_others.and(Column::SubjectPatientId.eq(patient)), Reason::ConsentWithdrawn).await
}

/// Whoever takes or took part in the patient's care.
fn by_team(patient: PatientId) -> Expr {
    use entity::care_relations::{Column as Relation, Entity as Relations};
    let members =
        Relations::find().select_only().column(Relation::MemberId).filter(Relation::PatientId.eq(patient));
    Column::RecipientId.in_subquery(members.into_query())
}

/// Takes back what was not sent yet to a member who treats nobody any more.
pub async fn withdraw_from_stopped(tx: &WriteTx, member: AccountId) -> ApiResult<()> {
    let which = Column::RecipientId.eq(member).and(Column::OriginKind.is_in([ALERT, COMMENT, RECORD]));
    cancel(tx, which, Reason::CareEnded).await
}

/// Ends what is planned and not under way.
pub async fn cancel(tx: &WriteTx, which: impl IntoCondition, why: Reason) -> ApiResult<()> {
    notifications::Entity::update_many()
        .col_expr(Column::State, Expr::value("cancelled"))
        .col_expr(Column::Reason, Expr::value(why.as_str()))
        .col_expr(Column::UpdatedAt, Expr::value(tx.now()))
        .filter(which)
        .filter(Column::State.is_in(["planned", "retrying"]))
        .exec(tx.conn())
        .await?;
    Ok(())
}
