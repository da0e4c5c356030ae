//! Reading for a reader, in as many statements for a year as for a day. Each area's own query says what may be read of
//! it; here is only which areas a role reads at all.

use std::collections::{BTreeMap, HashMap};

use entity::{
    accounts as account_rows, ids::AccountId, ids::PatientId, ids::SessionId, sessions, zone_history,
};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};
use uuid::Uuid;

use super::{
    facts::{Entry, Facts, FilledIn, Keys, Reader, Reminding, SafetyPlan},
    time::WallClock,
};
use crate::{
    accounts, alerts,
    app::AppState,
    care, checkins,
    consents::{self, Purpose},
    error::{ApiError, ApiResult},
    goals, journal, measures, plans, reminders, safety,
    sessions::{self as appointments, RequestKeys, RequestKind},
    vault::DataKey,
};

/// The latest so many of whatever has no end, for a member of staff: years of several a day.
const MOST: u32 = 10_000;

/// Where to read, and of whom.
struct Source<'a, C> {
    app: &'a AppState,
    conn: &'a C,
    patient: PatientId,
    keys: Keys<'a>,
    reader: Reader<'a>,
}

/// Everything that this reader may see of the patient.
pub async fn load<'a, C: ConnectionTrait>(
    app: &'a AppState,
    conn: &'a C,
    (patient, keys): (PatientId, Keys<'a>),
    (reader, locale): (Reader<'a>, &'a str),
) -> ApiResult<Facts<'a>> {
    let source = Source { app, conn, patient, keys, reader };
    let account = account_rows::Entity::find_by_id(AccountId::from(patient)).one(conn).await?;
    let account = account.ok_or(ApiError::NotFound)?;
    let sessions = appointments::all(conn, patient).await?;
    let answers = consents::all(conn, patient).await?;
    let mut facts = Facts {
        id: app.random.uuid_v7(app.clock.now()),
        now: app.clock.now(),
        locale,
        own: reader.is_own(),
        catalogue: &app.measures,
        clock: source.clock(&account.zone).await?,
        patient,
        patient_name: keys.patient.open_text(accounts::name_place(account.id), &account.name_sealed)?,
        patient_locale: account.locale.clone(),
        active: account.state == "active",
        clinic: account.clinic_id,
        clinic_name: care::clinic_name(conn, account.clinic_id, keys.clinic).await?,
        team: care::members(conn, patient).await?,
        staff: Vec::new(),
        consents: standing(answers, reader),
        plans: source.plans().await?,
        goals: source.goals().await?,
        intentions: source.intentions(&sessions).await?,
        requests: source.requests(&account).await?,
        sessions,
        safety_plan: source.safety_plan().await?,
        responses: source.responses().await?,
        checkins: source.checkins().await?,
        administrations: source.administrations().await?,
        alerts: source.alerts().await?,
        entries: source.entries().await?,
        comments: source.comments().await?,
        listener: source.member(),
        reminders: source.reminders(&account.locale).await?,
    };
    facts.staff = care::staff_names(app, conn, &facts.referred()).await?;
    Ok(facts)
}

/// Of all answers the last to each purpose stands. The care team reads the one that is about them.
fn standing(answers: Vec<entity::consents::Model>, reader: Reader<'_>) -> Vec<entity::consents::Model> {
    if reader.is_own() {
        return answers;
    }
    let shares = |row: &entity::consents::Model| row.purpose == Purpose::SharingWithCareTeam.as_str();
    answers.into_iter().find(shares).into_iter().collect()
}

impl<'a, C: ConnectionTrait> Source<'a, C> {
    fn member(&self) -> Option<AccountId> {
        match self.reader {
            Reader::Own => None,
            Reader::Member(me) => Some(me.account),
        }
    }

    fn most(&self) -> i64 {
        if self.reader.is_own() { i64::MAX } else { MOST.into() }
    }

    fn at_most(&self) -> u64 {
        if self.reader.is_own() { i64::MAX.unsigned_abs() } else { MOST.into() }
    }

    async fn clock(&self, zone: &str) -> ApiResult<WallClock> {
        let rows = zone_history::Entity::find()
            .filter(zone_history::Column::PatientId.eq(self.patient))
            .all(self.conn)
            .await?;
        WallClock::new(rows.into_iter().map(|row| (row.from_at, row.zone)).collect(), zone)
    }

    async fn plans(&self) -> ApiResult<Vec<entity::plans::Model>> {
        if !self.reader.reads_therapy() {
            return Ok(Vec::new());
        }
        plans::all(self.conn, self.patient).await
    }

    async fn goals(&self) -> ApiResult<Vec<goals::SharedGoal>> {
        let (patient, key) = (self.patient, self.keys.patient);
        match self.member() {
            None => goals::all_own(self.conn, patient, key).await,
            Some(me) if self.reader.reads_therapy() => {
                goals::readable_by(self.conn, patient, (me, self.app.clock.now()), key).await
            }
            Some(_) => Ok(Vec::new()),
        }
    }

