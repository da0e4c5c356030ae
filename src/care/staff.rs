//! The clinic's people, as its admins see them.

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use entity::{
    accounts::{Column, Entity, Model},
    clinics, data_keys,
    ids::{AccountId, ClinicId},
};
use sea_orm::{
    ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, ExprTrait},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::invitations;
use crate::{
    accounts::{self, Admin, Capabilities, Capability},
    app::AppState,
    audit::Event,
    db::WriteTx,
    error::{ApiError, ApiResult},
    extract::{Patch, PathId, ValidJson},
    openapi::Problems,
    reminders,
    validate::{Checks, Validate},
    vault::{OwnerKind, WrappedKey},
};

/// A clinic with more people than this lists its newest ones.
const MOST: u64 = 500;

/// One of the clinic's people.
#[derive(Debug, Serialize, ToSchema)]
pub struct StaffMember {
    #[schema(value_type = Uuid)]
    id: AccountId,
    #[schema(example = "Bo Lindqvist")]
    display_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Psychotherapist")]
    profession: Option<String>,
    capabilities: Vec<Capability>,
    joined_at: DateTime<Utc>,
}

/// The clinic's people, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct StaffList {
    items: Vec<StaffMember>,
}

/// What to change of one of the clinic's people; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StaffPatch {
    /// Replaces what they may do, from their next request on; an empty list takes everything away.
    #[schema(max_items = 4)]
    capabilities: Option<Vec<Capability>>,
    /// Shown to patients beside the name.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "Psychotherapist", min_length = 1, max_length = 80)]
    profession: Patch<String>,
}

impl Validate for StaffPatch {
    fn validate(&self, checks: &mut Checks) {
        checks.items("/capabilities", self.capabilities.as_deref().unwrap_or_default(), 4);
        checks.text("/profession", self.profession.value().map(String::as_str), 1, 80);
    }
}

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_staff)).routes(routes!(update_staff_member))
}

/// The people of my clinic.
#[utoipa::path(get, path = "/staff", operation_id = "list_staff", tag = "care",
    responses((status = 200, body = StaffList), Problems))]
async fn list_staff(State(app): State<AppState>, me: Admin) -> ApiResult<Json<StaffList>> {
    let rows = Entity::find()
        .filter(Column::ClinicId.eq(me.clinic))
        .filter(Column::Kind.eq("staff"))
        .filter(Column::State.eq("active"))
        .order_by_desc(Column::CreatedAt)
        .order_by_desc(Column::Id)
        .limit(MOST)
        .all(app.db.reader())
        .await?;
    Ok(Json(StaffList { items: view(&app, rows).await? }))
}

/// Change what one of my clinic's people may do. The last admin stays one.
#[utoipa::path(patch, path = "/staff/{id}", operation_id = "update_staff_member", tag = "care",
    params(("id" = uuid::Uuid, Path)), request_body = StaffPatch,
    responses((status = 200, body = StaffMember), Problems))]
async fn update_staff_member(
    State(app): State<AppState>,
    me: Admin,
    PathId(id): PathId<AccountId>,
    ValidJson(patch): ValidJson<StaffPatch>,
) -> ApiResult<Json<StaffMember>> {
    let row = app.db.write(&me.writing(), async |tx| change(tx, me.clinic, id, patch).await).await?;
    view(&app, vec![row]).await?.pop().map(Json).ok_or(ApiError::NotFound)
}

/// The rows with their names, opened with keys that one statement reads.
async fn view(app: &AppState, rows: Vec<Model>) -> ApiResult<Vec<StaffMember>> {
    let keys = data_keys::Entity::find()
        .filter(data_keys::Column::OwnerKind.eq(OwnerKind::Account.as_str()))
        .filter(data_keys::Column::OwnerId.is_in(rows.iter().map(|row| row.id.0)))
        .all(app.db.reader())
        .await?;
    let mut items = Vec::with_capacity(rows.len());
    for row in rows {
        let key = keys.iter().find(|key| key.owner_id == row.id.0).cloned().and_then(WrappedKey::from_row);
        let Some(key) = key else { continue };
        let key = app.vault.unwrap(&key)?;
        items.push(StaffMember {
            id: row.id,
            display_name: key.open_text(accounts::name_place(row.id), &row.name_sealed)?,
            profession: row.profession,
            capabilities: Capabilities::parse(&row.capabilities).list().to_vec(),
            joined_at: row.created_at,
        });
    }
    Ok(items)
}

async fn change(tx: &WriteTx, clinic: ClinicId, id: AccountId, patch: StaffPatch) -> ApiResult<Model> {
    lock(tx, clinic).await?;
    let staff = Entity::find()
        .filter(Column::ClinicId.eq(clinic))
        .filter(Column::Kind.eq("staff"))
        .filter(Column::State.eq("active"))
        .all(tx.conn())
        .await?;
    let mut row = staff.iter().find(|row| row.id == id).cloned().ok_or(ApiError::NotFound)?;
    if let Some(capabilities) = patch.capabilities {
        let capabilities = Capabilities::new(capabilities);
        row.capabilities = capabilities.to_string();
        take_away(tx, id, &capabilities).await?;
    }
    row.profession = patch.profession.apply(row.profession);
    let is_admin = |row: &Model| Capabilities::parse(&row.capabilities).has(Capability::Admin);
    if !is_admin(&row) && !staff.iter().any(|other| other.id != id && is_admin(other)) {
        return Err(ApiError::conflict(
            "last_admin",
            "This is the clinic's last admin. Make somebody else an admin first.",
        ));
    }
    Entity::update_many()
        .col_expr(Column::Capabilities, Expr::value(row.capabilities.clone()))
        .col_expr(Column::Profession, Expr::value(row.profession.clone()))
        .col_expr(Column::Version, Expr::col(Column::Version).add(1))
        .filter(Column::Id.eq(id))
        .exec(tx.conn())
        .await?;
    tx.audit(Event::new("care.change_staff", id, format!("accounts/{id}: {}", row.capabilities)));
    Ok(row)
}

/// What goes with capabilities that somebody has no more: invitations that they may not make, by which they would come
/// back, or bring patients to nobody; and what was not sent yet of what only those who treat are told.
async fn take_away(tx: &WriteTx, member: AccountId, left: &Capabilities) -> ApiResult<()> {
    invitations::revoke_beyond(tx, member, left).await?;
    if left.treat() {
        return Ok(());
    }
    reminders::withdraw_from_stopped(tx, member).await
}

/// Two admins who take the role from each other at once must not both succeed.
async fn lock(tx: &WriteTx, clinic: ClinicId) -> ApiResult<()> {
    clinics::Entity::update_many()
        .col_expr(clinics::Column::Version, Expr::col(clinics::Column::Version))
        .filter(clinics::Column::Id.eq(clinic))
        .exec(tx.conn())
        .await?;
    Ok(())
}
