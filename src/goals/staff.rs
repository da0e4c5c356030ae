//! What a therapist does with goals: propose one, and read what they proposed or what was shared with them.

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use entity::{
    accounts, goals,
    ids::{AccountId, GoalId, PatientId},
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect,
    Statement, Value,
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    dto::{GoalProposal, SharedGoal, SharedGoalList},
    queries::{self, Draft},
    rules::Words,
    status::GoalStatus,
};
use crate::{
    app::AppState,
    care::{Scope, SharedPatient},
    db::WriteTx,
    error::{ApiError, ApiResult},
    extract::{Once, PathId, ValidQuery},
    idempotency::Answer,
    openapi::Problems,
    page::{Cursor, PageQuery},
    vault::DataKey,
};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(propose_goal, list_patient_goals)).routes(routes!(get_patient_goal))
}

#[derive(FromQueryResult)]
struct Row {
    id: GoalId,
    state: String,
    template_id: Option<String>,
    detail_sealed: Vec<u8>,
    proposed_by: Option<AccountId>,
    agreed_at: Option<DateTime<Utc>>,
    state_changed_at: DateTime<Utc>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// A proposal is its author's to read until the patient agrees; from then on the share decides.
const READABLE: &str = "SELECT g.id, g.state, g.template_id, g.detail_sealed, g.proposed_by, g.agreed_at, \
     g.state_changed_at, g.created_at, g.updated_at FROM goals g \
     LEFT JOIN goal_shares s ON s.patient_id = g.patient_id AND s.goal_id = g.id AND s.member_id = $2 \
     AND s.ended_at IS NULL AND (s.until IS NULL OR s.until > $3) \
     WHERE g.patient_id = $1 AND (s.goal_id IS NOT NULL OR (g.proposed_by = $2 AND g.agreed_at IS NULL))";

impl From<goals::Model> for Row {
    fn from(row: goals::Model) -> Self {
        Self {
            id: row.id,
            state: row.state,
            template_id: row.template_id,
            detail_sealed: row.detail_sealed,
            proposed_by: row.proposed_by,
            agreed_at: row.agreed_at,
            state_changed_at: row.state_changed_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

async fn select(
    conn: &impl ConnectionTrait,
    patient: PatientId,
    (member, now): (AccountId, DateTime<Utc>),
    rest: &str,
    values: Vec<Value>,
) -> ApiResult<Vec<Row>> {
    let mut all: Vec<Value> = vec![patient.0.into(), member.0.into(), now.into()];
    all.extend(values);
    let statement =
        Statement::from_sql_and_values(conn.get_database_backend(), format!("{READABLE} {rest}"), all);
    Ok(Row::find_by_statement(statement).all(conn).await?)
}

fn view(row: Row, key: &DataKey) -> ApiResult<SharedGoal> {
    let detail = queries::detail(row.id, &row.detail_sealed, key)?;
    Ok(SharedGoal {
        id: row.id,
        lifecycle_status: queries::status(&row.state)?,
        status_changed_at: row.state_changed_at,
        template_id: row.template_id,
        title: detail.title,
        description: detail.description,
        steps: detail.steps,
        target: detail.target,
        proposed_by: row.proposed_by,
        agreed_at: row.agreed_at,
        created_at: row.created_at,
        updated_at: row.updated_at,
    })
}

/// Every goal that a member may read now, the oldest first.
pub async fn readable_by(
    conn: &impl ConnectionTrait,
    patient: PatientId,
    by: (AccountId, DateTime<Utc>),
    key: &DataKey,
) -> ApiResult<Vec<SharedGoal>> {
    let rows = select(conn, patient, by, "ORDER BY g.created_at, g.id", vec![]).await?;
    rows.into_iter().map(|row| view(row, key)).collect()
}

/// Every goal of a patient, in the same form, the oldest first.
pub async fn all_own(
    conn: &impl ConnectionTrait,
    patient: PatientId,
    key: &DataKey,
) -> ApiResult<Vec<SharedGoal>> {
    let rows = goals::Entity::find()
        .filter(goals::Column::PatientId.eq(patient))
        .order_by_asc(goals::Column::CreatedAt)
        .order_by_asc(goals::Column::Id)
        .all(conn)
        .await?;
    rows.into_iter().map(|row| view(row.into(), key)).collect()
}

/// Propose a goal to a patient in my care. It counts once they agree.
#[utoipa::path(post, path = "/patients/{patient_id}/goals", operation_id = "propose_goal", tag = "goals",
    params(("patient_id" = Uuid, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeated request have one effect.")),
    request_body = GoalProposal, responses((status = 201, body = SharedGoal), Problems))]
async fn propose_goal(
    State(app): State<AppState>,
    shared: SharedPatient,
    Once { input, replay }: Once<GoalProposal>,
) -> ApiResult<Answer> {
    let id = GoalId(app.random.uuid_v7(app.clock.now()));
    let me = shared.therapist().account;
    shared
        .write_once(&app, "goals.propose", format!("goals/{id}"), replay.as_ref(), async |tx, scope| {
            let goal = propose(tx, scope, (id, me), Words::of_proposal(input)).await?;
            Answer::created(&goal, None)
        })
        .await
}

async fn propose(
    tx: &WriteTx,
    scope: &Scope,
    (id, member): (GoalId, AccountId),
    words: Words,
) -> ApiResult<SharedGoal> {
    let locale = locale_of(tx.conn(), scope.patient).await?;
    let setting = queries::setting(tx, &scope.zone, &locale)?;
    let template_id = words.template_id.clone();
    let detail = words.detail(&setting, || tx.new_id())?;
    let draft = Draft { id, status: GoalStatus::Proposed, template_id, detail, proposed_by: Some(member) };
    let row = queries::insert(tx, scope.patient, &scope.key, draft).await?;
    view(row.into(), &scope.key)
}

/// A template's words are for the patient, so they come in the patient's language.
async fn locale_of(conn: &impl ConnectionTrait, patient: PatientId) -> ApiResult<String> {
    accounts::Entity::find_by_id(AccountId::from(patient))
        .select_only()
        .column(accounts::Column::Locale)
        .into_tuple()
        .one(conn)
        .await?
        .ok_or(ApiError::NotFound)
}

/// List the goals of this patient that I proposed or that were shared with me, newest first.
#[utoipa::path(get, path = "/patients/{patient_id}/goals", operation_id = "list_patient_goals", tag = "goals",
    params(("patient_id" = Uuid, Path), PageQuery), responses((status = 200, body = SharedGoalList), Problems))]
async fn list_patient_goals(
    State(app): State<AppState>,
    shared: SharedPatient,
    ValidQuery(query): ValidQuery<PageQuery>,
) -> ApiResult<Json<SharedGoalList>> {
    let me = shared.therapist().account;
    let page = query.page(&app.cursor_mac, me.0, &shared.list("list_patient_goals"))?;
    let (after, limit) = page.bounds();
    let by = (me, app.clock.now());
    let list = shared
        .read(&app, "goals.list", "goals".into(), async |conn, scope| {
            let rest = "AND (g.created_at, g.id) < ($4, $5) ORDER BY g.created_at DESC, g.id DESC LIMIT $6";
            let values = vec![after.at.into(), after.id.into(), limit.into()];
            let mut rows = select(conn, scope.patient, by, rest, values).await?;
            let next_cursor =
                page.finish(&mut rows, &app.cursor_mac, |row| Cursor { at: row.created_at, id: row.id.0 });
            let items = rows.into_iter().map(|row| view(row, &scope.key)).collect::<ApiResult<_>>()?;
            Ok(SharedGoalList { items, next_cursor })
        })
        .await?;
    Ok(Json(list))
}

/// Read a goal of this patient that I proposed or that was shared with me.
#[utoipa::path(get, path = "/patients/{patient_id}/goals/{id}", operation_id = "get_patient_goal", tag = "goals",
    params(("patient_id" = Uuid, Path), ("id" = Uuid, Path)),
    responses((status = 200, body = SharedGoal), Problems))]
async fn get_patient_goal(
    State(app): State<AppState>,
    shared: SharedPatient,
    PathId(id): PathId<GoalId>,
) -> ApiResult<Json<SharedGoal>> {
    let by = (shared.therapist().account, app.clock.now());
    let goal = shared
        .read(&app, "goals.read", format!("goals/{id}"), async |conn, scope| {
            let rows = select(conn, scope.patient, by, "AND g.id = $4", vec![id.0.into()]).await?;
            view(rows.into_iter().next().ok_or(ApiError::NotFound)?, &scope.key)
        })
        .await?;
    Ok(Json(goal))
}
