//! What a digest is made of, read with a fixed number of statements, whatever a patient has.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, Utc};
use entity::{
    accounts as account_rows,
    ids::{AccountId, JournalEntryId, PatientId},
    measure_assignments, plans, sessions,
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, EntityTrait, FromQueryResult, QueryFilter, QueryOrder,
    QuerySelect, Statement,
};

use super::{
    dto::{
        Digest, DigestDays, DigestMeasure, DigestSession, LastSession, MissingForm, PlanPosition, TalkAbout,
    },
    texts::texts,
};
use crate::{
    accounts::{self, Caller},
    alerts,
    app::AppState,
    care::Scope,
    checkins::{TrendQuery, read_trend},
    consents::{self, Purpose},
    content::{in_locale, protocols},
    error::{ApiError, ApiResult},
    journal::{self, Body},
    measures::{
        Catalogue, Measure, MeasureChange,
        scoring::{Earlier, change},
    },
    reminders::rules::localtime::Zone,
    sessions::{checklist, shared_intention},
};

/// More sessions than a patient has in years.
const MOST_SESSIONS: u64 = 500;
const MOST_RESULTS: i64 = 2_000;
const MOST_ENTRIES: i64 = 20;
/// Totals of a course.
const COURSE: usize = 12;

/// Who reads.
pub struct Reader<'a> {
    pub me: &'a Caller,
    pub covering: bool,
    pub now: DateTime<Utc>,
}

/// Everything that this reader may see of the patient.
pub async fn load(
    app: &AppState,
    conn: &DatabaseConnection,
    scope: &Scope,
    reader: &Reader<'_>,
) -> ApiResult<Digest> {
    let (me, now, patient) = (reader.me, reader.now, scope.patient);
    let zone = Zone::parse(&scope.zone).map_err(ApiError::internal)?;
    let to = zone.local_date(now);
    let from = to - Days::new(13);
    let query = TrendQuery { from: Some(from), to: Some(to), ..TrendQuery::default() };
    let trend = read_trend(conn, patient, (&scope.zone, now), query).await?;
    let appointments = appointments(conn, patient).await?;
    let row = account_rows::Entity::find_by_id(AccountId::from(patient)).one(conn).await?;
    let row = row.ok_or(ApiError::NotFound)?;
    Ok(Digest {
        patient_id: patient,
        display_name: scope.key.open_text(accounts::name_place(row.id), &row.name_sealed)?,
        generated_at: now,
        covering: reader.covering,
        last_looked_at: last_looked(conn, patient, me.account).await?,
        alerts: alerts::open_of(app, conn, (me, now), patient).await?,
        next_session: next_session(conn, scope, &appointments, reader).await?,
        last_session: last_session(&appointments, &me.locale, now),
        plan: plan(conn, patient, &appointments, &me.locale).await?,
        to_talk_about: to_talk_about(conn, scope, reader).await?,
        measures: measures(conn, patient, &app.measures, &me.locale).await?,
        missing_forms: missing(conn, patient, &app.measures, (&me.locale, now)).await?,
        days: DigestDays { from, to, days: trend.buckets, sessions: trend.sessions },
    })
}

/// When this member last read this patient's digest.
async fn last_looked(
    conn: &impl ConnectionTrait,
    patient: PatientId,
    me: AccountId,
) -> ApiResult<Option<DateTime<Utc>>> {
    let statement = Statement::from_sql_and_values(
        conn.get_database_backend(),
        "SELECT at FROM audit_events WHERE subject_id = $1 AND actor_id = $2 AND action = 'review.digest' \
         AND outcome = 'done' ORDER BY at DESC LIMIT 1",
        [patient.0.into(), me.0.into()],
    );
    Ok(conn.query_one_raw(statement).await?.map(|row| row.try_get("", "at")).transpose()?)
}

/// The latest first.
async fn appointments(conn: &impl ConnectionTrait, patient: PatientId) -> ApiResult<Vec<sessions::Model>> {
    use sessions::Column::{Id, PatientId as Owner, StartsAt};
    Ok(sessions::Entity::find()
        .filter(Owner.eq(patient))
        .order_by_desc(StartsAt)
        .order_by_desc(Id)
        .limit(MOST_SESSIONS)
        .all(conn)
        .await?)
}

