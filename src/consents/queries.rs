//! Rows of consents: appended, never changed. The patient is part of every predicate.

use chrono::{DateTime, Duration, Utc};
use entity::{
    consents,
    ids::{ConsentId, PatientId},
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder,
    Statement,
};

use super::{
    dto::{Consent, ConsentCreate, ConsentDecision, ConsentStanding, ConsentState},
    texts::{self, Purpose},
};
use crate::{
    audit::Event,
    care,
    db::WriteTx,
    error::{ApiError, ApiResult},
    measures,
    page::Page,
    reminders, sessions,
    vault::DataKey,
};

/// Whether a purpose may be served: nobody has withdrawn it.
pub async fn holds(conn: &impl ConnectionTrait, patient: PatientId, purpose: Purpose) -> ApiResult<bool> {
    Ok(latest(conn, patient, purpose).await?.is_none_or(|row| row.withdrawn_at.is_none()))
}

/// Whether the patient's consent to sharing stands.
pub async fn may_share(conn: &impl ConnectionTrait, patient: PatientId) -> ApiResult<bool> {
    holds(conn, patient, Purpose::SharingWithCareTeam).await
}

/// 409 while the patient's consent to sharing is withdrawn. Everything that shares asks this under the patient's lock.
pub async fn require_sharing(conn: &impl ConnectionTrait, patient: PatientId) -> ApiResult<()> {
    if may_share(conn, patient).await? {
        return Ok(());
    }
    Err(ApiError::conflict(
        "sharing_withdrawn",
        "Your consent to sharing is withdrawn. Give it again under consents, then share.",
    ))
}

async fn latest(
    conn: &impl ConnectionTrait,
    patient: PatientId,
    purpose: Purpose,
) -> ApiResult<Option<consents::Model>> {
    Ok(consents::Entity::find()
        .filter(consents::Column::PatientId.eq(patient))
        .filter(consents::Column::Purpose.eq(purpose.as_str()))
        .order_by_desc(consents::Column::GivenAt)
        .one(conn)
        .await?)
}

const STANDING: &str = "SELECT c.* FROM consents c WHERE c.patient_id = $1 AND NOT EXISTS (SELECT 1 FROM consents n \
     WHERE n.patient_id = c.patient_id AND n.purpose = c.purpose AND n.given_at > c.given_at)";

/// How every purpose stands.
pub async fn standing(conn: &impl ConnectionTrait, patient: PatientId) -> ApiResult<Vec<ConsentStanding>> {
    let statement = Statement::from_sql_and_values(conn.get_database_backend(), STANDING, [patient.0.into()]);
    let rows = consents::Model::find_by_statement(statement).all(conn).await?;
    let stands = |purpose: Purpose| {
        let row = rows.iter().find(|row| row.purpose == purpose.as_str());
        ConsentStanding {
            purpose,
            state: match row.map(|row| row.withdrawn_at.is_some()) {
                None => ConsentState::NotAsked,
                Some(false) => ConsentState::Given,
                Some(true) => ConsentState::Withdrawn,
            },
            text_version: row.map(|row| row.text_version.clone()),
            current_version: texts::current(purpose).version.clone(),
        }
    };
    Ok(Purpose::ALL.into_iter().map(stands).collect())
}

/// A page of answers, latest first.
pub async fn list(
    conn: &impl ConnectionTrait,
    patient: PatientId,
    page: &Page,
) -> ApiResult<Vec<consents::Model>> {
    let query = consents::Entity::find().filter(consents::Column::PatientId.eq(patient));
    Ok(page.newest_first(query, consents::Column::GivenAt, consents::Column::Id).all(conn).await?)
}

/// Every answer of a patient, the latest first.
pub async fn all(conn: &impl ConnectionTrait, patient: PatientId) -> ApiResult<Vec<consents::Model>> {
    Ok(consents::Entity::find()
        .filter(consents::Column::PatientId.eq(patient))
        .order_by_desc(consents::Column::GivenAt)
        .all(conn)
        .await?)
}

pub fn view(row: consents::Model) -> Consent {
    Consent {
        id: row.id,
        purpose: row.purpose,
        decision: if row.withdrawn_at.is_some() {
            ConsentDecision::Withdrawn
        } else {
            ConsentDecision::Given
        },
        text_version: row.text_version,
        language: row.locale,
        text_sha256: row.text_hash,
        decided_at: row.given_at,
        ended_by_restore: row.ended_by.is_some(),
    }
}

/// What was shown, as the answer says: version, language and hash.
struct Shown {
    version: String,
    language: String,
    hash: String,
}

