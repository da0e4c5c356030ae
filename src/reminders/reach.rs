//! Whether reminders reach a patient, for whoever has to telephone instead before a session.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use entity::ids::PatientId;
use sea_orm::{ConnectionTrait, FromQueryResult, Statement, Value};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    consents::Purpose,
    db::{Engine, many::Ids},
    error::ApiResult,
};

/// Whether reminders reach a patient, and if not, what is in their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// A device takes them.
    Reachable,
    /// No device is registered, or its push service says that it is gone.
    NoDevice,
    /// There is a device, but the last push to it was not taken.
    NotDelivered,
    /// The patient paused all reminders.
    Paused,
    /// The patient withdrew their consent to reminders.
    ConsentWithdrawn,
}

impl Reach {
    /// Whether a reminder sent now would be taken.
    pub fn is_reachable(self) -> bool {
        self == Self::Reachable
    }
}

#[derive(FromQueryResult)]
struct Row {
    id: PatientId,
    devices: i64,
    failing: i64,
    withdrawn: i64,
    paused_until: Option<DateTime<Utc>>,
}

impl Row {
    fn reach(&self, now: DateTime<Utc>) -> Reach {
        if self.withdrawn > 0 {
            Reach::ConsentWithdrawn
        } else if self.paused_until.is_some_and(|until| now < until) {
            Reach::Paused
        } else if self.devices == 0 {
            Reach::NoDevice
        } else if self.failing == self.devices {
            Reach::NotDelivered
        } else {
            Reach::Reachable
        }
    }
}

/// How each of these patients is reached, in one statement; an id that is no open account is left out. Whether the
/// caller may know is the caller's to ask.
pub async fn reachable(
    conn: &impl ConnectionTrait,
    patients: &[PatientId],
    now: DateTime<Utc>,
) -> ApiResult<HashMap<PatientId, Reach>> {
    if patients.is_empty() {
        return Ok(HashMap::new());
    }
    let ids = Ids::new(Engine::of(conn), patients.iter().map(|patient| patient.0));
    let sql = format!(
        "SELECT a.id, p.paused_until, \
         (SELECT COUNT(*) FROM push_subscriptions s WHERE s.account_id = a.id AND s.state = 'active') AS devices, \
         (SELECT COUNT(*) FROM push_subscriptions s WHERE s.account_id = a.id AND s.state = 'active' \
         AND s.last_failure_at IS NOT NULL \
         AND (s.last_accepted_at IS NULL OR s.last_accepted_at < s.last_failure_at)) AS failing, \
         (SELECT COUNT(*) FROM consents c WHERE c.patient_id = a.id AND c.purpose = $1 \
         AND c.withdrawn_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM consents n WHERE n.patient_id = c.patient_id \
         AND n.purpose = c.purpose AND n.given_at > c.given_at)) AS withdrawn \
         FROM accounts a LEFT JOIN delivery_policies p ON p.patient_id = a.id \
         WHERE a.state = 'active' AND {}",
        ids.hold("a.id", 2)
    );
    let values: [Value; 2] = [Purpose::Reminders.as_str().into(), ids.value()];
    let statement = Statement::from_sql_and_values(conn.get_database_backend(), sql, values);
    let rows = Row::find_by_statement(statement).all(conn).await?;
    Ok(rows.into_iter().map(|row| (row.id, row.reach(now))).collect())
}
