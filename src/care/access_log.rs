//! Who did what with a patient's data, as the audit chain says it and the patient may read it.

use std::{collections::BTreeMap, sync::LazyLock};

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use entity::ids::AccountId;
use sea_orm::{FromQueryResult, Statement};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use crate::{
    accounts::{Patient, SealedName},
    app::AppState,
    content::{ByLocale, in_locale},
    error::ApiResult,
    extract::ValidQuery,
    language::InLanguage,
    openapi::Problems,
    page::{Cursor, PageQuery},
};

#[expect(clippy::expect_used, reason = "the words are compiled in, and a unit test reads them")]
static WORDS: LazyLock<BTreeMap<String, ByLocale<String>>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../content/access_log.json")).expect("the words parse")
});

/// What an action is called for people.
fn what(action: &str, locale: &str) -> String {
    let words = WORDS.get(action).or_else(|| WORDS.get("other"));
    words.and_then(|words| in_locale(words, locale)).cloned().unwrap_or_default()
}

/// One act of somebody else on my data.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccessLogEntry {
    at: DateTime<Utc>,
    #[schema(value_type = Uuid)]
    member_id: AccountId,
    /// Absent when the account is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Bo Lindqvist")]
    display_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Psychotherapist")]
    profession: Option<String>,
    /// For programs; new ones are added.
    #[schema(example = "journal.read_shared")]
    action: String,
    /// For people, in the language of the account.
    #[schema(example = "Read a journal entry that you shared")]
    what: String,
    /// What it was about: a kind of record, with its id where there is one.
    #[schema(example = "journal_entries/0193a1f0-7c00-7000-8000-000000000001")]
    resource: String,
    /// `refused` when they asked and got nothing.
    #[schema(example = "done")]
    outcome: String,
}

/// A page of what others did with my data, latest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccessLog {
    items: Vec<AccessLogEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "AAABk7v5oAABk7v5oABwAIAAAAAAAAAAq1b2c3d4")]
    next_cursor: Option<String>,
}

#[derive(FromQueryResult)]
struct Row {
    seq: i64,
    at: DateTime<Utc>,
    actor_id: AccountId,
    action: String,
    resource: String,
    outcome: String,
    profession: Option<String>,
    #[sea_orm(nested)]
    name: Option<SealedName>,
}

/// The number in the chain orders what happened in one instant; patients' own acts are theirs to know.
const LOG: &str = "SELECT e.seq, e.at, e.actor_id, e.action, e.resource, e.outcome, a.profession, a.name_sealed, \
     k.kek_id, k.generation, k.wrapped FROM audit_events e \
     LEFT JOIN accounts a ON a.id = e.actor_id AND a.kind = 'staff' \
     LEFT JOIN data_keys k ON k.owner_kind = 'account' AND k.owner_id = e.actor_id \
     WHERE e.subject_id = $1 AND e.actor_id <> $1 AND (e.at, e.seq) < ($2, $3) \
     ORDER BY e.at DESC, e.seq DESC LIMIT $4";

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_access_log))
}

/// Who read or changed what of mine, and when; latest first.
#[utoipa::path(get, path = "/me/access-log", operation_id = "list_access_log", tag = "me", params(PageQuery),
    responses((status = 200, body = AccessLog), Problems))]
async fn list_access_log(
    State(app): State<AppState>,
    me: Patient,
    ValidQuery(query): ValidQuery<PageQuery>,
) -> ApiResult<InLanguage<Json<AccessLog>>> {
    let page = query.page(&app.cursor_mac, me.account.0, "list_access_log")?;
    let (after, limit) = page.bounds();
    let conn = app.db.reader();
    let before = i64::try_from(after.id.as_u128()).unwrap_or(i64::MAX);
    let values = [me.account.0.into(), after.at.into(), before.into(), limit.into()];
    let statement = Statement::from_sql_and_values(conn.get_database_backend(), LOG, values);
    let mut rows = Row::find_by_statement(statement).all(conn).await?;
    let number = |row: &Row| Uuid::from_u128(u128::from(row.seq.unsigned_abs()));
    let next_cursor = page.finish(&mut rows, &app.cursor_mac, |row| Cursor { at: row.at, id: number(row) });
    let items = rows.into_iter().map(|row| view(&app, row, &me.locale)).collect::<ApiResult<_>>()?;
    Ok(InLanguage(me.locale.clone(), Json(AccessLog { items, next_cursor })))
}

fn view(app: &AppState, row: Row, locale: &str) -> ApiResult<AccessLogEntry> {
    let display_name = row.name.map(|name| name.of_staff(&app.vault, row.actor_id)).transpose()?;
    Ok(AccessLogEntry {
        at: row.at,
        member_id: row.actor_id,
        display_name,
        profession: row.profession,
        what: what(&row.action, locale),
        action: row.action,
        resource: row.resource,
        outcome: row.outcome,
    })
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;
    use crate::printed::sources;

    /// Parts of the house in which staff work with a patient's records.
    const WITH_RECORDS: [&str; 11] = [
        "administration",
        "alerts",
        "care",
        "checkins",
        "goals",
        "journal",
        "measures",
        "plans",
        "reminders",
        "review",
        "sessions",
    ];
    /// What patients do themselves, and what is about staff: in nobody's access log.
    const OWN: [&str; 11] = [
        "care.change_clinic",
        "care.change_staff",
        "care.invite",
        "care.revoke_invitation",
        "goals.agree",
        "goals.share",
        "goals.unshare",
        "journal.share",
        "journal.unshare",
        "measures.share",
        "measures.unshare",
    ];

    /// Settings that look like acts.
    const SETTINGS: [&str; 2] = ["measures.accepted_licences", "measures.extra_dir"];

    fn is_action(text: &str) -> bool {
        let letters =
            |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        let known = |(area, act): (&str, &str)| WITH_RECORDS.contains(&area) && letters(act);
        text.split_once('.').is_some_and(known) && !text.ends_with(".rs") && !SETTINGS.contains(&text)
    }

    #[test]
    fn what_happened_is_said_in_both_languages() {
        assert_ne!(what("journal.read_shared", "en"), what("journal.read_shared", "es-MX"));
        assert_eq!(what("never.heard_of", "es"), WORDS["other"]["es"]);
        assert!(!what("never.heard_of", "en").is_empty());
    }

    #[test]
    fn every_act_of_staff_has_words() {
        let mut files = Vec::new();
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
        let mut acts = BTreeSet::new();
        for file in files {
            let source = fs::read_to_string(file).unwrap();
            acts.extend(source.split('"').filter(|text| is_action(text)).map(str::to_owned));
        }
        assert!(acts.len() > 30, "the source was read: {acts:?}");
        let own = |act: &&String| OWN.contains(&act.as_str());
        let silent: Vec<&String> = acts.iter().filter(|act| !own(act) && !WORDS.contains_key(*act)).collect();
        assert_eq!(silent, Vec::<&String>::new(), "say it in content/access_log.json");
    }
}