/// 422 for a text that is not the current one; withdrawing may name any text that was ever shown, or none.
fn shown(input: &ConsentCreate, locale: &str) -> ApiResult<Shown> {
    let current = texts::current(input.purpose);
    let text = match &input.text_version {
        None => current,
        Some(version) => {
            let known = texts::find(input.purpose, version);
            let allowed =
                known.filter(|_| input.decision == ConsentDecision::Withdrawn || *version == current.version);
            allowed.ok_or_else(|| {
                let detail = format!(
                    "is not the current text; show version {} from GET /v1/consent-texts and ask again",
                    current.version
                );
                ApiError::invalid_field("/text_version", "text_not_current", detail)
            })?
        }
    };
    let (language, words) = match &input.language {
        None => text.words(locale),
        Some(language) => (
            language.as_str(),
            text.exact(language).ok_or_else(|| {
                let detail = format!("must be one of: {}", text.languages().join(", "));
                ApiError::invalid_field("/language", "unknown_value", detail)
            })?,
        ),
    };
    Ok(Shown { version: text.version.clone(), language: language.to_owned(), hash: words.sha256() })
}

/// Appends an answer. Withdrawing ends in the same transaction what the consent was for; giving again plans reminders
/// anew, while shares do not come back by themselves.
pub async fn answer(
    tx: &WriteTx,
    patient: PatientId,
    (locale, key): (&str, &DataKey),
    input: &ConsentCreate,
) -> ApiResult<consents::Model> {
    let shown = shown(input, locale)?;
    let last = latest(tx.conn(), patient, input.purpose).await?;
    let withdrawn = input.decision == ConsentDecision::Withdrawn;
    let at = after(tx, last.as_ref());
    let row = consents::Model {
        patient_id: patient,
        id: ConsentId(tx.new_id()),
        purpose: input.purpose.as_str().to_owned(),
        text_version: shown.version,
        locale: shown.language,
        text_hash: shown.hash,
        given_at: at,
        withdrawn_at: withdrawn.then_some(at),
        ended_by: None,
    };
    append(tx, row.clone()).await?;
    let action = if withdrawn { "consents.withdraw" } else { "consents.give" };
    tx.audit(Event::new(action, patient, format!("consents/{} {}", row.id, row.purpose)));
    match input.purpose {
        Purpose::SharingWithCareTeam if withdrawn => close(tx, patient, key).await?,
        Purpose::SharingWithCareTeam => {}
        Purpose::Reminders => reminders::replan_patient(tx, patient).await?,
    }
    Ok(row)
}

/// The latest decides, so no two answers share an instant, not even when the clock was set back.
fn after(tx: &WriteTx, last: Option<&consents::Model>) -> DateTime<Utc> {
    let after = last.map(|row| row.given_at + Duration::milliseconds(1));
    after.map_or(tx.now(), |after| after.max(tx.now()))
}

async fn append(tx: &WriteTx, row: consents::Model) -> ApiResult<()> {
    let active: consents::ActiveModel = row.into();
    consents::Entity::insert(active.reset_all()).exec_without_returning(tx.conn()).await?;
    Ok(())
}

/// Closes everything that the patient has opened to their care team, wherever it is kept.
async fn close(tx: &WriteTx, patient: PatientId, key: &DataKey) -> ApiResult<()> {
    care::end_shares(tx, patient, None).await?;
    reminders::withdraw_from_readers(tx, patient).await?;
    measures::unshare_all(tx, patient).await?;
    sessions::close_intentions(tx, patient, key).await
}

/// A restored backup does not know what the patient took back since it was made: everything they had opened is closed,
/// and they are asked for the consent to sharing anew. Reminders open nothing to others, so that consent stays as it is.
pub async fn ended_by_restore(
    tx: &WriteTx,
    patient: PatientId,
    (locale, key): (&str, &DataKey),
) -> ApiResult<()> {
    close(tx, patient, key).await?;
    let purpose = Purpose::SharingWithCareTeam;
    let last = latest(tx.conn(), patient, purpose).await?;
    if last.as_ref().is_some_and(|row| row.withdrawn_at.is_some()) {
        return Ok(());
    }
    let at = after(tx, last.as_ref());
    let text = texts::current(purpose);
    let (language, words) = text.words(locale);
    let about = last.map(|row| (row.text_version, row.locale, row.text_hash));
    let (text_version, locale, text_hash) =
        about.unwrap_or_else(|| (text.version.clone(), language.to_owned(), words.sha256()));
    let row = consents::Model {
        patient_id: patient,
        id: ConsentId(tx.new_id()),
        purpose: purpose.as_str().to_owned(),
        text_version,
        locale,
        text_hash,
        given_at: at,
        withdrawn_at: Some(at),
        ended_by: Some("restore".to_owned()),
    };
    append(tx, row).await
}
