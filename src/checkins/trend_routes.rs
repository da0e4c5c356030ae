//! Handlers of trends: the patient's own, and the same numbers for whoever takes part in their care.

use axum::{Json, extract::State};
use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use entity::{checkins, ids::PatientId, sessions};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::trend::{CheckinTrend, Point, TrendQuery, TrendSession, aggregate};
use crate::{
    accounts::Patient,
    app::AppState,
    care::SharedPatient,
    error::{ApiError, ApiResult},
    extract::ValidQuery,
    openapi::Problems,
    reminders::rules::{localtime::Zone, session::SessionState},
};

/// More sessions than anybody has in a span.
const MOST_SESSIONS: u64 = 1_000;

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(get_checkin_trend)).routes(routes!(get_patient_checkin_trend))
}

/// How I was over a span of days, by day or week, with my sessions beside it.
#[utoipa::path(get, path = "/checkins/trend", operation_id = "get_checkin_trend", tag = "checkins",
    params(TrendQuery), responses((status = 200, body = CheckinTrend), Problems))]
async fn get_checkin_trend(
    State(app): State<AppState>,
    me: Patient,
    ValidQuery(query): ValidQuery<TrendQuery>,
) -> ApiResult<Json<CheckinTrend>> {
    Ok(Json(read(app.db.reader(), me.id(), (&me.zone, app.clock.now()), query).await?))
}

/// How a patient in my care was over a span of days. Numbers only; their words stay theirs.
#[utoipa::path(get, path = "/patients/{patient_id}/checkins/trend", operation_id = "get_patient_checkin_trend",
    tag = "checkins", params(("patient_id" = Uuid, Path), TrendQuery),
    responses((status = 200, body = CheckinTrend), Problems))]
async fn get_patient_checkin_trend(
    State(app): State<AppState>,
    shared: SharedPatient,
    ValidQuery(query): ValidQuery<TrendQuery>,
) -> ApiResult<Json<CheckinTrend>> {
    let trend = shared
        .read(&app, "checkins.trend", "checkins".into(), async |conn, scope| {
            read(conn, scope.patient, (&scope.zone, app.clock.now()), query).await
        })
        .await?;
    Ok(Json(trend))
}

/// Two statements, whatever the span.
pub async fn read(
    conn: &impl ConnectionTrait,
    patient: PatientId,
    (zone, now): (&str, DateTime<Utc>),
    query: TrendQuery,
) -> ApiResult<CheckinTrend> {
    let zone = Zone::parse(zone).map_err(ApiError::internal)?;
    let (from, to) = query.span(zone.local_date(now))?;
    let points = points(conn, patient, (from, to)).await?;
    Ok(CheckinTrend {
        from,
        to,
        bucket: query.bucket,
        buckets: aggregate(points, query.bucket),
        sessions: sessions(conn, patient, &zone, (from, to)).await?,
    })
}

type Row = (NaiveDate, i32, Option<i32>, Option<i32>, Option<f64>);

async fn points(
    conn: &impl ConnectionTrait,
    patient: PatientId,
    (from, to): (NaiveDate, NaiveDate),
) -> ApiResult<impl Iterator<Item = Point>> {
    use checkins::Column::{Anxiety, Energy, LocalDate, Mood, PatientId as Owner, SleepHours};
    let rows: Vec<Row> = checkins::Entity::find()
        .select_only()
        .columns([LocalDate, Mood, Anxiety, Energy, SleepHours])
        .filter(Owner.eq(patient))
        .filter(LocalDate.between(from, to))
        .into_tuple()
        .all(conn)
        .await?;
    let point = |(local_date, mood, anxiety, energy, sleep_hours)| Point {
        local_date,
        mood,
        anxiety,
        energy,
        sleep_hours,
    };
    Ok(rows.into_iter().map(point))
}

async fn sessions(
    conn: &impl ConnectionTrait,
    patient: PatientId,
    zone: &Zone,
    (from, to): (NaiveDate, NaiveDate),
) -> ApiResult<Vec<TrendSession>> {
    use sessions::Column::{Kind, PatientId as Owner, StartsAt, State};
    // No zone is further than a day from UTC; the exact cut is made on the patient's own dates.
    let start = (from - Days::new(1)).and_time(NaiveTime::MIN).and_utc();
    let end = (to + Days::new(2)).and_time(NaiveTime::MIN).and_utc();
    let off = [SessionState::Cancelled.as_str(), SessionState::NoShow.as_str()];
    let rows: Vec<(String, DateTime<Utc>)> = sessions::Entity::find()
        .select_only()
        .columns([Kind, StartsAt])
        .filter(Owner.eq(patient))
        .filter(StartsAt.between(start, end))
        .filter(State.is_not_in(off))
        .order_by_asc(StartsAt)
        .limit(MOST_SESSIONS)
        .into_tuple()
        .all(conn)
        .await?;
    let marks = rows.into_iter().map(|(kind, at)| TrendSession { kind, local_date: zone.local_date(at) });
    Ok(marks.filter(|mark| mark.local_date >= from && mark.local_date <= to).collect())
}