pub fn kind_title(kind: &str, locale: &str) -> String {
    let known = protocols().session_kind(kind);
    known.and_then(|known| in_locale(&known.title, locale)).cloned().unwrap_or_else(|| kind.to_owned())
}

async fn next_session(
    conn: &impl ConnectionTrait,
    scope: &Scope,
    appointments: &[sessions::Model],
    reader: &Reader<'_>,
) -> ApiResult<Option<DigestSession>> {
    let ahead = |row: &&sessions::Model| {
        matches!(row.state.as_str(), "planned" | "started") && row.ends_at > reader.now
    };
    let Some(row) = appointments.iter().rev().find(ahead) else { return Ok(None) };
    let locale = &reader.me.locale;
    let may = consents::holds(conn, scope.patient, Purpose::SharingWithCareTeam).await?;
    let intention = if may { shared_intention(row, &scope.key)? } else { None };
    Ok(Some(DigestSession {
        id: row.id,
        kind: row.kind.clone(),
        title: kind_title(&row.kind, locale),
        location: row.location.clone(),
        starts_at: row.starts_at,
        readiness: checklist(conn, row, locale).await?,
        intention,
    }))
}

fn last_session(appointments: &[sessions::Model], locale: &str, now: DateTime<Utc>) -> Option<LastSession> {
    let row = appointments.iter().find(|row| row.state == "completed" && row.starts_at <= now)?;
    Some(LastSession {
        id: row.id,
        kind: row.kind.clone(),
        title: kind_title(&row.kind, locale),
        starts_at: row.starts_at,
    })
}

/// The plan that was started last and is under way.
async fn plan(
    conn: &impl ConnectionTrait,
    patient: PatientId,
    appointments: &[sessions::Model],
    locale: &str,
) -> ApiResult<Option<PlanPosition>> {
    use plans::Column::{CreatedAt, PatientId as Owner, State};
    let row = plans::Entity::find()
        .filter(Owner.eq(patient))
        .filter(State.eq("active"))
        .order_by_desc(CreatedAt)
        .one(conn)
        .await?;
    Ok(row.map(|row| {
        let of_plan = || appointments.iter().filter(|one| one.plan_id == Some(row.id.0));
        let template = protocols().plan_templates.iter().find(|one| one.id == row.template_id);
        let title = template.and_then(|template| in_locale(&template.title, locale));
        PlanPosition {
            title: title.cloned().unwrap_or_else(|| row.template_id.clone()),
            done: of_plan().filter(|one| one.state == "completed").count(),
            sessions: of_plan().filter(|one| one.state != "cancelled").count(),
            template_id: row.template_id,
        }
    }))
}

#[derive(FromQueryResult)]
struct TalkRow {
    id: JournalEntryId,
    template_id: String,
    template_version: String,
    shared_at: DateTime<Utc>,
    reviewed_at: Option<DateTime<Utc>>,
    revision: i32,
    body_sealed: Vec<u8>,
}

/// Marked entries that are shared with this very reader.
async fn to_talk_about(
    conn: &impl ConnectionTrait,
    scope: &Scope,
    reader: &Reader<'_>,
) -> ApiResult<Vec<TalkAbout>> {
    let sql = format!(
        "SELECT s.entry_id AS id, s.template_id, s.template_version, s.shared_at, s.reviewed_at, s.revision, \
         s.body_sealed FROM {} WHERE s.patient_id = $1 AND s.member_id = $2 AND s.to_talk_about \
         ORDER BY s.shared_at DESC, s.entry_id DESC LIMIT $4",
        journal::readable("$3")
    );
    let values = [scope.patient.0.into(), reader.me.account.0.into(), reader.now.into(), MOST_ENTRIES.into()];
    let statement = Statement::from_sql_and_values(conn.get_database_backend(), sql, values);
    let rows = TalkRow::find_by_statement(statement).all(conn).await?;
    let view = |row: TalkRow| -> ApiResult<TalkAbout> {
        let body: Body =
            scope.key.open_json(journal::revision_place(row.id, row.revision), &row.body_sealed)?;
        let locale = &reader.me.locale;
        Ok(TalkAbout {
            entry_id: row.id,
            title: body.title,
            template_title: journal::template_title(&row.template_id, &row.template_version, locale),
            shared_at: row.shared_at,
            reviewed: row.reviewed_at.is_some(),
        })
    };
    rows.into_iter().map(view).collect()
}

