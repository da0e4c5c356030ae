//! When and how a patient wants to be reminded: their pause and their delivery policy, laid over the defaults of the
//! content. Both plan anew, in their own transaction, what is still to come.

use std::collections::BTreeSet;

use axum::{Json, extract::State, http::StatusCode};
use chrono::{DateTime, Duration, Utc};
use entity::{delivery_policies, ids::PatientId};
use sea_orm::{ActiveModelTrait, ConnectionTrait, EntityTrait, sea_query::OnConflict};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::rules::{
    localtime::LocalTime,
    policy::{Policy, Window},
};
use crate::{
    accounts::Patient,
    app::AppState,
    content::protocols,
    db::WriteTx,
    error::{ApiError, ApiResult},
    extract::{IfMatch, Patch, ValidJson, Versioned},
    openapi::Problems,
    validate::{Checks, Validate},
};

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::days(366);
/// The version of a policy that was never changed.
pub(super) const UNTOUCHED: i32 = 1;
const HIGHEST_CAP: u8 = 20;

/// Local times between which reminders may come; outside are the quiet hours. It may cross midnight, and equal times
/// mean the whole day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeliveryWindow {
    #[schema(value_type = String, example = "08:00")]
    opens: LocalTime,
    #[schema(value_type = String, example = "21:30")]
    closes: LocalTime,
}

impl From<DeliveryWindow> for Window {
    fn from(window: DeliveryWindow) -> Self {
        Self { opens: window.opens, closes: window.closes }
    }
}

/// A window of one category.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CategoryWindow {
    #[schema(example = "mindfulness")]
    category: String,
    #[schema(value_type = String, example = "18:00")]
    opens: LocalTime,
    #[schema(value_type = String, example = "21:00")]
    closes: LocalTime,
}

/// What a locked screen may show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LockScreen {
    /// Nothing that tells of health or treatment.
    #[default]
    Discreet,
    /// The reminder's own words.
    Detailed,
}

/// What a patient chose, as it is kept; what is absent follows the defaults.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Wishes {
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<DeliveryWindow>,
    category_windows: Vec<CategoryWindow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    daily_cap: Option<u8>,
    categories_off: BTreeSet<String>,
    lock_screen: LockScreen,
}

impl Wishes {
    fn read(stored: Option<&str>) -> Self {
        stored.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    fn policy(self, paused_until: Option<DateTime<Utc>>) -> Policy {
        let defaults = Policy::default();
        let windows = self.category_windows.into_iter().map(|one| {
            let window = Window { opens: one.opens, closes: one.closes };
            (one.category, window)
        });
        Policy {
            window: self.window.map_or(defaults.window, Window::from),
            category_windows: windows.collect(),
            cap: self.daily_cap.unwrap_or(defaults.cap),
            cap_dosing_day: self.daily_cap.unwrap_or(defaults.cap_dosing_day),
            recurring_cap: defaults.recurring_cap,
            paused_until,
            categories_off: self.categories_off,
            detailed: self.lock_screen == LockScreen::Detailed,
        }
    }
}

/// The delivery policy of a patient: the defaults of the content, and over them what they chose.
pub fn parse_policy(stored: Option<&str>, paused_until: Option<DateTime<Utc>>) -> Policy {
    Wishes::read(stored).policy(paused_until)
}

/// When and how I am reminded.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeliveryPolicy {
    #[schema(example = 1)]
    pub version: i32,
    window: DeliveryWindow,
    /// Categories with a window of their own.
    category_windows: Vec<CategoryWindow>,
    /// Most reminders in a day; what is marked important before a session does not count.
    #[schema(example = 4)]
    daily_cap: u8,
    /// Categories that never come.
    #[schema(example = json!(["capture"]))]
    categories_off: BTreeSet<String>,
    lock_screen: LockScreen,
    /// Nothing comes before then; set by `PUT /v1/me/pause`.
    #[serde(skip_serializing_if = "Option::is_none")]
    paused_until: Option<DateTime<Utc>>,
}

/// What to change of when and how I am reminded; what is left out stays.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeliveryPolicyPatch {
    #[schema(nullable = false)]
    window: Option<DeliveryWindow>,
    /// Replaces all windows of categories.
    #[schema(max_items = 20)]
    category_windows: Option<Vec<CategoryWindow>>,
    /// Null for the default.
    #[serde(default)]
    #[schema(value_type = Option<u8>, minimum = 0, maximum = 20, example = 3)]
    daily_cap: Patch<u8>,
    /// Replaces the list.
    #[schema(max_items = 20, example = json!(["capture"]))]
    categories_off: Option<Vec<String>>,
    #[schema(nullable = false)]
    lock_screen: Option<LockScreen>,
}

