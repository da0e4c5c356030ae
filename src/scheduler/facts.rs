//! What a batch needs to know of its recipients, read with a number of statements that does not grow with the batch.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Duration, Utc};
use entity::{
    alerts, care_relations, checkins, consents,
    ids::{AccountId, NotificationId, PatientId},
    journal_entries, measure_assignments, measure_responses, notifications, push_subscriptions, reminders,
    sessions,
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect,
    Statement,
};
use uuid::Uuid;

use super::recipient::{Recipient, accounts};
use crate::{
    alerts::ALERT,
    app::AppState,
    consents::Purpose,
    db::{
        Engine,
        many::{Ids, Pairs},
    },
    error::ApiResult,
    reminders::{RULE, SESSION, SNOOZE, Streaks, hush_windows, streaks},
};

/// How far back a finished session still matters: the longest offset after one is a month.
const SESSION_TAIL: Duration = Duration::days(45);
const DAY: Duration = Duration::hours(24);

/// Everything the batch is judged by.
pub struct Facts {
    pub now: DateTime<Utc>,
    recipients: HashMap<AccountId, Recipient>,
    rules: HashMap<(PatientId, Uuid), reminders::Model>,
    /// Alerts of this batch that nobody has acknowledged.
    pub open_alerts: HashSet<Uuid>,
    ignored: Streaks,
    /// Devices that have already taken a notification that is tried again.
    pub delivered: HashSet<(NotificationId, Uuid)>,
}

#[derive(FromQueryResult)]
struct SentRow {
    recipient_id: AccountId,
    id: NotificationId,
    local_date: chrono::NaiveDate,
    routine: bool,
    due_at: DateTime<Utc>,
    sent: bool,
}

impl Facts {
    /// Nothing when the account is closed or gone.
    pub fn recipient(&self, id: AccountId) -> Option<&Recipient> {
        self.recipients.get(&id)
    }

    /// The standing rule a notification came from.
    pub fn rule(&self, row: &notifications::Model) -> Option<&reminders::Model> {
        self.rules.get(&(row.subject_patient_id, row.origin_id))
    }

    /// How many of a rule's last occurrences were ignored in a row.
    pub fn ignored(&self, rule: &reminders::Model) -> i32 {
        self.ignored.of(rule)
    }

    /// Counts one that is about to be sent, so that the cap also holds within a batch.
    pub fn count(&mut self, row: &notifications::Model) {
        if row.priority == "high" || row.origin_kind == SNOOZE {
            return;
        }
        self.each(PatientId(row.recipient_id.0), |recipient| {
            let (all, routine) = recipient.sent.entry(row.local_date).or_default();
            *all += 1;
            *routine += i64::from(row.routine);
        });
    }

    pub async fn load(app: &AppState, batch: &[notifications::Model]) -> ApiResult<Self> {
        let now = app.clock.now();
        let mut ids: Vec<Uuid> = batch.iter().map(|row| row.recipient_id.0).collect();
        ids.sort_unstable();
        ids.dedup();
        let ids = Ids::new(app.db.engine(), ids);
        let mut facts = Self {
            now,
            recipients: accounts(app, &ids, now).await?,
            rules: HashMap::new(),
            open_alerts: HashSet::new(),
            ignored: Streaks::default(),
            delivered: HashSet::new(),
        };
        let conn = app.db.reader();
        facts.add_care(conn, &ids).await?;
        facts.add_done(conn, &ids, batch).await?;
        facts.add_sessions(conn, &ids, batch).await?;
        facts.add_sent(conn, &ids, batch).await?;
        facts.add_expected(conn, &ids, batch).await?;
        facts.add_rules(conn, batch).await?;
        facts.add_devices(conn, &ids, batch).await?;
        facts.add_alerts(conn, batch).await?;
        Ok(facts)
    }

    pub fn each(&mut self, patient: PatientId, change: impl FnOnce(&mut Recipient)) {
        if let Some(recipient) = self.recipients.get_mut(&patient.into()) {
            change(recipient);
        }
    }

