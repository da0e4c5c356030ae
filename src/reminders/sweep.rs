//! What the scheduler looks after from time to time, whatever the cause: rules that nothing is planned for, patients
//! still planned by an older timeline of their clinic, rules that nobody reacts to, and sessions that nobody recorded.

use entity::{
    ids::{ClinicId, PatientId, ReminderId},
    reminders,
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Set, Statement, Value,
};
use uuid::Uuid;

use super::{
    attention::streaks,
    planner::replan_patient,
    queries,
    rules::attention::RESTS_AFTER,
    standing::goes_on,
    unrecorded::{ask, unrecorded},
};
use crate::{
    app::AppState,
    consents::Purpose,
    db::{WriteTx, Writing},
    error::{ApiError, ApiResult},
};

/// Most patients planned anew in one go.
const BATCH: i64 = 200;

/// Rules that should go on and have no open row. Those of the content go on only while a plan does.
const UNPLANNED: &str = "SELECT DISTINCT r.patient_id, a.clinic_id FROM reminders r JOIN accounts a ON a.id = r.patient_id \
     WHERE r.patient_id > $2 AND r.patient_id <= $3 AND r.active AND r.rested_at IS NULL AND a.state = 'active' \
     AND NOT EXISTS (SELECT 1 FROM notifications n \
     WHERE n.recipient_id = r.patient_id AND n.origin_id = r.id AND n.origin_kind = 'rule' \
     AND n.state IN ('planned','claimed','retrying')) \
     AND (r.template_id IS NULL OR EXISTS (SELECT 1 FROM plans x \
     WHERE x.patient_id = r.patient_id AND x.state = 'active')) \
     AND NOT EXISTS (SELECT 1 FROM consents c WHERE c.patient_id = r.patient_id AND c.purpose = $1 \
     AND c.withdrawn_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM consents l WHERE l.patient_id = c.patient_id \
     AND l.purpose = c.purpose AND l.given_at > c.given_at))";

const BEHIND: &str = "SELECT p.patient_id, a.clinic_id FROM clinics c JOIN accounts a ON a.clinic_id = c.id \
     AND a.kind = 'patient' AND a.state = 'active' JOIN patients p ON p.patient_id = a.id \
     WHERE c.timeline_version > 0 AND p.timeline_version <> c.timeline_version LIMIT $1";

const UNANSWERED: &str = "SELECT DISTINCT r.patient_id, a.clinic_id FROM reminders r JOIN accounts a ON a.id = r.patient_id \
     WHERE r.patient_id > $2 AND r.patient_id <= $3 AND r.active AND r.rested_at IS NULL AND r.unanswered >= $1 \
     AND a.state = 'active'";

/// Puts rules to rest, plans what is missing and asks for missing records, for the accounts after `after` up to and with
/// `last`. Returns how many patients were planned anew.
pub async fn sweep_between(app: &AppState, after: Uuid, last: Uuid) -> ApiResult<usize> {
    let of = |first: Value| vec![first, after.into(), last.into()];
    let resting = patients(app, UNANSWERED, of(RESTS_AFTER.into())).await?;
    for (patient, clinic) in &resting {
        let writing = writing(*patient, *clinic);
        pass_over(app.db.write(&writing, async |tx| rest(tx, *patient).await).await)?;
    }
    let unplanned = patients(app, UNPLANNED, of(Purpose::Reminders.as_str().into())).await?;
    replan(app, &unplanned).await?;
    for session in unrecorded(app, after, last).await? {
        let writing = writing(session.patient_id, session.clinic_id);
        pass_over(app.db.write(&writing, async |tx| ask(tx, &session).await).await)?;
    }
    Ok(resting.len() + unplanned.len())
}

/// Plans by the clinics' timelines of now; what is not done when it fails is done by the next sweep.
pub async fn catch_up(app: &AppState) -> ApiResult<usize> {
    let mut done = 0;
    loop {
        let behind = patients(app, BEHIND, vec![BATCH.into()]).await?;
        replan(app, &behind).await?;
        done += behind.len();
        if i64::try_from(behind.len()).is_ok_and(|count| count < BATCH) {
            return Ok(done);
        }
    }
}

async fn patients(app: &AppState, sql: &str, values: Vec<Value>) -> ApiResult<Vec<(PatientId, ClinicId)>> {
    let conn = app.db.reader();
    let statement = Statement::from_sql_and_values(conn.get_database_backend(), sql, values);
    let rows = conn.query_all_raw(statement).await?;
    let pair =
        |row: &sea_orm::QueryResult| Ok((row.try_get("", "patient_id")?, row.try_get("", "clinic_id")?));
    rows.iter().map(pair).collect()
}

fn writing(patient: PatientId, clinic: ClinicId) -> Writing<'static> {
    Writing { actor: patient.into(), stream: clinic.0, patient: Some(patient), request_id: "sweep" }
}

async fn replan(app: &AppState, patients: &[(PatientId, ClinicId)]) -> ApiResult<()> {
    for (patient, clinic) in patients {
        let writing = writing(*patient, *clinic);
        pass_over(app.db.write(&writing, async |tx| replan_patient(tx, *patient).await).await)?;
    }
    Ok(())
}

/// What goes wrong with one patient holds up nobody else, unless it is that the database is away.
fn pass_over(done: ApiResult<()>) -> ApiResult<()> {
    match done {
        Err(error) if !matches!(error, ApiError::Unavailable { .. }) => {
            tracing::error!(%error, "a patient could not be looked after");
            Ok(())
        }
        done => done,
    }
}

/// Puts the rules to rest that nobody reacts to; the app asks once whether they shall go on. The cheap count of the
/// others is set to what is true.
async fn rest(tx: &WriteTx, patient: PatientId) -> ApiResult<()> {
    let rules = queries::list(tx.conn(), patient).await?;
    let streaks = streaks(tx.conn(), rules.iter(), tx.now()).await?;
    for rule in rules.iter().filter(|rule| goes_on(rule, true) && rule.unanswered >= RESTS_AFTER) {
        let ignored = streaks.of(rule);
        if ignored >= RESTS_AFTER {
            let resting = reminders::ActiveModel {
                patient_id: Set(patient),
                id: Set(rule.id),
                version: Set(rule.version + 1),
                sync_seq: Set(tx.sync_seq()),
                rested_at: Set(Some(tx.now())),
                updated_at: Set(tx.now()),
                ..Default::default()
            };
            resting.update(tx.conn()).await?;
        } else {
            count(tx, patient, rule.id, ignored).await?;
        }
    }
    replan_patient(tx, patient).await
}

async fn count(tx: &WriteTx, patient: PatientId, rule: ReminderId, unanswered: i32) -> ApiResult<()> {
    use reminders::Column;
    reminders::Entity::update_many()
        .col_expr(Column::Unanswered, unanswered.into())
        .filter(Column::PatientId.eq(patient))
        .filter(Column::Id.eq(rule))
        .exec(tx.conn())
        .await?;
    Ok(())
}
