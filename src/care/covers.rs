//! Standing in: for some dates another therapist is told of a colleague's alerts and reads the digest before a session.
//! Nothing that patients shared with the colleague opens by it, it ends by itself, and each patient finds it in their
//! access log.

use axum::{Json, extract::State, http::StatusCode};
use chrono::{DateTime, Datelike, Duration, SubsecRound, Utc};
use entity::{
    covers,
    ids::{AccountId, CoverId, PatientId},
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect, Statement,
    sea_query::{Expr, ExprTrait},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use crate::{
    accounts::{Caller, Staff, Therapist},
    app::AppState,
    audit::Event,
    db::WriteTx,
    error::{ApiError, ApiResult},
    extract::{Once, PathId},
    idempotency::Answer,
    openapi::Problems,
    validate::{Checks, Validate},
};

/// Longest time that somebody stands in.
const LONGEST: Duration = Duration::days(92);
/// Covers shown in a list.
const MOST: u64 = 100;

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(create_cover, list_covers)).routes(routes!(delete_cover))
}

/// Somebody is to stand in for me.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CoverCreate {
    /// Another therapist of my clinic.
    pub covering_member_id: Uuid,
    #[schema(example = "2026-12-21T08:00:00.000Z")]
    pub starts_at: DateTime<Utc>,
    /// At most 92 days later.
    #[schema(example = "2027-01-04T08:00:00.000Z")]
    pub ends_at: DateTime<Utc>,
}

impl Validate for CoverCreate {
    fn validate(&self, checks: &mut Checks) {
        let known = |at: DateTime<Utc>| (1970..=9_000).contains(&at.year());
        checks.require(known(self.starts_at), "/starts_at", "impossible_time", "must be a time of our days");
        let later = self.ends_at > self.starts_at && known(self.ends_at);
        checks.require(later, "/ends_at", "wrong_order", "must be later than starts_at");
        let short = !later || self.ends_at - self.starts_at <= LONGEST;
        checks.require(short, "/ends_at", "too_long", "must lie at most 92 days after starts_at");
    }
}

/// Somebody stands in for somebody, for so long.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Cover {
    #[schema(value_type = Uuid)]
    pub id: CoverId,
    /// Who is away.
    #[schema(value_type = Uuid)]
    pub member_id: AccountId,
    #[schema(value_type = Uuid)]
    pub covering_member_id: AccountId,
    pub starts_at: DateTime<Utc>,
    pub ends_at: DateTime<Utc>,
}

/// Covers that run or are to come, the first to begin first.
#[derive(Debug, Serialize, ToSchema)]
pub struct CoverList {
    pub items: Vec<Cover>,
}

fn view(row: covers::Model) -> Cover {
    Cover {
        id: row.id,
        member_id: row.member_id,
        covering_member_id: row.covering_id,
        starts_at: row.starts_at,
        ends_at: row.ends_at,
    }
}

/// Let somebody stand in for me for some dates: they are told of my patients' alerts and read the digest before a
/// session. What was shared with me stays closed to them.
#[utoipa::path(post, path = "/covers", operation_id = "create_cover", tag = "care",
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repeated request have one effect.")),
    request_body = CoverCreate, responses((status = 201, body = Cover), Problems))]
async fn create_cover(
    State(app): State<AppState>,
    me: Therapist,
    Once { input, replay }: Once<CoverCreate>,
) -> ApiResult<Answer> {
    app.db
        .write_once(&me.writing(), replay.as_ref(), &me.key, async |tx| {
            Answer::created(&view(insert(tx, &me, &input).await?), None)
        })
        .await
}

/// Who stands in for me, and for whom I stand in, now or later.
#[utoipa::path(get, path = "/covers", operation_id = "list_covers", tag = "care",
    responses((status = 200, body = CoverList), Problems))]
