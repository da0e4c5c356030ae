//! The response policy: who looks at alerts, in which hours, and who is next when nobody does. Without one nothing may
//! be asked for that raises an alert for which somebody has to be there.

use entity::{clinics, ids::AccountId, measure_assignments};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, Statement,
    sea_query::{Expr, ExprTrait},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    accounts::Caller,
    app::AppState,
    audit::Event,
    db::WriteTx,
    error::{ApiError, ApiResult},
    plans::{Opening, check_openings},
    validate::{Checks, Validate},
    vault::{DataKey, Place},
};

/// Most minutes until an alert climbs: three days.
const LONGEST: u32 = 3 * 24 * 60;

/// Who is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Responder {
    /// The therapists of the patient's care team.
    CareTeam,
    /// The clinician who stands in for all of them.
    CoveringClinician,
    /// The clinic's line; always the last.
    ClinicLine,
}

/// One rung of the ladder that an alert climbs until somebody acknowledges it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResponseStep {
    pub to: Responder,
    /// Minutes of the clinic's hours after the alert was raised; the first step is at 0, each later one after the one
    /// before.
    #[schema(example = 30, minimum = 0, maximum = 4320)]
    pub after_minutes: u32,
}

/// Who answers alerts, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResponsePolicyContent {
    /// When alerts are looked at, on the clinic's wall clock.
    #[schema(min_items = 1, max_items = 21)]
    pub hours: Vec<Opening>,
    /// From the first to the last who is told; the last is the clinic's line.
    #[schema(min_items = 1, max_items = 3)]
    pub steps: Vec<ResponseStep>,
    /// Who stands in; needed where a step says so. A therapist or medical staff of this clinic.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>, nullable = false)]
    pub covering_member_id: Option<AccountId>,
    /// The telephone number of the clinic's line.
    #[schema(example = "+49 30 901820", min_length = 3, max_length = 40)]
    pub line_phone: String,
    /// The policy in the clinic's own words, for its staff.
    #[schema(
        example = "Alerts are read at nine and at two on weekdays. Whoever acknowledges one calls the patient.",
        min_length = 1,
        max_length = 4000
    )]
    pub text: String,
}

/// The response policy, if the clinic has written one.
#[derive(Debug, Serialize, ToSchema)]
pub struct ResponsePolicy {
    /// The clinic's version; the ETag.
    #[schema(example = 2)]
    pub version: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub policy: Option<ResponsePolicyContent>,
}

impl Validate for ResponsePolicyContent {
    fn validate(&self, checks: &mut Checks) {
        check_openings(checks, "/hours", &self.hours);
        checks.text("/line_phone", Some(&self.line_phone), 3, 40);
        checks.text("/text", Some(self.text.trim()), 1, 4000);
        let count = self.steps.len();
        checks.require(
            (1..=3).contains(&count),
            "/steps",
            "wrong_number_of_items",
            "must have one to three steps",
        );
        for (index, step) in self.steps.iter().enumerate().take(3) {
            let pointer = format!("/steps/{index}/after_minutes");
            checks.range(&pointer, Some(step.after_minutes), 0, LONGEST);
            let before = index.checked_sub(1).and_then(|before| self.steps.get(before));
            let rises =
                before.map_or(step.after_minutes == 0, |before| step.after_minutes > before.after_minutes);
            checks.require(
                rises,
                &pointer,
                "wrong_order",
                "the first step is at 0 minutes, and each later one after the one before",
            );
            let last = index + 1 == count;
            checks.require(
                last == (step.to == Responder::ClinicLine),
                &format!("/steps/{index}/to"),
                "clinic_line_last",
                "the last step, and no other, is the clinic's line",
            );
        }
        let stands_in = self.steps.iter().any(|step| step.to == Responder::CoveringClinician);
        checks.require(
            stands_in == self.covering_member_id.is_some(),
            "/covering_member_id",
            "covering_clinician",
            "is needed where a step is for the covering clinician, and only there",
        );
    }
}

fn place(clinic: entity::ids::ClinicId) -> Place {
    Place::new("clinics", "response_policy_sealed", clinic)
}

/// The policy of a clinic, if it has one.
pub fn open(row: &clinics::Model, key: &DataKey) -> ApiResult<Option<ResponsePolicyContent>> {
    let open = |sealed: &Vec<u8>| key.open_json(place(row.id), sealed);
    Ok(row.response_policy_sealed.as_ref().map(open).transpose()?)
}

/// The policy of a clinic, as its staff read it.
pub fn view(row: &clinics::Model, key: &DataKey) -> ApiResult<ResponsePolicy> {
    Ok(ResponsePolicy { version: row.version, policy: open(row, key)? })
}

/// Writes the policy of a clinic that is still at `version`, else 412.
pub async fn put(
    tx: &WriteTx,
    me: &Caller,
    key: &DataKey,
    (version, policy): (i32, &ResponsePolicyContent),
) -> ApiResult<()> {
    if let Some(member) = policy.covering_member_id {
        check_covering(tx, me, member).await?;
    }
    write(tx, me, version, Some(key.seal_json(place(me.clinic), policy))).await
}

/// Takes the policy away; 409 while something is asked for that needs one.
pub async fn delete(tx: &WriteTx, app: &AppState, me: &Caller, version: i32) -> ApiResult<()> {
    use measure_assignments::Column;
    let needing = app.measures.all().into_iter().filter(|measure| measure.needs_response_policy());
    let open = measure_assignments::Entity::find()
        .filter(Column::ClinicId.eq(me.clinic))
        .filter(Column::State.eq("open"))
        .filter(Column::MeasureId.is_in(needing.map(|measure| measure.id.as_str())))
        .count(tx.conn())
        .await?;
    if open > 0 {
        return Err(ApiError::conflict(
            "response_policy_in_use",
            "Questionnaires are open that may call for somebody. Withdraw them first, or write another policy.",
        ));
    }
    write(tx, me, version, None).await
}

async fn check_covering(tx: &WriteTx, me: &Caller, member: AccountId) -> ApiResult<()> {
    let statement = Statement::from_sql_and_values(
        tx.conn().get_database_backend(),
        "SELECT 1 AS one FROM accounts WHERE id = $1 AND clinic_id = $2 AND kind = 'staff' AND state = 'active' \
         AND (capabilities LIKE '%therapist%' OR capabilities LIKE '%medical%')",
        [member.0.into(), me.clinic.0.into()],
    );
    if tx.conn().query_one_raw(statement).await?.is_some() {
        return Ok(());
    }
    let detail = "is no therapist or medical staff of this clinic; GET /staff lists them";
    Err(ApiError::invalid_field("/covering_member_id", "unknown_member", detail))
}

async fn write(tx: &WriteTx, me: &Caller, version: i32, sealed: Option<Vec<u8>>) -> ApiResult<()> {
    use clinics::Column;
    let action = if sealed.is_some() { "clinic.response_policy" } else { "clinic.no_response_policy" };
    let changed = clinics::Entity::update_many()
        .col_expr(Column::ResponsePolicySealed, Expr::value(sealed))
        .col_expr(Column::Version, Expr::col(Column::Version).add(1))
        .filter(Column::Id.eq(me.clinic))
        .filter(Column::Version.eq(version))
        .exec(tx.conn())
        .await?;
    if changed.rows_affected == 0 {
        return Err(ApiError::stale());
    }
    tx.audit(Event { subject: None, ..Event::new(action, me.account, format!("clinics/{}", me.clinic)) });
    Ok(())
}
