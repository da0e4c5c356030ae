//! What a clinic has set for its plans: when it is open, and its own templates.

use entity::{clinic_plan_templates, clinics, ids::ClinicId};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Statement,
    sea_query::{Expr, ExprTrait},
};

use super::{
    dto::{ClinicHours, ClinicPlanTemplates},
    fit::Calendar,
    hours::{Hours, Opening},
    templates::PlanTemplate,
};
use crate::{
    accounts::Caller,
    app::AppState,
    audit::Event,
    care,
    db::WriteTx,
    error::{ApiError, ApiResult},
    reminders::rules::localtime::Zone,
    vault::{DataKey, Place},
};

/// Where and when a clinic works.
#[derive(Debug)]
pub struct Ground {
    pub version: i32,
    pub zone: Zone,
    pub hours: Hours,
}

impl Ground {
    pub fn calendar(&self) -> Calendar<'_> {
        Calendar { hours: &self.hours, zone: &self.zone }
    }

    pub fn view(self) -> ClinicHours {
        ClinicHours {
            version: self.version,
            time_zone: self.zone.name().to_owned(),
            openings: self.hours.openings().to_vec(),
        }
    }
}

/// The hours and zone of a clinic.
pub async fn ground(conn: &impl ConnectionTrait, clinic: ClinicId) -> ApiResult<Ground> {
    ground_of(&clinics::Entity::find_by_id(clinic).one(conn).await?.ok_or(ApiError::NotFound)?)
}

/// The hours and zone in a clinic's row.
pub fn ground_of(row: &clinics::Model) -> ApiResult<Ground> {
    let hours = match row.hours.as_deref() {
        Some(text) => serde_json::from_str(text).map_err(ApiError::internal)?,
        None => Hours::default(),
    };
    Ok(Ground { version: row.version, zone: Zone::parse(&row.zone).map_err(ApiError::internal)?, hours })
}

/// Sets the hours of a clinic that is still at `version`, else 412.
pub async fn put_hours(tx: &WriteTx, me: &Caller, version: i32, openings: Vec<Opening>) -> ApiResult<Ground> {
    use clinics::Column;
    let hours = serde_json::to_string(&Hours::new(openings)).map_err(ApiError::internal)?;
    let changed = clinics::Entity::update_many()
        .col_expr(Column::Hours, Expr::value(hours))
        .col_expr(Column::Version, Expr::col(Column::Version).add(1))
        .filter(Column::Id.eq(me.clinic))
        .filter(Column::Version.eq(version))
        .exec(tx.conn())
        .await?;
    if changed.rows_affected == 0 {
        return Err(ApiError::stale());
    }
    tx.audit(Event::new("clinic.hours", me.account, format!("clinics/{}", me.clinic)));
    ground(tx.conn(), me.clinic).await
}

fn templates_place(clinic: ClinicId) -> Place {
    Place::new("clinic_plan_templates", "templates_sealed", clinic)
}

/// The clinic's own templates; none, at version 0, before the first were written.
pub async fn own_templates(app: &AppState, clinic: ClinicId) -> ApiResult<ClinicPlanTemplates> {
    let row = clinic_plan_templates::Entity::find_by_id(clinic).one(app.db.reader()).await?;
    let Some(row) = row else { return Ok(ClinicPlanTemplates { version: 0, templates: Vec::new() }) };
    let key = care::clinic_key(app, clinic).await?;
    let templates = key.open_json(templates_place(clinic), &row.templates_sealed)?;
    Ok(ClinicPlanTemplates { version: row.version, templates })
}

/// Replaces the templates that are still at `version` (0 when there are none), else 412.
pub async fn put_templates(
    tx: &WriteTx,
    me: &Caller,
    key: &DataKey,
    version: i32,
    templates: Vec<PlanTemplate>,
) -> ApiResult<ClinicPlanTemplates> {
    let sealed = key.seal_json(templates_place(me.clinic), &templates);
    let sql = if version == 0 {
        "INSERT INTO clinic_plan_templates (version, templates_sealed, updated_by, updated_at, clinic_id) \
         VALUES (1 + $5, $1, $2, $3, $4) ON CONFLICT (clinic_id) DO NOTHING"
    } else {
        "UPDATE clinic_plan_templates SET version = version + 1, templates_sealed = $1, updated_by = $2, \
         updated_at = $3 WHERE clinic_id = $4 AND version = $5"
    };
    let values = [sealed.into(), me.account.0.into(), tx.now().into(), me.clinic.0.into(), version.into()];
    let statement = Statement::from_sql_and_values(tx.conn().get_database_backend(), sql, values);
    if tx.conn().execute_raw(statement).await?.rows_affected() == 0 {
        return Err(ApiError::stale());
    }
    tx.audit(Event::new("clinic.plan_templates", me.account, format!("clinics/{}", me.clinic)));
    Ok(ClinicPlanTemplates { version: version + 1, templates })
}

/// Refuses questionnaires that this server does not have, or that are filled in elsewhere.
pub fn check_measures(app: &AppState, templates: &[PlanTemplate]) -> ApiResult<()> {
    let mut checks = crate::validate::Checks::default();
    for (index, template) in templates.iter().enumerate() {
        for (number, one) in template.measures.iter().enumerate() {
            let known = one.measure != crate::measures::DAILY && app.measures.find(&one.measure).is_some();
            let pointer = format!("/templates/{index}/measures/{number}/measure");
            let detail = "is no questionnaire that can be asked for; GET /measures lists them";
            checks.require(known, &pointer, "unknown_value", detail);
        }
    }
    checks.finish()
}
