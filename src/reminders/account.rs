//! Telling a patient's devices that something happened to their account: a device that is new, a recovery. It is no
//! reminder, so neither a pause nor quiet hours nor a withdrawn consent keep it back.

use chrono::Duration;
use entity::{
    ids::{AccountId, PatientId},
    notifications,
};
use sea_orm::{ActiveModelTrait, ConnectionTrait, EntityTrait, Statement};

use super::{
    ACCOUNT,
    planner::row_of,
    rules::{
        localtime::Zone,
        planned::{Planned, PlannedState},
    },
};
use crate::{
    content::Priority,
    db::WriteTx,
    error::{ApiError, ApiResult},
};

/// As long as the mail about it.
const FRESH: Duration = Duration::days(3);

/// A patient with a device that takes pushes.
const ZONE: &str = "SELECT a.zone FROM accounts a WHERE a.id = $1 AND a.kind = 'patient' AND EXISTS \
     (SELECT 1 FROM push_subscriptions s WHERE s.account_id = a.id AND s.state = 'active')";

/// Plans the notice, due now, to every device of the patient; nothing for whoever has none, or is staff.
pub async fn announce_to_devices(tx: &WriteTx, account: AccountId) -> ApiResult<()> {
    let statement =
        Statement::from_sql_and_values(tx.conn().get_database_backend(), ZONE, [account.0.into()]);
    let Some(row) = tx.conn().query_one_raw(statement).await? else { return Ok(()) };
    let zone: String = row.try_get("", "zone")?;
    let zone = Zone::parse(&zone).map_err(ApiError::internal)?;
    let id = tx.new_id();
    let planned = Planned {
        slot: format!("{ACCOUNT}:{id}"),
        template_id: None,
        category: ACCOUNT.to_owned(),
        priority: Priority::High,
        routine: false,
        local_date: zone.local_date(tx.now()),
        due_at: tx.now(),
        expires_at: tx.now() + FRESH,
        state: PlannedState::Planned,
    };
    let row = row_of(PatientId(account.0), (ACCOUNT, account.0), id.into(), planned, tx.now());
    let row: notifications::ActiveModel = row.into();
    notifications::Entity::insert(row.reset_all()).exec_without_returning(tx.conn()).await?;
    tx.wake_scheduler();
    Ok(())
}
