//! A recipient as of now: wall clock, wishes, clinic, and what keeps routine prompts away.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use entity::{ids::AccountId, push_subscriptions, sessions};
use sea_orm::{FromQueryResult, Statement};

use crate::db::many::Ids;
use crate::{
    app::AppState,
    error::ApiResult,
    reminders::{
        CALLED_FOR_HELP, LONGEST_SUPPORT, SUPPORT, parse_policy,
        rules::{
            localtime::Zone,
            policy::{HushWindow, Policy},
            timeline::Timeline,
        },
    },
    vault::{DataKey, KeyColumns, OwnerKind},
};

/// One recipient as of now.
pub struct Recipient {
    pub is_staff: bool,
    pub zone: Zone,
    pub locale: String,
    pub policy: Policy,
    /// What the clinic sends around sessions.
    pub timeline: Arc<Timeline>,
    /// Whether a treatment plan is under way.
    pub active_plan: bool,
    /// Whether an answer of the last days calls for help: routine prompts stay away, and words are plain.
    pub needs_support: bool,
    pub key: Option<DataKey>,
    pub in_care: bool,
    pub consent_withdrawn: bool,
    pub sessions: Vec<sessions::Model>,
    pub hush: Vec<HushWindow>,
    pub checked_in: bool,
    /// Whether something that was asked for is still to be filled in.
    pub measures_open: bool,
    /// Questionnaires filled in in the last day.
    pub answered: HashSet<String>,
    /// Templates of journal entries written in the last day.
    pub wrote: HashSet<String>,
    pub subscriptions: Vec<push_subscriptions::Model>,
    /// Sent today by local date: normal and low ones, and the routine ones among them.
    pub sent: HashMap<chrono::NaiveDate, (i64, i64)>,
    /// Normal ones still to come by local date: they go before low ones.
    pub expected: HashMap<chrono::NaiveDate, i64>,
}

#[derive(FromQueryResult)]
struct AccountRow {
    id: AccountId,
    kind: String,
    zone: String,
    locale: String,
    policy: Option<String>,
    paused_until: Option<DateTime<Utc>>,
    timeline: Option<String>,
    active_plan: i32,
    needs_support: i32,
    #[sea_orm(nested)]
    key: KeyColumns,
}

/// Those of open accounts.
pub async fn accounts(
    app: &AppState,
    ids: &Ids,
    now: DateTime<Utc>,
) -> ApiResult<HashMap<AccountId, Recipient>> {
    let conn = app.db.reader();
    let values = [(now - LONGEST_SUPPORT).into(), (now - SUPPORT).into(), ids.value()];
    let sql = format!(
        "SELECT a.id, a.kind, a.zone, a.locale, p.policy, p.paused_until, c.timeline, \
         CASE WHEN EXISTS (SELECT 1 FROM plans x WHERE x.patient_id = a.id AND x.state = 'active') \
         THEN 1 ELSE 0 END AS active_plan, \
         CASE WHEN EXISTS (SELECT 1 FROM alerts x WHERE x.patient_id = a.id AND x.raised_at > $1 \
         AND {CALLED_FOR_HELP} AND (x.acknowledged_at IS NULL OR x.raised_at > $2)) THEN 1 ELSE 0 END AS needs_support, \
         k.kek_id, k.generation, k.wrapped FROM accounts a \
         JOIN data_keys k ON k.owner_kind = CASE a.kind WHEN 'patient' THEN 'patient' ELSE 'account' END \
         AND k.owner_id = a.id JOIN clinics c ON c.id = a.clinic_id \
         LEFT JOIN delivery_policies p ON p.patient_id = a.id WHERE {} AND a.state = 'active'",
        ids.hold("a.id", 3)
    );
    let statement = Statement::from_sql_and_values(conn.get_database_backend(), sql, values);
    let rows = AccountRow::find_by_statement(statement).all(conn).await?;
    Ok(rows.into_iter().filter_map(|row| Some((row.id, recipient(app, row)?))).collect())
}

fn recipient(app: &AppState, row: AccountRow) -> Option<Recipient> {
    let is_staff = row.kind != "patient";
    let wrapped = row.key.of(if is_staff { OwnerKind::Account } else { OwnerKind::Patient }, row.id);
    Some(Recipient {
        is_staff,
        zone: Zone::parse(&row.zone).ok()?,
        locale: row.locale,
        policy: parse_policy(row.policy.as_deref(), row.paused_until),
        timeline: Timeline::read(row.timeline.as_deref()),
        active_plan: row.active_plan != 0,
        needs_support: row.needs_support != 0,
        key: app.vault.unwrap(&wrapped).ok(),
        in_care: false,
        consent_withdrawn: false,
        sessions: Vec::new(),
        hush: Vec::new(),
        checked_in: false,
        measures_open: false,
        answered: HashSet::new(),
        wrote: HashSet::new(),
        subscriptions: Vec::new(),
        sent: HashMap::new(),
        expected: HashMap::new(),
    })
}