    async fn add_care(&mut self, conn: &impl ConnectionTrait, ids: &Ids) -> Result<(), DbErr> {
        let cared: Vec<PatientId> = care_relations::Entity::find()
            .select_only()
            .column(care_relations::Column::PatientId)
            .distinct()
            .filter(ids.among("patient_id"))
            .filter(care_relations::Column::EndedAt.is_null())
            .into_tuple()
            .all(conn)
            .await?;
        for patient in cared {
            self.each(patient, |recipient| recipient.in_care = true);
        }
        let consents = consents::Entity::find()
            .filter(ids.among("patient_id"))
            .filter(consents::Column::Purpose.eq(Purpose::Reminders.as_str()))
            .order_by_asc(consents::Column::GivenAt)
            .all(conn)
            .await?;
        for consent in consents {
            // The latest decides.
            self.each(consent.patient_id, |recipient| {
                recipient.consent_withdrawn = consent.withdrawn_at.is_some();
            });
        }
        Ok(())
    }

    async fn add_done(
        &mut self,
        conn: &impl ConnectionTrait,
        ids: &Ids,
        batch: &[notifications::Model],
    ) -> Result<(), DbErr> {
        if !batch.iter().any(super::recheck::may_be_done) {
            return Ok(());
        }
        let since = self.now - DAY;
        let checked_in: Vec<PatientId> = checkins::Entity::find()
            .select_only()
            .column(checkins::Column::PatientId)
            .distinct()
            .filter(ids.among("patient_id"))
            .filter(checkins::Column::TakenAt.gt(since))
            .into_tuple()
            .all(conn)
            .await?;
        for patient in checked_in {
            self.each(patient, |recipient| recipient.checked_in = true);
        }
        let written: Vec<(PatientId, String)> = journal_entries::Entity::find()
            .select_only()
            .columns([journal_entries::Column::PatientId, journal_entries::Column::TemplateId])
            .distinct()
            .filter(ids.among("patient_id"))
            .filter(journal_entries::Column::CreatedAt.gt(since))
            .into_tuple()
            .all(conn)
            .await?;
        for (patient, template) in written {
            self.each(patient, |recipient| {
                recipient.wrote.insert(template);
            });
        }
        self.add_measures(conn, ids).await
    }

    async fn add_measures(&mut self, conn: &impl ConnectionTrait, ids: &Ids) -> Result<(), DbErr> {
        let answered: Vec<(PatientId, String)> = measure_responses::Entity::find()
            .select_only()
            .columns([measure_responses::Column::PatientId, measure_responses::Column::MeasureId])
            .distinct()
            .filter(ids.among("patient_id"))
            .filter(measure_responses::Column::TakenAt.gt(self.now - DAY))
            .into_tuple()
            .all(conn)
            .await?;
        for (patient, measure) in answered {
            self.each(patient, |recipient| {
                recipient.answered.insert(measure);
            });
        }
        let open: Vec<PatientId> = measure_assignments::Entity::find()
            .select_only()
            .column(measure_assignments::Column::PatientId)
            .distinct()
            .filter(ids.among("patient_id"))
            .filter(measure_assignments::Column::State.eq("open"))
            .filter(measure_assignments::Column::OpensAt.lte(self.now))
            .into_tuple()
            .all(conn)
            .await?;
        for patient in open {
            self.each(patient, |recipient| recipient.measures_open = true);
        }
        Ok(())
    }

    async fn add_sessions(
        &mut self,
        conn: &impl ConnectionTrait,
        ids: &Ids,
        batch: &[notifications::Model],
    ) -> Result<(), DbErr> {
        let needed = batch.iter().any(|row| matches!(row.origin_kind.as_str(), SESSION | SNOOZE));
        // A standing rule only asks what hushes it; that is at most a day away.
        let tail = if needed { SESSION_TAIL } else { DAY * 2 };
        let rows = sessions::Entity::find()
            .filter(ids.among("patient_id"))
            .filter(sessions::Column::EndsAt.gt(self.now - tail))
            .order_by_asc(sessions::Column::StartsAt)
            .all(conn)
            .await?;
        for row in rows {
            self.each(row.patient_id, |recipient| recipient.sessions.push(row));
        }
        for recipient in self.recipients.values_mut() {
            recipient.hush = hush_windows(&recipient.sessions, recipient.timeline.hush_margin);
        }
        Ok(())
    }

