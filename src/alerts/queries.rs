//! Alerts as staff see them. Who may see one is part of every predicate: the care team, whoever stands in for one of
//! them now, and, while it is open, whoever the ladder has reached.

use chrono::{DateTime, Utc};
use entity::{
    alerts,
    ids::{AccountId, AlertId, PatientId},
    notifications,
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, Statement, Value,
    sea_query::{Expr, ExprTrait},
};

use super::dto::{Alert, AlertAcknowledge, AlertAcknowledgement, AlertState};
use crate::{
    accounts::{Caller, SealedName, wrapped},
    app::AppState,
    audit::Event,
    care,
    db::WriteTx,
    error::{ApiError, ApiResult},
    page::Page,
    reminders::{self, rules::policy::Reason},
    vault::{KeyColumns, KeyOwner, OwnerKind, Place},
};

/// More open alerts than anybody is shown at once.
const MOST_OPEN: i64 = 100;

/// Whether the member `$1` of the clinic `$2` may see the alert `o` of the account `a` at `$3`.
pub const VISIBLE: &str = "a.clinic_id = $2 AND (o.patient_id IN (SELECT r.patient_id FROM care_relations r \
     WHERE r.member_id = $1 AND r.ended_at IS NULL) \
     OR o.patient_id IN (SELECT r.patient_id FROM covers c \
     JOIN care_relations r ON r.member_id = c.member_id AND r.ended_at IS NULL \
     WHERE c.covering_id = $1 AND c.ended_at IS NULL AND c.starts_at <= $3 AND c.ends_at > $3) \
     OR ((o.acknowledged_at IS NULL OR o.acknowledged_by = $1) \
     AND EXISTS (SELECT 1 FROM notifications n WHERE n.recipient_id = $1 \
     AND n.origin_id = o.id AND n.origin_kind = 'alert' AND n.category IN ('alert_covering', 'alert_line'))))";

const SELECT: &str = "SELECT o.*, a.name_sealed, k.kek_id, k.generation, k.wrapped, s.name_sealed AS by_name_sealed, \
     sk.kek_id AS by_kek_id, sk.generation AS by_generation, sk.wrapped AS by_wrapped, \
     ck.kek_id AS record_kek_id, ck.generation AS record_generation, ck.wrapped AS record_wrapped FROM alerts o \
     JOIN accounts a ON a.id = o.patient_id AND a.state = 'active' \
     JOIN data_keys k ON k.owner_kind = 'patient' AND k.owner_id = o.patient_id \
     JOIN data_keys ck ON ck.owner_kind = 'clinic_record' AND ck.owner_id = o.patient_id \
     LEFT JOIN accounts s ON s.id = o.acknowledged_by \
     LEFT JOIN data_keys sk ON sk.owner_kind = 'account' AND sk.owner_id = o.acknowledged_by";

#[derive(FromQueryResult)]
struct Row {
    patient_id: PatientId,
    id: AlertId,
    rule: String,
    level: String,
    source_kind: String,
    step: i32,
    raised_at: DateTime<Utc>,
    next_at: Option<DateTime<Utc>>,
    acknowledged_at: Option<DateTime<Utc>>,
    acknowledged_by: Option<AccountId>,
    note_sealed: Option<Vec<u8>>,
    #[sea_orm(nested)]
    name: SealedName,
    #[sea_orm(nested(prefix = "by_"))]
    by: Option<SealedName>,
    #[sea_orm(nested(prefix = "record_"))]
    record: KeyColumns,
}

fn place(id: AlertId) -> Place {
    Place::new("alerts", "note_sealed", id)
}

async fn select(
    conn: &impl ConnectionTrait,
    (me, now): (&Caller, DateTime<Utc>),
    rest: &str,
    values: Vec<Value>,
) -> ApiResult<Vec<Row>> {
    let mut all: Vec<Value> = vec![me.account.0.into(), me.clinic.0.into(), now.into()];
    all.extend(values);
    let sql = format!("{SELECT} WHERE {VISIBLE} {rest}");
    let statement = Statement::from_sql_and_values(conn.get_database_backend(), sql, all);
    Ok(Row::find_by_statement(statement).all(conn).await?)
}