    /// Its mark is sealed, so that the withdrawal of a consent cannot clear it; it is asked for here.
    async fn intentions(&self, sessions: &[sessions::Model]) -> ApiResult<BTreeMap<SessionId, String>> {
        let may = self.reader.is_own()
            || consents::holds(self.conn, self.patient, Purpose::SharingWithCareTeam).await?;
        let mut found = BTreeMap::new();
        for row in sessions.iter().filter(|_| may) {
            let words = match self.reader {
                Reader::Own => appointments::own_intention(row, self.keys.patient)?,
                Reader::Member(_) => appointments::shared_intention(row, self.keys.patient)?,
            };
            found.extend(words.map(|words| (row.id, words)));
        }
        Ok(found)
    }

    /// Sessions that are asked for and not there yet.
    async fn requests(&self, account: &account_rows::Model) -> ApiResult<Vec<appointments::SessionRequest>> {
        if !self.reader.reads_therapy() {
            return Ok(Vec::new());
        }
        let keys = RequestKeys { patient: self.keys.patient, clinic: self.keys.clinic };
        let whose = (self.patient, account.clinic_id);
        let open = appointments::open_requests(self.conn, whose, keys, self.app.clock.now()).await?;
        Ok(open.into_iter().filter(|request| request.kind == RequestKind::New).collect())
    }

    async fn safety_plan(&self) -> ApiResult<Option<SafetyPlan>> {
        if !self.reader.is_own() {
            return Ok(None);
        }
        let Some(row) = safety::find_plan(self.conn, self.patient).await? else { return Ok(None) };
        let content = self.keys.patient.open_json(safety::plan_place(self.patient), &row.plan_sealed)?;
        Ok(Some(SafetyPlan { version: row.version, updated_at: row.updated_at, content }))
    }

    async fn responses(&self) -> ApiResult<Vec<FilledIn>> {
        let reader = match self.reader {
            Reader::Own => measures::ResponseReader::Author,
            Reader::Member(_) if self.reader.reads_therapy() => measures::ResponseReader::CareTeam,
            Reader::Member(_) => return Ok(Vec::new()),
        };
        let rows = measures::all_responses(self.conn, reader, self.patient, self.most()).await?;
        let view = |row: &_| -> ApiResult<_> {
            Ok(measures::response_result(row, self.keys.patient, &self.app.measures)?.0)
        };
        rows.iter().map(|row| Ok(FilledIn { id: row.id, result: view(row)? })).collect()
    }

    async fn checkins(&self) -> ApiResult<Vec<checkins::Checkin>> {
        if !self.reader.reads_therapy() {
            return Ok(Vec::new());
        }
        let key = self.reader.is_own().then_some(self.keys.patient);
        checkins::all(self.conn, self.patient, key, self.at_most()).await
    }

    async fn administrations(&self) -> ApiResult<Vec<appointments::Administration>> {
        match self.keys.record {
            Some(key) if self.reader.reads_medicine() => {
                appointments::administrations(self.conn, self.patient, key).await
            }
            _ => Ok(Vec::new()),
        }
    }

    async fn alerts(&self) -> ApiResult<Vec<entity::alerts::Model>> {
        match self.reader {
            Reader::Own => alerts::all_own(self.conn, self.patient).await,
            Reader::Member(me) => alerts::all_seen(self.conn, (me, self.app.clock.now()), self.patient).await,
        }
    }

    async fn entries(&self) -> ApiResult<Vec<Entry>> {
        let (patient, key) = (self.patient, self.keys.patient);
        Ok(match self.member() {
            None => {
                let all = journal::all_final(self.conn, patient, key).await?;
                all.into_iter().map(Entry::from).collect()
            }
            Some(me) => {
                let by = (me, self.app.clock.now());
                let all = journal::all_shared(self.conn, patient, by, (key, self.most())).await?;
                all.into_iter().map(Entry::from).collect()
            }
        })
    }

    async fn comments(&self) -> ApiResult<Vec<journal::JournalComment>> {
        let Some(key) = self.keys.record else { return Ok(Vec::new()) };
        match self.member() {
            None => journal::own_comments(self.conn, self.patient, key).await,
            Some(me) if self.reader.reads_therapy() => {
                let by = (me, self.app.clock.now());
                journal::readable_comments(self.conn, self.patient, by, (key, self.most())).await
            }
            Some(_) => Ok(Vec::new()),
        }
    }

    async fn reminders(&self, locale: &str) -> ApiResult<Vec<Reminding>> {
        if !self.reader.reads_therapy() {
            return Ok(Vec::new());
        }
        let own = self.reader.is_own();
        let rows = reminders::reminders_of(self.conn, self.patient, (own, self.at_most())).await?;
        let mut rules: HashMap<Uuid, entity::reminders::Model> = HashMap::new();
        if own {
            let all = reminders::rules_of(self.conn, self.patient).await?;
            rules.extend(all.into_iter().map(|rule| (rule.id.0, rule)));
        }
        let key: &DataKey = self.keys.patient;
        let with_words = |row: entity::notifications::Model| -> ApiResult<Reminding> {
            let (_, words) = reminders::in_app_text(&row, rules.get(&row.origin_id), key, locale)?;
            Ok(Reminding { row, words })
        };
        rows.into_iter().map(with_words).collect()
    }
}
