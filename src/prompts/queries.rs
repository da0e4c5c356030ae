//! What a patient's day looks like, which exercises were met lately, and which are favourites.

use std::collections::BTreeSet;

use chrono::{DateTime, Days, Duration, NaiveDate, Utc};
use entity::{ids::PatientId, prompt_favourites, prompt_offers, sessions};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, Set, Statement,
    sea_query::OnConflict,
};

use super::{
    catalogue::{Prompt, catalogue},
    dto::OfferedPrompt,
    rules::{self, Day, PHASE_DAYS, REST_DAYS},
};
use crate::{
    accounts::Patient,
    app::AppState,
    db::WriteTx,
    error::{ApiError, ApiResult},
    reminders::{CALLED_FOR_HELP, LONGEST_SUPPORT, rules::localtime::Zone},
    safety::CrisisResources,
};

/// An exercise as a patient reads it.
pub fn view(prompt: &Prompt, favourites: &BTreeSet<String>, locale: &str) -> OfferedPrompt {
    OfferedPrompt {
        id: prompt.id.clone(),
        category: prompt.category.clone(),
        modality: prompt.modality.clone(),
        minutes: prompt.minutes,
        phase: prompt.phase,
        time_of_day: prompt.time_of_day,
        care: prompt.care,
        text: prompt.text(locale).to_owned(),
        favourite: favourites.contains(&prompt.id),
    }
}

pub async fn favourites(conn: &impl ConnectionTrait, patient: PatientId) -> ApiResult<BTreeSet<String>> {
    let rows = prompt_favourites::Entity::find()
        .filter(prompt_favourites::Column::PatientId.eq(patient))
        .filter(prompt_favourites::Column::Active.eq(true))
        .all(conn)
        .await?;
    Ok(rows.into_iter().map(|row| row.prompt_id).collect())
}

/// Marks a favourite or takes the mark back; 404 for an exercise that does not exist.
pub async fn set_favourite(tx: &WriteTx, patient: PatientId, prompt: &str, active: bool) -> ApiResult<()> {
    if !catalogue().iter().any(|known| known.id == prompt) {
        return Err(ApiError::NotFound);
    }
    let row = prompt_favourites::ActiveModel {
        patient_id: Set(patient),
        prompt_id: Set(prompt.to_owned()),
        sync_seq: Set(tx.sync_seq()),
        active: Set(active),
        updated_at: Set(tx.now()),
    };
    use prompt_favourites::Column::{Active, PatientId as Owner, PromptId, SyncSeq, UpdatedAt};
    let replace =
        OnConflict::columns([Owner, PromptId]).update_columns([SyncSeq, Active, UpdatedAt]).to_owned();
    prompt_favourites::Entity::insert(row).on_conflict(replace).exec_without_returning(tx.conn()).await?;
    Ok(())
}

#[derive(FromQueryResult)]
struct OpenAlert {
    open: bool,
}

/// The patient's day at this instant: two statements, however long the history is.
pub async fn day(
    conn: &impl ConnectionTrait,
    patient: PatientId,
    zone: &Zone,
    now: DateTime<Utc>,
) -> ApiResult<Day> {
    let near = Duration::days(PHASE_DAYS);
    let dosing = sessions::Entity::find()
        .filter(sessions::Column::PatientId.eq(patient))
        .filter(sessions::Column::Kind.eq("dosing"))
        .filter(sessions::Column::State.is_in(["planned", "started", "completed"]))
        .filter(sessions::Column::StartsAt.between(now - near, now + near))
        .all(conn)
        .await?;
    let statement = Statement::from_sql_and_values(
        conn.get_database_backend(),
        format!(
            "SELECT EXISTS (SELECT 1 FROM alerts WHERE patient_id = $1 AND raised_at > $2 \
             AND acknowledged_at IS NULL AND {CALLED_FOR_HELP}) AS open"
        ),
        [patient.0.into(), (now - LONGEST_SUPPORT).into()],
    );
    let alert = OpenAlert::find_by_statement(statement).one(conn).await?;
    let date = zone.local_date(now);
    let is_today = |row: &sessions::Model| {
        zone.local_date(row.starts_at) == date
            || (row.starts_at > now && row.starts_at - now <= Duration::hours(1))
            || (row.starts_at <= now && now < row.ends_at)
    };
    Ok(Day {
        date,
        part: rules::part_of_day(zone.local(now).hour()),
        before_dosing: dosing.iter().any(|row| row.state == "planned" && row.starts_at > now),
        after_dosing: dosing.iter().any(|row| row.state == "completed"),
        dosing_day: dosing.iter().any(is_today),
        alert_open: alert.is_some_and(|alert| alert.open),
    })
}