fn view(app: &AppState, row: Row, locale: &str) -> ApiResult<Alert> {
    let (_key, patient_name) = row.name.of_patient(&app.vault, row.patient_id)?;
    let acknowledged = row.acknowledged_at.zip(row.acknowledged_by).zip(row.note_sealed);
    let acknowledgement = match acknowledged {
        None => None,
        Some(((at, member_id), note)) => {
            let record = app.vault.unwrap(&row.record.of(OwnerKind::ClinicRecord, row.patient_id))?;
            let by = row.by.map(|name| name.of_staff(&app.vault, member_id)).transpose()?;
            let (display_name, reason) = (by.unwrap_or_default(), record.open_text(place(row.id), &note)?);
            Some(AlertAcknowledgement { at, member_id, display_name, reason })
        }
    };
    let rule = app.measures.rule(&row.rule);
    Ok(Alert {
        id: row.id,
        patient_id: row.patient_id,
        patient_name,
        says: rule.map(|rule| rule.says(locale).to_owned()).unwrap_or_default(),
        blocks_session: rule.is_some_and(|rule| rule.blocks_session),
        level: row.level,
        rule: row.rule,
        source_kind: row.source_kind,
        raised_at: row.raised_at,
        step: row.step,
        next_step_at: row.next_at.filter(|_| row.acknowledged_at.is_none()),
        acknowledgement,
    })
}

/// So that what is cut off a long list is what matters least.
const GRAVEST_FIRST: &str = "CASE o.level WHEN 'info' THEN 3 WHEN 'moderate' THEN 2 WHEN 'high' THEN 1 ELSE 0 END, \
     o.raised_at, o.id";

/// Every open alert that a member sees: the gravest first, then the oldest.
pub async fn open_for(
    app: &AppState,
    conn: &impl ConnectionTrait,
    me: &Caller,
    now: DateTime<Utc>,
) -> ApiResult<Vec<Alert>> {
    let rest = format!("AND o.acknowledged_at IS NULL ORDER BY {GRAVEST_FIRST} LIMIT $4");
    let rows = select(conn, (me, now), &rest, vec![MOST_OPEN.into()]).await?;
    rows.into_iter().map(|row| view(app, row, &me.locale)).collect()
}

/// The open alerts of one patient that a member sees, the gravest first.
pub async fn open_of(
    app: &AppState,
    conn: &impl ConnectionTrait,
    who: (&Caller, DateTime<Utc>),
    patient: PatientId,
) -> ApiResult<Vec<Alert>> {
    let rest =
        format!("AND o.acknowledged_at IS NULL AND o.patient_id = $4 ORDER BY {GRAVEST_FIRST} LIMIT $5");
    let rows = select(conn, who, &rest, vec![patient.0.into(), MOST_OPEN.into()]).await?;
    rows.into_iter().map(|row| view(app, row, &who.0.locale)).collect()
}

/// Every alert of one patient that a member sees, open or not, the oldest first; without what colleagues wrote.
pub async fn all_seen(
    conn: &impl ConnectionTrait,
    (me, now): (&Caller, DateTime<Utc>),
    patient: PatientId,
) -> ApiResult<Vec<alerts::Model>> {
    let sql = format!(
        "SELECT o.* FROM alerts o JOIN accounts a ON a.id = o.patient_id AND a.state = 'active' \
         WHERE {VISIBLE} AND o.patient_id = $4 ORDER BY o.raised_at, o.id"
    );
    let values = [me.account.0.into(), me.clinic.0.into(), now.into(), patient.0.into()];
    let statement = Statement::from_sql_and_values(conn.get_database_backend(), sql, values);
    Ok(alerts::Model::find_by_statement(statement).all(conn).await?)
}

/// Every alert of a patient, the oldest first.
pub async fn all_own(conn: &impl ConnectionTrait, patient: PatientId) -> ApiResult<Vec<alerts::Model>> {
    Ok(alerts::Entity::find()
        .filter(alerts::Column::PatientId.eq(patient))
        .order_by_asc(alerts::Column::RaisedAt)
        .order_by_asc(alerts::Column::Id)
        .all(conn)
        .await?)
}