async fn list_covers(State(app): State<AppState>, me: Staff) -> ApiResult<Json<CoverList>> {
    use covers::Column::{CoveringId, EndedAt, EndsAt, Id, MemberId, StartsAt};
    let rows = covers::Entity::find()
        .filter(Condition::any().add(MemberId.eq(me.account)).add(CoveringId.eq(me.account)))
        .filter(EndedAt.is_null())
        .filter(EndsAt.gt(app.clock.now()))
        .order_by_asc(StartsAt)
        .order_by_asc(Id)
        .limit(MOST)
        .all(app.db.reader())
        .await?;
    Ok(Json(CoverList { items: rows.into_iter().map(view).collect() }))
}

/// End standing in before its time; either of the two may.
#[utoipa::path(delete, path = "/covers/{id}", operation_id = "delete_cover", tag = "care",
    params(("id" = Uuid, Path)), responses((status = 204, description = "Ended"), Problems))]
async fn delete_cover(
    State(app): State<AppState>,
    me: Staff,
    PathId(id): PathId<CoverId>,
) -> ApiResult<StatusCode> {
    app.db.write(&me.writing(), async |tx| end(tx, &me, id).await).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn insert(tx: &WriteTx, me: &Caller, input: &CoverCreate) -> ApiResult<covers::Model> {
    if input.ends_at <= tx.now() {
        return Err(ApiError::invalid_field("/ends_at", "in_the_past", "must lie in the future"));
    }
    let covering = AccountId(input.covering_member_id);
    check_covering(tx, me, covering).await?;
    let row = covers::Model {
        id: CoverId(tx.new_id()),
        clinic_id: me.clinic,
        member_id: me.account,
        covering_id: covering,
        starts_at: input.starts_at.trunc_subsecs(3),
        ends_at: input.ends_at.trunc_subsecs(3),
        set_by: me.account,
        created_at: tx.now(),
        ended_at: None,
    };
    let active: covers::ActiveModel = row.clone().into();
    covers::Entity::insert(active.reset_all()).exec_without_returning(tx.conn()).await?;
    for patient in patients_of(tx, me.account).await? {
        tx.audit(Event::new("care.cover", patient, format!("accounts/{covering}")));
    }
    tx.wake_scheduler();
    Ok(row)
}

async fn check_covering(tx: &WriteTx, me: &Caller, member: AccountId) -> ApiResult<()> {
    let statement = Statement::from_sql_and_values(
        tx.conn().get_database_backend(),
        "SELECT 1 AS one FROM accounts WHERE id = $1 AND clinic_id = $2 AND id <> $3 AND kind = 'staff' \
         AND state = 'active' AND capabilities LIKE '%therapist%'",
        [member.0.into(), me.clinic.0.into(), me.account.0.into()],
    );
    let known = tx.conn().query_one_raw(statement).await?.map(drop);
    known.ok_or_else(|| {
        let detail = "is no other therapist of this clinic; ask your admin for the list";
        ApiError::invalid_field("/covering_member_id", "unknown_member", detail)
    })
}

async fn patients_of(tx: &WriteTx, member: AccountId) -> ApiResult<Vec<PatientId>> {
    use entity::care_relations::{Column, Entity};
    Ok(Entity::find()
        .select_only()
        .column(Column::PatientId)
        .filter(Column::MemberId.eq(member))
        .filter(Column::EndedAt.is_null())
        .order_by_asc(Column::PatientId)
        .into_tuple()
        .all(tx.conn())
        .await?)
}

async fn end(tx: &WriteTx, me: &Caller, id: CoverId) -> ApiResult<()> {
    use covers::Column::{CoveringId, EndedAt, EndsAt, Id, MemberId};
    let ended = covers::Entity::update_many()
        .col_expr(EndedAt, Expr::value(tx.now()))
        .filter(Id.eq(id))
        .filter(MemberId.eq(me.account).or(CoveringId.eq(me.account)))
        .filter(EndedAt.is_null())
        .filter(EndsAt.gt(tx.now()))
        .exec(tx.conn())
        .await?;
    if ended.rows_affected == 0 {
        return Err(ApiError::NotFound);
    }
    let who = covers::Entity::find_by_id(id).one(tx.conn()).await?.map_or(me.account, |row| row.member_id);
    for patient in patients_of(tx, who).await? {
        tx.audit(Event::new("care.cover_end", patient, format!("covers/{id}")));
    }
    Ok(())
}
