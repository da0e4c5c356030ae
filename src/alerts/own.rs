//! What became of a patient's answers that called for somebody: who was told, and when. It says nothing of why, and
//! never that somebody is safe.

use std::collections::HashMap;

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use entity::ids::{AccountId, AlertId, PatientId};
use sea_orm::{ConnectionTrait, FromQueryResult, Statement, Value};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::dto::{AlertTold, OwnAlert, OwnAlertList};
use crate::{
    accounts::{Patient, SealedName},
    app::AppState,
    error::ApiResult,
    extract::ValidQuery,
    journal,
    measures::Responder,
    openapi::Problems,
    page::{Cursor, Page, PageQuery},
};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_own_alerts))
}

#[derive(FromQueryResult)]
struct Row {
    id: AlertId,
    source_kind: String,
    source_id: Uuid,
    raised_at: DateTime<Utc>,
    acknowledged_at: Option<DateTime<Utc>>,
    acknowledged_by: Option<AccountId>,
    #[sea_orm(nested)]
    name: Option<SealedName>,
}

/// Only those that somebody has to look at the same day; what waits for the next review is talked about there.
const OWN: &str = "SELECT o.id, o.source_kind, o.source_id, o.raised_at, o.acknowledged_at, o.acknowledged_by, \
     s.name_sealed, k.kek_id, k.generation, k.wrapped FROM alerts o \
     LEFT JOIN accounts s ON s.id = o.acknowledged_by \
     LEFT JOIN data_keys k ON k.owner_kind = 'account' AND k.owner_id = o.acknowledged_by \
     WHERE o.patient_id = $1 AND o.next_at IS NOT NULL AND (o.raised_at, o.id) < ($2, $3) \
     ORDER BY o.raised_at DESC, o.id DESC LIMIT $4";

/// What became of my answers that called for somebody: who was told and when, and who has seen it; newest first.
#[utoipa::path(get, path = "/me/alerts", operation_id = "list_own_alerts", tag = "safety", params(PageQuery),
    responses((status = 200, body = OwnAlertList), Problems))]
async fn list_own_alerts(
    State(app): State<AppState>,
    me: Patient,
    ValidQuery(query): ValidQuery<PageQuery>,
) -> ApiResult<Json<OwnAlertList>> {
    let page = query.page(&app.cursor_mac, me.account.0, "list_own_alerts")?;
    let conn = app.db.reader();
    let mut rows = rows(conn, me.id(), &page).await?;
    let next_cursor =
        page.finish(&mut rows, &app.cursor_mac, |row| Cursor { at: row.raised_at, id: row.id.0 });
    let mut told = told(conn, me.id()).await?;
    let items = rows.into_iter().map(|row| {
        let told = told.remove(&row.id.0).unwrap_or_default();
        view(&app, row, told)
    });
    let items = items.collect::<ApiResult<_>>()?;
    Ok(Json(OwnAlertList { items, next_cursor, notice: journal::not_monitored(&me.locale) }))
}

async fn rows(conn: &impl ConnectionTrait, patient: PatientId, page: &Page) -> ApiResult<Vec<Row>> {
    let (after, limit) = page.bounds();
    let values: [Value; 4] = [patient.0.into(), after.at.into(), after.id.into(), limit.into()];
    let statement = Statement::from_sql_and_values(conn.get_database_backend(), OWN, values);
    Ok(Row::find_by_statement(statement).all(conn).await?)
}

#[derive(FromQueryResult)]
struct Told {
    origin_id: Uuid,
    category: String,
    at: DateTime<Utc>,
}

/// The first time each kind of person was reached about each alert, by push or by mail.
async fn told(conn: &impl ConnectionTrait, patient: PatientId) -> ApiResult<HashMap<Uuid, Vec<AlertTold>>> {
    let statement = Statement::from_sql_and_values(
        conn.get_database_backend(),
        "SELECT n.origin_id, n.category, MIN(CASE WHEN n.accepted_at IS NULL OR n.mailed_at < n.accepted_at \
         THEN n.mailed_at ELSE n.accepted_at END) AS at FROM alerts o \
         JOIN notifications n ON n.origin_id = o.id AND n.origin_kind = 'alert' \
         WHERE o.patient_id = $1 AND (n.accepted_at IS NOT NULL OR n.mailed_at IS NOT NULL) \
         GROUP BY n.origin_id, n.category",
        [patient.0.into()],
    );
    let mut all: HashMap<Uuid, Vec<AlertTold>> = HashMap::new();
    for row in Told::find_by_statement(statement).all(conn).await? {
        let to = match row.category.as_str() {
            "alert_care_team" => Responder::CareTeam,
            "alert_covering" => Responder::CoveringClinician,
            _ => Responder::ClinicLine,
        };
        all.entry(row.origin_id).or_default().push(AlertTold { to, at: row.at });
    }
    for told in all.values_mut() {
        told.sort_by_key(|one| one.at);
    }
    Ok(all)
}

fn view(app: &AppState, row: Row, told: Vec<AlertTold>) -> ApiResult<OwnAlert> {
    let seen_by = row.acknowledged_by.zip(row.name);
    let seen_by = seen_by.map(|(member, name)| name.of_staff(&app.vault, member)).transpose()?;
    Ok(OwnAlert {
        id: row.id,
        source_kind: row.source_kind,
        source_id: row.source_id,
        raised_at: row.raised_at,
        told,
        seen_at: row.acknowledged_at,
        seen_by,
    })
}
