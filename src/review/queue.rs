//! The review queue: entries shared with one member that wait for them, first shared first, and the tag by which a poll
//! learns whether anything in it has changed.

use axum::http::HeaderValue;
use chrono::{DateTime, Utc};
use entity::{
    ids::{AccountId, AlertId, JournalEntryId, PatientId},
    journal_shares,
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, Statement, sea_query::Expr,
};
use uuid::Uuid;

use super::{
    dto::{EntryReview, QueuedAlert, QueuedEntry},
    roster::rank,
};
use crate::{
    accounts,
    app::AppState,
    care,
    db::WriteTx,
    error::{ApiError, ApiResult},
    etag,
    journal::{self, Body},
    page::Page,
    vault::{KeyOwner, OwnerKind, WrappedKey},
};

/// More open alerts than anybody is shown at once.
const MOST_ALERTS: i64 = 100;

#[derive(FromQueryResult)]
struct Mark {
    id: Uuid,
    review_seq: i64,
    name_sealed: Vec<u8>,
    passed: Option<DateTime<Utc>>,
}

/// What changes whenever the queue of a member does: their care relations with the numbers that rise, the names they
/// are shown, and the last share that ran out by its date. One statement, answered from indexes.
pub async fn tag(
    conn: &impl ConnectionTrait,
    (me, locale): (AccountId, &str),
    now: DateTime<Utc>,
) -> ApiResult<HeaderValue> {
    let sql = "SELECT r.id, r.review_seq, a.name_sealed, \
         (SELECT MAX(s.until) FROM journal_shares s WHERE s.member_id = $1 AND s.until <= $2) AS passed \
         FROM care_relations r JOIN accounts a ON a.id = r.patient_id AND a.state = 'active' \
         WHERE r.member_id = $1 AND r.ended_at IS NULL ORDER BY r.id";
    let values = [me.0.into(), now.into()];
    let statement = Statement::from_sql_and_values(conn.get_database_backend(), sql, values);
    let mut bytes = format!("{}\n{locale}\n", env!("CARGO_PKG_VERSION")).into_bytes();
    for mark in Mark::find_by_statement(statement).all(conn).await? {
        bytes.extend_from_slice(mark.id.as_bytes());
        bytes.extend_from_slice(&mark.review_seq.to_be_bytes());
        bytes.extend_from_slice(&mark.name_sealed);
        bytes.extend_from_slice(&mark.passed.map_or(0, |at| at.timestamp_millis()).to_be_bytes());
    }
    etag::tag_of(&bytes)
}

/// A patient's key and name, as every row of a list over many patients brings them.
#[derive(FromQueryResult)]
struct Whose {
    patient_id: PatientId,
    name_sealed: Vec<u8>,
    kek_id: String,
    generation: i32,
    wrapped: Vec<u8>,
}

const WHOSE: &str = "r.patient_id, a.name_sealed, k.kek_id, k.generation, k.wrapped";
/// Patients in the care of the member `$1`.
const MINE: &str = "care_relations r JOIN accounts a ON a.id = r.patient_id AND a.state = 'active' \
     JOIN data_keys k ON k.owner_kind = 'patient' AND k.owner_id = r.patient_id";

impl Whose {
    fn open(self, app: &AppState) -> ApiResult<(crate::vault::DataKey, String)> {
        let key = app.vault.unwrap(&WrappedKey {
            owner: KeyOwner::new(OwnerKind::Patient, self.patient_id),
            kek_id: self.kek_id,
            generation: self.generation,
            wrapped: self.wrapped,
        })?;
        let name = key.open_text(accounts::name_place(self.patient_id.into()), &self.name_sealed)?;
        Ok((key, name))
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
        "SELECT {WHOSE}, s.entry_id, v.revision, e.template_id, e.template_version, e.to_talk_about, e.created_at, \
         s.shared_at, s.until, v.body_sealed FROM journal_shares s \
         JOIN care_relations r ON r.member_id = s.member_id AND r.patient_id = s.patient_id AND r.ended_at IS NULL \
         JOIN accounts a ON a.id = r.patient_id AND a.state = 'active' \
         JOIN data_keys k ON k.owner_kind = 'patient' AND k.owner_id = r.patient_id \
         JOIN journal_entries e ON e.patient_id = s.patient_id AND e.id = s.entry_id AND e.state = 'final' \
         JOIN journal_revisions v ON v.patient_id = s.patient_id AND v.entry_id = s.entry_id \
         AND v.revision = COALESCE(s.frozen_revision, e.head_revision) \
         WHERE s.member_id = $1 AND s.ended_at IS NULL AND s.reviewed_at IS NULL \
         AND (s.until IS NULL OR s.until > $2) AND (s.shared_at, s.entry_id) > ($3, $4) \
         ORDER BY s.shared_at, s.entry_id LIMIT $5"
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
struct AlertRow {
    #[sea_orm(nested)]
    whose: Whose,
    id: AlertId,
    level: String,
    rule: String,
    raised_at: DateTime<Utc>,
}

/// Open alerts of everybody in the member's care: the gravest first, then the oldest.
pub async fn alerts(
    app: &AppState,
    conn: &impl ConnectionTrait,
    me: AccountId,
) -> ApiResult<Vec<QueuedAlert>> {
    let sql = format!(
        "SELECT {WHOSE}, o.id, o.level, o.rule, o.raised_at FROM {MINE} \
         JOIN alerts o ON o.patient_id = r.patient_id AND o.acknowledged_at IS NULL \
         WHERE r.member_id = $1 AND r.ended_at IS NULL ORDER BY o.raised_at, o.id LIMIT $2"
    );
    let values = [me.0.into(), MOST_ALERTS.into()];
    let statement = Statement::from_sql_and_values(conn.get_database_backend(), sql, values);
    let rows = AlertRow::find_by_statement(statement).all(conn).await?;
    let mut found = rows.into_iter().map(|row| alert(app, row)).collect::<ApiResult<Vec<_>>>()?;
    found.sort_by_key(|alert| (std::cmp::Reverse(rank(&alert.level)), alert.raised_at));
    Ok(found)
}

fn alert(app: &AppState, row: AlertRow) -> ApiResult<QueuedAlert> {
    let patient_id = row.whose.patient_id;
    let (_, patient_name) = row.whose.open(app)?;
    let says = app.measures.rule(&row.rule).map(|rule| rule.clinician_message.clone()).unwrap_or_default();
    Ok(QueuedAlert {
        id: row.id,
        patient_id,
        patient_name,
        level: row.level,
        rule: row.rule,
        says,
        raised_at: row.raised_at,
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
    let sql = "SELECT COALESCE(s.frozen_revision, e.head_revision) AS revision FROM journal_shares s \
         JOIN journal_entries e ON e.patient_id = s.patient_id AND e.id = s.entry_id AND e.state = 'final' \
         WHERE s.patient_id = $1 AND s.member_id = $2 AND s.entry_id = $3 AND s.ended_at IS NULL \
         AND (s.until IS NULL OR s.until > $4)";
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