async fn offers(
    conn: &impl ConnectionTrait,
    patient: PatientId,
    today: NaiveDate,
) -> ApiResult<Vec<prompt_offers::Model>> {
    let since = today - Days::new(REST_DAYS.unsigned_abs());
    Ok(prompt_offers::Entity::find()
        .filter(prompt_offers::Column::PatientId.eq(patient))
        .filter(prompt_offers::Column::LocalDate.gte(since))
        .all(conn)
        .await?)
}

/// The exercise for now and the day it was chosen for. The first look of a day decides and is remembered; it changes
/// only when the chosen one may no longer be offered, such as at night or after an alert.
async fn offer(
    app: &AppState,
    me: &Patient,
    favourites: &BTreeSet<String>,
) -> ApiResult<(Day, &'static Prompt)> {
    let (now, zone) = (app.clock.now(), Zone::parse(&me.zone).map_err(ApiError::internal)?);
    let conn = app.db.reader();
    let day = day(conn, me.id(), &zone, now).await?;
    let mut met = offers(conn, me.id(), day.date).await?;
    met.sort_by_key(|offer| offer.offered_at);
    let of = |id: &str| catalogue().iter().find(|prompt| prompt.id == id);
    let standing = met
        .iter()
        .rev()
        .filter(|offer| offer.local_date == day.date)
        .filter_map(|offer| of(&offer.prompt_id))
        .find(|prompt| rules::may_offer(prompt, &day));
    if let Some(prompt) = standing {
        return Ok((day, prompt));
    }
    let recent = met.into_iter().map(|offer| offer.prompt_id).collect();
    let chosen = rules::choose(catalogue(), me.id().0, &day, &recent, favourites)
        .ok_or_else(|| ApiError::internal("no exercise may be offered"))?;
    app.db.write(&me.writing(), async |tx| remember(tx, me.id(), day.date, &chosen.id).await).await?;
    Ok((day, chosen))
}

async fn remember(tx: &WriteTx, patient: PatientId, date: NaiveDate, prompt: &str) -> ApiResult<()> {
    let row = prompt_offers::ActiveModel {
        patient_id: Set(patient),
        local_date: Set(date),
        prompt_id: Set(prompt.to_owned()),
        offered_at: Set(tx.now()),
    };
    prompt_offers::Entity::insert(row).on_conflict_do_nothing().exec_without_returning(tx.conn()).await?;
    prompt_offers::Entity::delete_many()
        .filter(prompt_offers::Column::PatientId.eq(patient))
        .filter(prompt_offers::Column::LocalDate.lt(date - Days::new(REST_DAYS.unsigned_abs())))
        .exec(tx.conn())
        .await?;
    Ok(())
}

/// The day, the exercise for it, and the patient's favourites.
pub async fn todays(app: &AppState, me: &Patient) -> ApiResult<(Day, &'static Prompt, BTreeSet<String>)> {
    let favourites = favourites(app.db.reader(), me.id()).await?;
    let (day, prompt) = offer(app, me, &favourites).await?;
    Ok((day, prompt, favourites))
}

/// Whom to call, while a safety alert is open.
pub async fn support(app: &AppState, me: &Patient, day: &Day) -> ApiResult<Option<CrisisResources>> {
    if !day.alert_open {
        return Ok(None);
    }
    let country = country(app.db.reader(), me).await?;
    Ok(Some(app.crisis.of(country.as_deref(), &me.locale)))
}

#[derive(FromQueryResult)]
struct Country {
    country: String,
}

/// The country the patient's clinic works in.
async fn country(conn: &impl ConnectionTrait, me: &Patient) -> ApiResult<Option<String>> {
    let statement = Statement::from_sql_and_values(
        conn.get_database_backend(),
        "SELECT country FROM clinics WHERE id = $1",
        [me.clinic.0.into()],
    );
    Ok(Country::find_by_statement(statement).one(conn).await?.map(|row| row.country))
}
