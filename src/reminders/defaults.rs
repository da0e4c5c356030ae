//! The standing reminders that a treatment plan brings along: those of the content, switched on or off as it says. They
//! are the patient's from then on; what they delete does not come back with the next plan.

use aws_lc_rs::digest;
use entity::{
    ids::{AccountId, PatientId, ReminderId},
    reminders,
};
use sea_orm::{ActiveModelTrait, ConnectionTrait, EntityTrait, Statement};
use uuid::Uuid;

use super::rules::{localtime::Zone, recurrence::Recurrence};
use crate::{
    content::{RecurringTemplate, protocols},
    db::WriteTx,
    error::{ApiError, ApiResult},
};

/// The id a rule of the content has with every patient, so that one that is there, or was deleted, is known again.
fn id_of(template: &str) -> ReminderId {
    let hash = digest::digest(&digest::SHA256, format!("standing reminder {template}").as_bytes());
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(hash.as_ref()).for_each(|(byte, hashed)| *byte = *hashed);
    ReminderId(uuid::Builder::from_custom_bytes(bytes).into_uuid())
}

/// A template's rule, counted from a local date: one of several days comes for the first time when they have passed.
fn rule_of(template: &RecurringTemplate, today: chrono::NaiveDate) -> Recurrence {
    let (n, time) = (template.recurrence.days, template.local_time);
    if n == 1 {
        return Recurrence::Daily { time };
    }
    let anchor = today.checked_add_days(chrono::Days::new(n.into())).unwrap_or(today);
    Recurrence::EveryNDays { n, anchor, time }
}

/// Gives a patient the rules of the content that they never had. Plan anew afterwards.
pub async fn start_defaults(tx: &WriteTx, patient: PatientId, by: AccountId) -> ApiResult<()> {
    let backend = tx.conn().get_database_backend();
    let zone = "SELECT zone FROM accounts WHERE id = $1";
    let statement = Statement::from_sql_and_values(backend, zone, [patient.0.into()]);
    let row = tx.conn().query_one_raw(statement).await?.ok_or(ApiError::NotFound)?;
    let zone = Zone::parse(&row.try_get::<String>("", "zone")?).map_err(ApiError::internal)?;
    let known = "SELECT id FROM reminders WHERE patient_id = $1 UNION ALL \
         SELECT id FROM tombstones WHERE patient_id = $1 AND collection = 'reminders'";
    let statement = Statement::from_sql_and_values(backend, known, [patient.0.into()]);
    let known: Vec<Uuid> = tx
        .conn()
        .query_all_raw(statement)
        .await?
        .iter()
        .map(|row| row.try_get("", "id"))
        .collect::<Result<_, _>>()?;
    let missing = protocols().recurring_reminders.iter().filter(|one| !known.contains(&id_of(&one.id).0));
    let rows: Vec<reminders::ActiveModel> =
        missing.map(|template| row_of(tx, (patient, by), template, &zone)).collect::<ApiResult<_>>()?;
    if !rows.is_empty() {
        reminders::Entity::insert_many(rows).exec_without_returning(tx.conn()).await?;
    }
    Ok(())
}

fn row_of(
    tx: &WriteTx,
    (patient, by): (PatientId, AccountId),
    template: &RecurringTemplate,
    zone: &Zone,
) -> ApiResult<reminders::ActiveModel> {
    let rule = rule_of(template, zone.local_date(tx.now()));
    let row = reminders::Model {
        patient_id: patient,
        id: id_of(&template.id),
        version: 1,
        sync_seq: tx.sync_seq(),
        category: template.category.clone(),
        recurrence: serde_json::to_string(&rule).map_err(ApiError::internal)?,
        active: template.enabled_by_default,
        text_sealed: None,
        set_by: by,
        created_at: tx.now(),
        updated_at: tx.now(),
        template_id: Some(template.id.clone()),
        unanswered: 0,
        rested_at: None,
    };
    Ok(reminders::ActiveModel::from(row).reset_all())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_has_a_rule_of_its_own_that_can_be_stored() {
        let today = chrono::NaiveDate::from_ymd_opt(2026, 11, 22).unwrap();
        let mut ids: Vec<ReminderId> =
            protocols().recurring_reminders.iter().map(|one| id_of(&one.id)).collect();
        assert!(protocols().recurring_reminders.iter().all(|one| rule_of(one, today).validate().is_ok()));
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), protocols().recurring_reminders.len());
        assert_eq!(ids[0].0.get_version_num(), 8);
    }
}
