//! Care relations.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use entity::{
    care_relations,
    ids::{AccountId, ClinicId, PatientId},
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect, Set,
    Statement, Value,
    sea_query::{Expr, OnConflict},
};

use super::dto::CareTeamMember;
use crate::{
    accounts::SealedName,
    app::AppState,
    audit::Event,
    db::WriteTx,
    error::{ApiError, ApiResult},
    reminders,
};

/// Puts a patient into a member's care; nothing happens if they already are.
pub async fn begin(
    app: &AppState,
    tx: &WriteTx,
    patient: PatientId,
    member: AccountId,
    clinic: ClinicId,
) -> ApiResult<()> {
    let row = care_relations::ActiveModel {
        patient_id: Set(patient),
        id: Set(app.random.uuid_v7(tx.now()).into()),
        member_id: Set(member),
        clinic_id: Set(clinic),
        started_at: Set(tx.now()),
        ended_at: Set(None),
        ended_by: Set(None),
        review_seq: Set(0),
    };
    care_relations::Entity::insert(row)
        .on_conflict(OnConflict::new().do_nothing().to_owned())
        .exec_without_returning(tx.conn())
        .await?;
    tx.audit(Event::new("care.begin", patient, format!("accounts/{member}")));
    Ok(())
}

/// Ends a member's care of a patient: access and shares end in this transaction.
pub async fn end(tx: &WriteTx, patient: PatientId, member: AccountId, by: AccountId) -> ApiResult<()> {
    let ended = care_relations::Entity::update_many()
        .col_expr(care_relations::Column::EndedAt, Expr::value(tx.now()))
        .col_expr(care_relations::Column::EndedBy, Expr::value(by))
        .filter(care_relations::Column::PatientId.eq(patient))
        .filter(care_relations::Column::MemberId.eq(member))
        .filter(care_relations::Column::EndedAt.is_null())
        .exec(tx.conn())
        .await?;
    if ended.rows_affected == 0 {
        return Err(ApiError::NotFound);
    }
    super::end_shares(tx, patient, Some(member)).await?;
    reminders::withdraw_from(tx, patient, member).await?;
    tx.audit(Event::new("care.end", patient, format!("accounts/{member}")));
    tx.wake_scheduler();
    Ok(())
}

#[derive(FromQueryResult)]
struct TeamRow {
    member_id: AccountId,
    profession: Option<String>,
    #[sea_orm(nested)]
    name: SealedName,
    started_at: DateTime<Utc>,
}

const TEAM: &str = "SELECT r.member_id, a.profession, a.name_sealed, r.started_at, k.kek_id, k.generation, k.wrapped \
     FROM care_relations r JOIN accounts a ON a.id = r.member_id \
     JOIN data_keys k ON k.owner_kind = 'account' AND k.owner_id = r.member_id \
     WHERE r.patient_id = $1 AND r.ended_at IS NULL";

/// The patient's care team, with names opened.
pub async fn care_team(app: &AppState, patient: PatientId) -> ApiResult<Vec<CareTeamMember>> {
    let conn = app.db.reader();
    let sql = format!("{TEAM} ORDER BY r.started_at, r.member_id LIMIT 100");
    let statement = Statement::from_sql_and_values(conn.get_database_backend(), sql, [patient.0.into()]);
    let rows = TeamRow::find_by_statement(statement).all(conn).await?;
    rows.into_iter().map(|row| team_member(app, row)).collect()
}

/// One of the patient's care team.
pub async fn member(
    app: &AppState,
    conn: &impl ConnectionTrait,
    patient: PatientId,
    member: AccountId,
) -> ApiResult<CareTeamMember> {
    let values = [patient.0.into(), member.0.into()];
    let sql = format!("{TEAM} AND r.member_id = $2");
    let statement = Statement::from_sql_and_values(conn.get_database_backend(), sql, values);
    let row = TeamRow::find_by_statement(statement).one(conn).await?.ok_or(ApiError::NotFound)?;
    team_member(app, row)
}

/// Who takes part in a patient's care now, by account.
pub async fn members(conn: &impl ConnectionTrait, patient: PatientId) -> ApiResult<Vec<AccountId>> {
    use care_relations::Column::{EndedAt, MemberId, PatientId as Owner, StartedAt};
    Ok(care_relations::Entity::find()
        .select_only()
        .column(MemberId)
        .filter(Owner.eq(patient))
        .filter(EndedAt.is_null())
        .order_by_asc(StartedAt)
        .order_by_asc(MemberId)
        .into_tuple()
        .all(conn)
        .await?)
}

/// One of the staff, whether or not they still take part in anybody's care.
pub struct StaffName {
    pub id: AccountId,
    pub display_name: String,
    pub profession: Option<String>,
    pub active: bool,
}

#[derive(FromQueryResult)]
struct NameRow {
    id: AccountId,
    state: String,
    profession: Option<String>,
    #[sea_orm(nested)]
    name: SealedName,
}

/// What these members of staff are called, in one statement.
pub async fn names(
    app: &AppState,
    conn: &impl ConnectionTrait,
    ids: &BTreeSet<AccountId>,
) -> ApiResult<Vec<StaffName>> {
    let places: Vec<String> = (1..=ids.len()).map(|number| format!("${number}")).collect();
    let sql = format!(
        "SELECT a.id, a.state, a.profession, a.name_sealed, k.kek_id, k.generation, k.wrapped FROM accounts a \
         JOIN data_keys k ON k.owner_kind = 'account' AND k.owner_id = a.id \
         WHERE a.kind = 'staff' AND a.id IN ({}) ORDER BY a.id",
        if places.is_empty() { "NULL".to_owned() } else { places.join(", ") }
    );
    let values: Vec<Value> = ids.iter().map(|id| id.0.into()).collect();
    let statement = Statement::from_sql_and_values(conn.get_database_backend(), sql, values);
    let rows = NameRow::find_by_statement(statement).all(conn).await?;
    let view = |row: NameRow| -> ApiResult<StaffName> {
        Ok(StaffName {
            id: row.id,
            display_name: row.name.of_staff(&app.vault, row.id)?,
            profession: row.profession,
            active: row.state == "active",
        })
    };
    rows.into_iter().map(view).collect()
}

fn team_member(app: &AppState, row: TeamRow) -> ApiResult<CareTeamMember> {
    Ok(CareTeamMember {
        member_id: row.member_id,
        display_name: row.name.of_staff(&app.vault, row.member_id)?,
        profession: row.profession,
        since: row.started_at,
    })
}
