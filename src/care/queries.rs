//! Care relations.

use chrono::{DateTime, Utc};
use entity::{
    care_relations,
    ids::{AccountId, ClinicId, PatientId},
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, Set, Statement,
    sea_query::{Expr, OnConflict},
};

use super::dto::CareTeamMember;
use crate::{
    accounts,
    app::AppState,
    audit::Event,
    db::WriteTx,
    error::{ApiError, ApiResult},
    vault::{KeyOwner, OwnerKind, WrappedKey},
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
    tx.audit(Event::new("care.end", patient, format!("accounts/{member}")));
    tx.wake_scheduler();
    Ok(())
}

#[derive(FromQueryResult)]
struct TeamRow {
    member_id: AccountId,
    profession: Option<String>,
    name_sealed: Vec<u8>,
    started_at: DateTime<Utc>,
    kek_id: String,
    generation: i32,
    wrapped: Vec<u8>,
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

fn team_member(app: &AppState, row: TeamRow) -> ApiResult<CareTeamMember> {
    let key = app.vault.unwrap(&WrappedKey {
        owner: KeyOwner::new(OwnerKind::Account, row.member_id),
        kek_id: row.kek_id,
        generation: row.generation,
        wrapped: row.wrapped,
    })?;
    Ok(CareTeamMember {
        member_id: row.member_id,
        display_name: key.open_text(accounts::name_place(row.member_id), &row.name_sealed)?,
        profession: row.profession,
        since: row.started_at,
    })
}