impl Validate for DeliveryPolicyPatch {
    fn validate(&self, checks: &mut Checks) {
        let windows = self.category_windows.as_deref().unwrap_or_default();
        let off = self.categories_off.as_deref().unwrap_or_default();
        checks.items("/category_windows", windows, 20);
        checks.items("/categories_off", off, 20);
        checks.range("/daily_cap", self.daily_cap.value().copied(), 0, HIGHEST_CAP);
        for (index, window) in windows.iter().enumerate() {
            check_category(checks, &format!("/category_windows/{index}/category"), &window.category);
            let twice = windows[..index].iter().any(|other| other.category == window.category);
            let pointer = format!("/category_windows/{index}/category");
            checks.require(!twice, &pointer, "duplicate_value", "was sent more than once");
        }
        for (index, category) in off.iter().enumerate() {
            check_category(checks, &format!("/categories_off/{index}"), category);
        }
    }
}

fn check_category(checks: &mut Checks, pointer: &str, category: &str) {
    let categories = &protocols().categories;
    let names: Vec<&str> = categories.keys().map(String::as_str).collect();
    let detail = format!("must be one of: {}", names.join(", "));
    checks.require(categories.contains_key(category), pointer, "unknown_value", detail);
}

/// Until when I want to be left in peace.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Pause {
    /// At most a year ahead.
    #[schema(example = "2026-12-24T18:00:00Z")]
    until: DateTime<Utc>,
}

impl Validate for Pause {
    fn validate(&self, _: &mut Checks) {}
}

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(get_delivery_policy, update_delivery_policy))
        .routes(routes!(put_pause, delete_pause))
}

/// When and how I am reminded.
#[utoipa::path(get, path = "/me/delivery-policy", operation_id = "get_delivery_policy", tag = "me",
    params(("If-None-Match" = Option<String>, Header, description = "The ETag that the app already has.")),
    responses((status = 200, body = DeliveryPolicy), (status = 304, description = "Unchanged"), Problems))]
async fn get_delivery_policy(
    State(app): State<AppState>,
    me: Patient,
) -> ApiResult<Versioned<DeliveryPolicy>> {
    Ok(view(find(app.db.reader(), me.id()).await?))
}

/// Change when and how I am reminded; what is still to come is planned anew.
#[utoipa::path(patch, path = "/me/delivery-policy", operation_id = "update_delivery_policy", tag = "me",
    params(("If-Match" = String, Header, description = "The ETag that was read.", example = "\"1\"")),
    request_body = DeliveryPolicyPatch, responses((status = 200, body = DeliveryPolicy), Problems))]
async fn update_delivery_policy(
    State(app): State<AppState>,
    me: Patient,
    IfMatch(version): IfMatch,
    ValidJson(patch): ValidJson<DeliveryPolicyPatch>,
) -> ApiResult<Versioned<DeliveryPolicy>> {
    let row = app.db.write(&me.writing(), async |tx| change(tx, me.id(), version, patch).await).await?;
    Ok(view(Some(row)))
}

/// Send me nothing until then, whatever it is but a notice about my account. Counts at once.
#[utoipa::path(put, path = "/me/pause", operation_id = "put_pause", tag = "me", request_body = Pause,
    responses((status = 200, body = Pause), Problems))]
async fn put_pause(
    State(app): State<AppState>,
    me: Patient,
    ValidJson(pause): ValidJson<Pause>,
) -> ApiResult<Json<Pause>> {
    app.db.write(&me.writing(), async |tx| set_pause(tx, me.id(), Some(pause.until)).await).await?;
    Ok(Json(pause))
}

/// End my pause; what is still of use is planned anew.
#[utoipa::path(delete, path = "/me/pause", operation_id = "delete_pause", tag = "me",
    responses((status = 204, description = "Ended"), Problems))]