/// A page, newest first, with one more if another page follows.
pub async fn list(
    app: &AppState,
    conn: &impl ConnectionTrait,
    (me, now): (&Caller, DateTime<Utc>),
    state: AlertState,
    page: &Page,
) -> ApiResult<Vec<Alert>> {
    let (after, limit) = page.bounds();
    let is = if state == AlertState::Open { "IS NULL" } else { "IS NOT NULL" };
    let rest = format!(
        "AND o.acknowledged_at {is} AND (o.raised_at, o.id) < ($4, $5) ORDER BY o.raised_at DESC, o.id DESC LIMIT $6"
    );
    let rows = select(conn, (me, now), &rest, vec![after.at.into(), after.id.into(), limit.into()]).await?;
    rows.into_iter().map(|row| view(app, row, &me.locale)).collect()
}

/// One alert that a member may see, else 404.
pub async fn find(
    app: &AppState,
    conn: &impl ConnectionTrait,
    (me, now): (&Caller, DateTime<Utc>),
    id: AlertId,
) -> ApiResult<Alert> {
    let rows = select(conn, (me, now), "AND o.id = $4", vec![id.0.into()]).await?;
    rows.into_iter().next().map(|row| view(app, row, &me.locale)).ok_or(ApiError::NotFound)?
}

/// Acknowledges an alert for good, with name, time and reason. Whoever repeats their own changes nothing.
pub async fn acknowledge(
    tx: &WriteTx,
    app: &AppState,
    me: &Caller,
    id: AlertId,
    input: &AlertAcknowledge,
) -> ApiResult<()> {
    let found = find(app, tx.conn(), (me, tx.now()), id).await?;
    // Whoever repeats their own reads it all the same.
    tx.audit(Event::new("alerts.acknowledge", found.patient_id, format!("alerts/{id}")));
    match &found.acknowledgement {
        Some(by) if by.member_id == me.account => return Ok(()),
        Some(_) => {
            return Err(ApiError::conflict(
                "already_acknowledged",
                "Somebody else has acknowledged it already; GET /alerts?state=acknowledged says who.",
            ));
        }
        None => {}
    }
    let patient = found.patient_id;
    let owner = KeyOwner::new(OwnerKind::ClinicRecord, patient);
    let record = app.vault.unwrap(&wrapped(tx.conn(), owner).await?)?;
    let reason = input.reason.trim();
    alerts::Entity::update_many()
        .col_expr(alerts::Column::AcknowledgedAt, Expr::value(tx.now()))
        .col_expr(alerts::Column::AcknowledgedBy, Expr::value(me.account))
        .col_expr(alerts::Column::NoteSealed, Expr::value(record.seal_text(place(id), reason)))
        .filter(alerts::Column::PatientId.eq(patient))
        .filter(alerts::Column::Id.eq(id))
        .filter(alerts::Column::AcknowledgedAt.is_null())
        .exec(tx.conn())
        .await?;
    // As a literal, so that the index of these rows is used.
    let about = notifications::Column::OriginId.eq(id.0).and(Expr::cust("origin_kind = 'alert'"));
    reminders::cancel(tx, about, Reason::AlreadyDone).await?;
    care::changed_for_team(tx.conn(), patient).await?;
    Ok(())
}

/// 409 while an answer of the patient's that stands against a dosing session has not been acknowledged.
pub async fn refuse_unacknowledged(app: &AppState, tx: &WriteTx, patient: PatientId) -> ApiResult<()> {
    let open = alerts::Entity::find()
        .filter(alerts::Column::PatientId.eq(patient))
        .filter(alerts::Column::AcknowledgedAt.is_null())
        .all(tx.conn())
        .await?;
    let blocks =
        |alert: &alerts::Model| app.measures.rule(&alert.rule).is_some_and(|rule| rule.blocks_session);
    if !open.iter().any(blocks) {
        return Ok(());
    }
    Err(ApiError::conflict(
        "acknowledgement_needed",
        "The patient answered something that stands against the session. Acknowledge that alert first (GET /alerts), \
         then start.",
    ))
}
