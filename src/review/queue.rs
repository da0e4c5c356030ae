//! The review queue: entries shared with one member that wait for them, first shared first, and the tag by which a poll
//! learns whether anything in it has changed.

use axum::http::HeaderValue;
use chrono::{DateTime, Utc};
use entity::{
    ids::{AccountId, JournalEntryId, PatientId},
    journal_shares,
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, Statement, sea_query::Expr,
};
use uuid::Uuid;

use super::dto::{EntryReview, QueuedEntry};
use crate::{
    accounts::{Caller, SealedName},
    alerts::VISIBLE,
    app::AppState,
    care,
    db::WriteTx,
    error::{ApiError, ApiResult},
    etag,
    journal::{self, Body, readable},
    page::Page,
    vault::DataKey,
};

#[derive(FromQueryResult)]
struct Mark {
    id: Uuid,
    number: i64,
    name_sealed: Vec<u8>,
    passed: Option<DateTime<Utc>>,
}

/// What changes whenever the queue of a member does: their care relations with the numbers that rise, the names they
/// are shown, the last share that ran out by its date, and the alerts they see with the steps those have climbed. One
/// statement, answered from indexes.
pub async fn tag(conn: &impl ConnectionTrait, me: &Caller, now: DateTime<Utc>) -> ApiResult<HeaderValue> {
    let passed = "(SELECT MAX(s.until) FROM journal_shares s WHERE s.member_id = $1 AND s.until <= $3)";
    let sql = format!(
        "SELECT r.id, r.review_seq AS number, a.name_sealed, {passed} AS passed \
         FROM care_relations r JOIN accounts a ON a.id = r.patient_id AND a.state = 'active' \
         WHERE r.member_id = $1 AND r.ended_at IS NULL \
         UNION ALL SELECT o.id, CAST(o.step AS BIGINT), a.name_sealed, {passed} FROM alerts o \
         JOIN accounts a ON a.id = o.patient_id AND a.state = 'active' \
         WHERE o.acknowledged_at IS NULL AND {VISIBLE} ORDER BY 1"
    );
    let values = [me.account.0.into(), me.clinic.0.into(), now.into()];
    let statement = Statement::from_sql_and_values(conn.get_database_backend(), sql, values);
    let mut bytes = format!("{}\n{}\n", env!("CARGO_PKG_VERSION"), me.locale).into_bytes();
    for mark in Mark::find_by_statement(statement).all(conn).await? {
        bytes.extend_from_slice(mark.id.as_bytes());
        bytes.extend_from_slice(&mark.number.to_be_bytes());
        bytes.extend_from_slice(&mark.name_sealed);
        bytes.extend_from_slice(&mark.passed.map_or(0, |at| at.timestamp_millis()).to_be_bytes());
    }
    etag::tag_of(&bytes)
}

/// A patient's key and name, as every row of a list over many patients brings them.
#[derive(FromQueryResult)]
struct Whose {
    patient_id: PatientId,
    #[sea_orm(nested)]
    name: SealedName,
}

const WHOSE: &str = "s.patient_id, a.name_sealed, k.kek_id, k.generation, k.wrapped";

impl Whose {
    fn open(self, app: &AppState) -> ApiResult<(DataKey, String)> {
        self.name.of_patient(&app.vault, self.patient_id)
    }
}

#[derive(FromQueryResult)]
struct EntryRow {
    #[sea_orm(nested)]
    whose: Whose,
    entry_id: JournalEntryId,
    revision: i32,
    template_id: String,
    template_version: String,
    to_talk_about: bool,
    created_at: DateTime<Utc>,
    shared_at: DateTime<Utc>,
    until: Option<DateTime<Utc>>,
    body_sealed: Vec<u8>,
}

/// A page of entries that wait for this member, first shared first, with one more if there is another page.
pub async fn entries(
    app: &AppState,
    conn: &impl ConnectionTrait,
    (me, locale): (AccountId, &str),
    page: &Page,
    now: DateTime<Utc>,
) -> ApiResult<Vec<QueuedEntry>> {
    let (after, limit) = page.bounds_ascending();
    let sql = format!(
        "SELECT {WHOSE}, s.entry_id, s.revision, s.template_id, s.template_version, s.to_talk_about, s.created_at, \
         s.shared_at, s.until, s.body_sealed FROM {} \
         JOIN accounts a ON a.id = s.patient_id AND a.state = 'active' \
         JOIN data_keys k ON k.owner_kind = 'patient' AND k.owner_id = s.patient_id \
         WHERE s.member_id = $1 AND s.reviewed_at IS NULL AND (s.shared_at, s.entry_id) > ($3, $4) \
         ORDER BY s.shared_at, s.entry_id LIMIT $5",
        readable("$2")
    );
    let values = [me.0.into(), now.into(), after.at.into(), after.id.into(), limit.into()];
    let statement = Statement::from_sql_and_values(conn.get_database_backend(), sql, values);
    let rows = EntryRow::find_by_statement(statement).all(conn).await?;
    rows.into_iter().map(|row| entry(app, row, locale)).collect()
}

fn entry(app: &AppState, row: EntryRow, locale: &str) -> ApiResult<QueuedEntry> {
    let patient_id = row.whose.patient_id;
    let (key, patient_name) = row.whose.open(app)?;
    let body: Body = key.open_json(journal::revision_place(row.entry_id, row.revision), &row.body_sealed)?;
    Ok(QueuedEntry {
        entry_id: row.entry_id,
        patient_id,
        patient_name,
        revision: row.revision,
        template_title: journal::template_title(&row.template_id, &row.template_version, locale),
        template_id: row.template_id,
        title: body.title,
        to_talk_about: row.to_talk_about,
        written_at: row.created_at,
        shared_at: row.shared_at,
        until: row.until,
    })
}

#[derive(FromQueryResult)]
struct Shown {
    revision: i32,
}

/// Marks an entry that is shared with the member as reviewed. 404 when it is not, 409 when other words are shown now.
pub async fn mark(
    tx: &WriteTx,
    (patient, member): (PatientId, AccountId),
    entry: JournalEntryId,
    revision: i32,
) -> ApiResult<EntryReview> {
    let sql = format!(
        "SELECT s.revision FROM {} WHERE s.patient_id = $1 AND s.member_id = $2 AND s.entry_id = $3",
        readable("$4")
    );
    let values = [patient.0.into(), member.0.into(), entry.0.into(), tx.now().into()];
    let statement = Statement::from_sql_and_values(tx.conn().get_database_backend(), sql, values);
    let shown = Shown::find_by_statement(statement).one(tx.conn()).await?.ok_or(ApiError::NotFound)?;
    if shown.revision != revision {
        return Err(ApiError::conflict(
            "entry_changed",
            "The patient has changed the entry since you read it. Read it again, then mark that revision.",
        ));
    }
    use journal_shares::Column::{EntryId, MemberId, PatientId as Owner, ReviewedAt, ReviewedRevision};
    journal_shares::Entity::update_many()
        .col_expr(ReviewedAt, Expr::value(tx.now()))
        .col_expr(ReviewedRevision, Expr::value(revision))
        .filter(Owner.eq(patient))
        .filter(EntryId.eq(entry))
        .filter(MemberId.eq(member))
        .exec(tx.conn())
        .await?;
    care::changed_for(tx.conn(), patient, member).await?;
    Ok(EntryReview { entry_id: entry, revision, reviewed_at: tx.now() })
}