async fn delete_pause(State(app): State<AppState>, me: Patient) -> ApiResult<StatusCode> {
    app.db.write(&me.writing(), async |tx| set_pause(tx, me.id(), None).await).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn find(
    conn: &impl ConnectionTrait,
    patient: PatientId,
) -> ApiResult<Option<delivery_policies::Model>> {
    Ok(delivery_policies::Entity::find_by_id(patient).one(conn).await?)
}

pub(super) fn view(row: Option<delivery_policies::Model>) -> Versioned<DeliveryPolicy> {
    let wishes = Wishes::read(row.as_ref().map(|row| row.policy.as_str()));
    let policy = wishes.clone().policy(None);
    let version = row.as_ref().map_or(UNTOUCHED, |row| row.version);
    let body = DeliveryPolicy {
        version,
        window: DeliveryWindow { opens: policy.window.opens, closes: policy.window.closes },
        category_windows: wishes.category_windows,
        daily_cap: policy.cap,
        categories_off: policy.categories_off,
        lock_screen: wishes.lock_screen,
        paused_until: row.and_then(|row| row.paused_until),
    };
    Versioned { version, body }
}

pub(super) async fn change(
    tx: &WriteTx,
    patient: PatientId,
    version: i32,
    patch: DeliveryPolicyPatch,
) -> ApiResult<delivery_policies::Model> {
    let row = find(tx.conn(), patient).await?;
    if row.as_ref().map_or(UNTOUCHED, |row| row.version) != version {
        return Err(ApiError::stale());
    }
    let wishes = patched(Wishes::read(row.as_ref().map(|row| row.policy.as_str())), patch);
    let paused_until = row.and_then(|row| row.paused_until);
    keep(tx, patient, version, &wishes, paused_until).await
}

fn patched(before: Wishes, patch: DeliveryPolicyPatch) -> Wishes {
    Wishes {
        window: patch.window.or(before.window),
        category_windows: patch.category_windows.unwrap_or(before.category_windows),
        daily_cap: patch.daily_cap.apply(before.daily_cap),
        categories_off: patch.categories_off.map_or(before.categories_off, |off| off.into_iter().collect()),
        lock_screen: patch.lock_screen.unwrap_or(before.lock_screen),
    }
}

/// Whether a change says what is there already.
pub(super) fn is_same(row: &delivery_policies::Model, patch: &DeliveryPolicyPatch) -> bool {
    let there = Wishes::read(Some(&row.policy));
    patched(there.clone(), patch.clone()) == there
}

async fn set_pause(tx: &WriteTx, patient: PatientId, until: Option<DateTime<Utc>>) -> ApiResult<()> {
    if until.is_some_and(|until| until <= tx.now()) {
        return Err(ApiError::invalid_field("/until", "in_the_past", "must lie in the future"));
    }
    if until.is_some_and(|until| until > tx.now() + LONGEST_PAUSE) {
        return Err(ApiError::invalid_field("/until", "too_far_ahead", "must lie within a year from now"));
    }
    let row = find(tx.conn(), patient).await?;
    let wishes = Wishes::read(row.as_ref().map(|row| row.policy.as_str()));
    let version = row.map_or(UNTOUCHED, |row| row.version);
    keep(tx, patient, version, &wishes, until).await.map(drop)
}

/// Writes the row after `version` and plans anew.
async fn keep(
    tx: &WriteTx,
    patient: PatientId,
    version: i32,
    wishes: &Wishes,
    paused_until: Option<DateTime<Utc>>,
) -> ApiResult<delivery_policies::Model> {
    use delivery_policies::Column::{PatientId as Owner, PausedUntil, Policy, SyncSeq, UpdatedAt, Version};
    let row = delivery_policies::Model {
        patient_id: patient,
        version: version + 1,
        sync_seq: tx.sync_seq(),
        policy: serde_json::to_string(wishes).map_err(ApiError::internal)?,
        paused_until,
        updated_at: tx.now(),
    };
    let active: delivery_policies::ActiveModel = row.clone().into();
    delivery_policies::Entity::insert(active.reset_all())
        .on_conflict(
            OnConflict::column(Owner)
                .update_columns([Version, SyncSeq, Policy, PausedUntil, UpdatedAt])
                .to_owned(),
        )
        .exec_without_returning(tx.conn())
        .await?;
    super::replan_patient(tx, patient).await?;
    Ok(row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_patient_did_not_choose_follows_the_defaults() {
        let stored = r#"{"daily_cap": 2, "categories_off": ["capture"], "lock_screen": "detailed"}"#;
        let policy = parse_policy(Some(stored), None);
        assert_eq!((policy.cap, policy.cap_dosing_day, policy.detailed), (2, 2, true));
        assert_eq!(policy.window, Policy::default().window);
        for nothing in [None, Some("{}"), Some("")] {
            assert_eq!(parse_policy(nothing, None), Policy::default(), "{nothing:?}");
        }
    }
}