#[derive(FromQueryResult)]
struct Scored {
    measure_id: String,
    taken_at: DateTime<Utc>,
    total: f64,
    band: Option<String>,
}

/// The latest results of every questionnaire that the care team sees, by its id.
async fn measures(
    conn: &impl ConnectionTrait,
    patient: PatientId,
    catalogue: &Catalogue,
    locale: &str,
) -> ApiResult<Vec<DigestMeasure>> {
    let sql = "SELECT measure_id, taken_at, total, band FROM measure_responses WHERE patient_id = $1 \
         AND total IS NOT NULL AND (assignment_id IS NOT NULL OR shared_at IS NOT NULL) \
         ORDER BY taken_at DESC, id DESC LIMIT $2";
    let values = [patient.0.into(), MOST_RESULTS.into()];
    let statement = Statement::from_sql_and_values(conn.get_database_backend(), sql, values);
    let mut by_measure: BTreeMap<String, Vec<Scored>> = BTreeMap::new();
    for row in Scored::find_by_statement(statement).all(conn).await? {
        by_measure.entry(row.measure_id.clone()).or_default().push(row);
    }
    Ok(by_measure
        .into_values()
        .filter_map(|rows| beside(catalogue.find(&rows.first()?.measure_id)?, &rows, locale))
        .collect())
}

/// The latest of some results of one questionnaire, which come latest first, beside the others.
fn beside(measure: &Measure, rows: &[Scored], locale: &str) -> Option<DigestMeasure> {
    let (latest, score) = (rows.first()?, measure.principal()?);
    let previous = rows.get(1);
    let baseline = rows.last().filter(|_| rows.len() > 1);
    let earlier =
        Earlier { previous: previous.map(|row| row.total), baseline: baseline.map(|row| row.total) };
    let band = latest.band.as_ref().and_then(|id| score.bands.iter().find(|band| band.id == *id));
    let change: Option<MeasureChange> = change(measure, latest.total, earlier).map(Into::into);
    let note = change.as_ref().and_then(|change| note(change, locale));
    let mut course: Vec<f64> = rows.iter().take(COURSE).map(|row| row.total).collect();
    course.reverse();
    Some(DigestMeasure {
        measure_id: measure.id.clone(),
        title: measure.short_title.clone(),
        taken_at: latest.taken_at,
        total: latest.total,
        max: score.max,
        band: band.and_then(|band| in_locale(&band.label, locale)).cloned(),
        previous_at: previous.map(|row| row.taken_at),
        baseline_at: baseline.map(|row| row.taken_at),
        change,
        note,
        course,
    })
}

/// What a change since the last time means, where thresholds are published.
fn note(change: &MeasureChange, locale: &str) -> Option<String> {
    let key = match (change.direction?, change.reliable) {
        ("better", Some(true)) => "better_reliable",
        ("better", Some(false)) => "better_unreliable",
        ("better", None) => "better",
        ("worse", Some(true)) => "worse_reliable",
        ("worse", Some(false)) => "worse_unreliable",
        ("worse", None) => "worse",
        _ => "same",
    };
    texts(locale).notes.get(key).cloned()
}

/// What was asked for and is still open, the first due first.
async fn missing(
    conn: &impl ConnectionTrait,
    patient: PatientId,
    catalogue: &Catalogue,
    (locale, now): (&str, DateTime<Utc>),
) -> ApiResult<Vec<MissingForm>> {
    use measure_assignments::Column::{DueAt, Id, OpensAt, PatientId as Owner, State};
    let rows = measure_assignments::Entity::find()
        .filter(Owner.eq(patient))
        .filter(State.eq("open"))
        .filter(OpensAt.lte(now))
        .order_by_asc(DueAt)
        .order_by_asc(Id)
        .limit(50)
        .all(conn)
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| MissingForm {
            assignment_id: row.id,
            title: catalogue
                .find(&row.measure_id)
                .map_or_else(|| row.measure_id.clone(), |measure| measure.title_in(locale).to_owned()),
            measure_id: row.measure_id,
            due_at: row.due_at,
            overdue: row.due_at < now,
        })
        .collect())
}