    async fn add_sent(
        &mut self,
        conn: &impl ConnectionTrait,
        ids: &Ids,
        batch: &[notifications::Model],
    ) -> Result<(), DbErr> {
        if batch.iter().all(|row| row.priority == "high") {
            return Ok(());
        }
        let sql = format!(
            "SELECT recipient_id, id, local_date, routine, due_at, state = 'accepted' AS sent FROM notifications \
             WHERE {} AND due_at > $2 AND state IN ('accepted','claimed') AND priority <> 'high' \
             AND origin_kind <> 'snooze'",
            ids.hold("recipient_id", 1)
        );
        let values = [ids.value(), (self.now - DAY * 2).into()];
        let statement = Statement::from_sql_and_values(conn.get_database_backend(), sql, values);
        let first = first_of_each(batch);
        for row in SentRow::find_by_statement(statement).all(conn).await? {
            // Another batch's that is earlier than all of this one's goes first, and counts; a later one counts these.
            let earlier = first.get(&row.recipient_id).is_some_and(|first| (row.due_at, row.id) < *first);
            if row.sent || earlier {
                self.each(PatientId(row.recipient_id.0), |recipient| {
                    let (all, routine) = recipient.sent.entry(row.local_date).or_default();
                    *all += 1;
                    *routine += i64::from(row.routine);
                });
            }
        }
        Ok(())
    }

    async fn add_rules(
        &mut self,
        conn: &impl ConnectionTrait,
        batch: &[notifications::Model],
    ) -> ApiResult<()> {
        let ruled = batch.iter().filter(|row| matches!(row.origin_kind.as_str(), RULE | SNOOZE));
        let rules: Vec<_> = ruled.map(|row| (row.subject_patient_id.0, row.origin_id)).collect();
        if rules.is_empty() {
            return Ok(());
        }
        let rules = Pairs::new(Engine::of(conn), rules).among("patient_id", "id");
        let rows = reminders::Entity::find().filter(rules).all(conn).await?;
        self.rules = rows.into_iter().map(|row| ((row.patient_id, row.id.0), row)).collect();
        self.ignored = streaks(conn, self.rules.values(), self.now).await?;
        Ok(())
    }

    async fn add_alerts(
        &mut self,
        conn: &impl ConnectionTrait,
        batch: &[notifications::Model],
    ) -> Result<(), DbErr> {
        let about = batch.iter().filter(|row| row.origin_kind == ALERT);
        let about: Vec<_> = about.map(|row| (row.subject_patient_id.0, row.origin_id)).collect();
        if about.is_empty() {
            return Ok(());
        }
        let about = Pairs::new(Engine::of(conn), about).among("patient_id", "id");
        let open: Vec<Uuid> = alerts::Entity::find()
            .select_only()
            .column(alerts::Column::Id)
            .filter(about)
            .filter(alerts::Column::AcknowledgedAt.is_null())
            .into_tuple()
            .all(conn)
            .await?;
        self.open_alerts = open.into_iter().collect();
        Ok(())
    }

    async fn add_devices(
        &mut self,
        conn: &impl ConnectionTrait,
        ids: &Ids,
        batch: &[notifications::Model],
    ) -> Result<(), DbErr> {
        let rows = push_subscriptions::Entity::find()
            .filter(ids.among("account_id"))
            .filter(push_subscriptions::Column::State.eq("active"))
            .all(conn)
            .await?;
        for row in rows {
            self.each(PatientId(row.account_id.0), |recipient| recipient.subscriptions.push(row));
        }
        let again = batch.iter().filter(|row| row.attempts > 1);
        let again: Vec<_> = again.map(|row| (row.recipient_id.0, row.id.0)).collect();
        if again.is_empty() {
            return Ok(());
        }
        use entity::deliveries::{Column, Entity};
        let taken = Entity::find()
            .filter(Pairs::new(Engine::of(conn), again).among("recipient_id", "notification_id"))
            .filter(Column::Outcome.eq("accepted"))
            .all(conn)
            .await?;
        self.delivered = taken.into_iter().map(|row| (row.notification_id, row.subscription_id.0)).collect();
        Ok(())
    }
}

/// The earliest of each recipient in a batch.
fn first_of_each(batch: &[notifications::Model]) -> HashMap<AccountId, (DateTime<Utc>, NotificationId)> {
    let mut first = HashMap::new();
    for row in batch {
        let at = (row.due_at, row.id);
        first.entry(row.recipient_id).and_modify(|first| *first = at.min(*first)).or_insert(at);
    }
    first
}
