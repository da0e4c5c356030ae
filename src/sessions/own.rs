//! What the patient prepares for a session: an intention, and the things to tick off.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::{FromRequestParts, State},
    http::request::Parts,
};
use entity::{
    ids::{PatientId, SessionId},
    session_readiness, sessions,
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Set,
    sea_query::{Expr, OnConflict},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{queries, readiness as content};
use crate::{
    accounts::Patient,
    app::AppState,
    care::TreatedPatient,
    consents::{self, Purpose},
    db::WriteTx,
    error::{ApiError, ApiResult},
    extract::{IfMatch, Patch, PathId, ValidJson, Versioned},
    openapi::Problems,
    reminders::{Acknowledgement, Reach, acknowledgements, reachable},
    validate::{Checks, Validate},
    vault::{DataKey, Place},
};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(get_session_intention, update_session_intention))
        .routes(routes!(list_session_readiness))
        .routes(routes!(put_session_readiness))
        .routes(routes!(get_session_preparation))
}

const LONGEST: usize = 2_000;

/// What I hope for from this session. It is mine until I share it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionIntention {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "To meet my grief without running", max_length = 2000)]
    pub text: Option<String>,
    /// Whether my care team may read it.
    #[serde(default)]
    #[schema(example = false)]
    pub shared: bool,
}

/// What to change of the intention; what is left out stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionIntentionPatch {
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "To meet my grief without running", max_length = 2000)]
    pub text: Patch<String>,
    #[schema(example = true)]
    pub shared: Option<bool>,
}

impl Validate for SessionIntentionPatch {
    fn validate(&self, checks: &mut Checks) {
        checks.text("/text", self.text.value().map(String::as_str), 0, LONGEST);
    }
}

/// One thing to tick off before a session.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReadinessItem {
    #[schema(example = "ride-home")]
    pub id: String,
    #[schema(example = "Somebody brings me home; I will not drive.")]
    pub text: String,
    #[schema(example = true)]
    pub done: bool,
}

/// Everything to tick off, in a sensible order.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReadinessList {
    pub items: Vec<ReadinessItem>,
    /// Reminders of this session that ask to be confirmed; `POST /v1/notifications/{id}/done` confirms one.
    pub acknowledgements: Vec<Acknowledgement>,
}

/// Whether it is done.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadinessPut {
    #[schema(example = true)]
    pub done: bool,
}

impl Validate for ReadinessPut {
    fn validate(&self, _: &mut Checks) {}
}

/// How a patient prepared, as their care team sees it.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionPreparation {
    /// Only if the patient shares it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "To meet my grief without running")]
    pub intention: Option<String>,
    pub readiness: Vec<ReadinessItem>,
    /// Reminders of this session that ask to be confirmed.
    pub acknowledgements: Vec<Acknowledgement>,
    /// Whether reminders reach the patient; if not, telephone.
    pub reach: Reach,
}

/// An item's id from the path, checked against the session later.
struct PathItem(String);

impl<S: Send + Sync> FromRequestParts<S> for PathItem {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> ApiResult<Self> {
        let path = axum::extract::Path::<BTreeMap<String, String>>::from_request_parts(parts, state).await;
        path.ok().and_then(|mut names| names.remove("item")).map(Self).ok_or(ApiError::NotFound)
    }
}

/// An intention as it is sealed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    #[serde(flatten)]
    pub intention: SessionIntention,
    /// Its own, 0 as long as nothing was written: a session that is moved leaves it as it is.
    #[serde(default = "first")]
    pub version: i32,
}

fn first() -> i32 {
    1
}

fn place(id: SessionId) -> Place {
    Place::new("sessions", "intention_sealed", id)
}

pub fn kept(row: &sessions::Model, key: &DataKey) -> ApiResult<Kept> {
    Ok(match &row.intention_sealed {
        Some(sealed) => key.open_json(place(row.id), sealed)?,
        None => Kept::default(),
    })
}

fn open(row: &sessions::Model, key: &DataKey) -> ApiResult<SessionIntention> {
    Ok(kept(row, key)?.intention)
}

/// What the patient has written down, for their own eyes.
pub fn own_intention(row: &sessions::Model, key: &DataKey) -> ApiResult<Option<String>> {
    Ok(open(row, key)?.text.filter(|text| !text.trim().is_empty()))
}

/// Whether the patient has written down what they hope for.
pub fn has_intention(row: &sessions::Model, key: &DataKey) -> ApiResult<bool> {
    Ok(own_intention(row, key)?.is_some())
}

/// The intention, if the patient shares it; whether they may is asked elsewhere.
pub fn shared_intention(row: &sessions::Model, key: &DataKey) -> ApiResult<Option<String>> {
    let intention = open(row, key)?;
    Ok(intention.text.filter(|text| intention.shared && !text.trim().is_empty()))
}

/// Read my intention for a session.
#[utoipa::path(get, path = "/sessions/{id}/intention", operation_id = "get_session_intention", tag = "sessions",
    params(("id" = Uuid, Path),
        ("If-None-Match" = Option<String>, Header, description = "The ETag that the app already has.")),
    responses((status = 200, body = SessionIntention), (status = 304, description = "Unchanged"), Problems))]
async fn get_session_intention(
    State(app): State<AppState>,
    me: Patient,
    PathId(id): PathId<SessionId>,
) -> ApiResult<Versioned<SessionIntention>> {
    let row = queries::find(app.db.reader(), me.id(), id).await?;
    Ok(Versioned { version: row.version, body: open(&row, &me.key)? })
}

/// Write my intention for a session, and say whether my care team may read it.
#[utoipa::path(patch, path = "/sessions/{id}/intention", operation_id = "update_session_intention", tag = "sessions",
    params(("id" = Uuid, Path), ("If-Match" = String, Header, description = "The session's ETag.", example = "\"1\"")),
    request_body = SessionIntentionPatch, responses((status = 200, body = SessionIntention), Problems))]
async fn update_session_intention(
    State(app): State<AppState>,
    me: Patient,
    PathId(id): PathId<SessionId>,
    IfMatch(version): IfMatch,
    ValidJson(patch): ValidJson<SessionIntentionPatch>,
) -> ApiResult<Versioned<SessionIntention>> {
    let (version, body) = app
        .db
        .write(&me.writing(), async |tx| {
            let row = queries::find(tx.conn(), me.id(), id).await?;
            if row.version != version {
                return Err(ApiError::stale());
            }
            Ok((version + 1, set_intention(tx, row, &me.key, patch).await?))
        })
        .await?;
    Ok(Versioned { version, body })
}

/// Changes the intention for a session as it was just read.
pub async fn set_intention(
    tx: &WriteTx,
    row: sessions::Model,
    key: &DataKey,
    patch: SessionIntentionPatch,
) -> ApiResult<SessionIntention> {
    if patch.shared == Some(true) {
        consents::require_sharing(tx.conn(), row.patient_id).await?;
    }
    let before = kept(&row, key)?;
    let after = SessionIntention {
        text: patch.text.apply(before.intention.text),
        shared: patch.shared.unwrap_or(before.intention.shared),
    };
    let sealed = Kept { intention: after.clone(), version: before.version + 1 };
    let change = sessions::ActiveModel {
        patient_id: Set(row.patient_id),
        id: Set(row.id),
        version: Set(row.version + 1),
        sync_seq: Set(tx.sync_seq()),
        intention_sealed: Set(Some(key.seal_json(place(row.id), &sealed))),
        updated_at: Set(tx.now()),
        ..Default::default()
    };
    change.update(tx.conn()).await?;
    Ok(after)
}

/// Closes every intention of the patient to their care team. What it says stays.
pub async fn close_intentions(tx: &WriteTx, patient: PatientId, key: &DataKey) -> ApiResult<()> {
    let rows = sessions::Entity::find()
        .filter(sessions::Column::PatientId.eq(patient))
        .filter(sessions::Column::IntentionSealed.is_not_null())
        .all(tx.conn())
        .await?;
    for row in rows {
        if open(&row, key)?.shared {
            let closed = SessionIntentionPatch { shared: Some(false), ..Default::default() };
            set_intention(tx, row, key, closed).await?;
        }
    }
    Ok(())
}

/// List what I can tick off before a session.
#[utoipa::path(get, path = "/sessions/{id}/readiness", operation_id = "list_session_readiness", tag = "sessions",
    params(("id" = Uuid, Path)), responses((status = 200, body = ReadinessList), Problems))]
async fn list_session_readiness(
    State(app): State<AppState>,
    me: Patient,
    PathId(id): PathId<SessionId>,
) -> ApiResult<Json<ReadinessList>> {
    let row = queries::find(app.db.reader(), me.id(), id).await?;
    Ok(Json(readiness(app.db.reader(), &row, &me.locale).await?))
}

/// Tick an item off, or take the tick back. It needs no version: the last word counts.
#[utoipa::path(put, path = "/sessions/{id}/readiness/{item}", operation_id = "put_session_readiness", tag = "sessions",
    params(("id" = Uuid, Path), ("item" = String, Path, example = "ride-home")), request_body = ReadinessPut,
    responses((status = 200, body = ReadinessList), Problems))]
async fn put_session_readiness(
    State(app): State<AppState>,
    me: Patient,
    PathId(id): PathId<SessionId>,
    PathItem(item): PathItem,
    ValidJson(put): ValidJson<ReadinessPut>,
) -> ApiResult<Json<ReadinessList>> {
    let list = app
        .db
        .write(&me.writing(), async |tx| {
            let row = queries::find(tx.conn(), me.id(), id).await?;
            tick(tx, &row, item, put.done).await?;
            readiness(tx.conn(), &row, &me.locale).await
        })
        .await?;
    Ok(Json(list))
}

/// See how a patient in my care prepared: what they ticked off, and the intention if they share it.
#[utoipa::path(get, path = "/patients/{patient_id}/sessions/{id}/preparation", operation_id = "get_session_preparation",
    tag = "sessions", params(("patient_id" = Uuid, Path), ("id" = Uuid, Path)),
    responses((status = 200, body = SessionPreparation), Problems))]
async fn get_session_preparation(
    State(app): State<AppState>,
    shared: TreatedPatient,
    PathId(id): PathId<SessionId>,
) -> ApiResult<Json<SessionPreparation>> {
    let (locale, now) = (shared.therapist().locale.clone(), app.clock.now());
    let resource = format!("sessions/{id}/preparation");
    let preparation = shared.read(&app, "sessions.preparation", resource, async |conn, scope| {
        let row = queries::find(conn, scope.patient, id).await?;
        let intention = shared_intention(&row, &scope.key)?;
        // Withdrawing clears the mark; one that was set before it did is stopped here.
        let may = consents::holds(conn, scope.patient, Purpose::SharingWithCareTeam).await?;
        let readiness = checklist(conn, &row, &locale).await?;
        let acknowledgements = acknowledgements(conn, &row, &locale).await?;
        let reach = reachable(conn, &[scope.patient], now).await?.remove(&scope.patient);
        Ok(SessionPreparation {
            intention: intention.filter(|_| may),
            readiness,
            acknowledgements,
            reach: reach.unwrap_or(Reach::NoDevice),
        })
    });
    Ok(Json(preparation.await?))
}

async fn readiness(
    conn: &impl ConnectionTrait,
    session: &sessions::Model,
    locale: &str,
) -> ApiResult<ReadinessList> {
    let items = checklist(conn, session, locale).await?;
    Ok(ReadinessList { items, acknowledgements: acknowledgements(conn, session, locale).await? })
}

/// What there is to tick off, and what is.
pub async fn checklist(
    conn: &impl ConnectionTrait,
    session: &sessions::Model,
    locale: &str,
) -> ApiResult<Vec<ReadinessItem>> {
    let rows = session_readiness::Entity::find()
        .filter(session_readiness::Column::PatientId.eq(session.patient_id))
        .filter(session_readiness::Column::SessionId.eq(session.id))
        .all(conn)
        .await?;
    let done: BTreeMap<String, bool> = rows.into_iter().map(|row| (row.item, row.done)).collect();
    Ok(content::items(&session.kind, &session.location, session.route.as_deref())
        .map(|item| ReadinessItem {
            id: item.id.clone(),
            text: item.text(locale).to_owned(),
            done: done.get(&item.id).copied().unwrap_or(false),
        })
        .collect())
}

pub async fn tick(tx: &WriteTx, session: &sessions::Model, item: String, done: bool) -> ApiResult<()> {
    let mut items = content::items(&session.kind, &session.location, session.route.as_deref());
    if !items.any(|known| known.id == item) {
        return Err(ApiError::NotFound);
    }
    let patient: PatientId = session.patient_id;
    let row = session_readiness::ActiveModel {
        patient_id: Set(patient),
        session_id: Set(session.id),
        item: Set(item),
        sync_seq: Set(tx.sync_seq()),
        done: Set(done),
        updated_at: Set(tx.now()),
    };
    use session_readiness::Column::{
        Done, Item, PatientId as Owner, SessionId as Session, SyncSeq, UpdatedAt,
    };
    let replace =
        OnConflict::columns([Owner, Session, Item]).update_columns([SyncSeq, Done, UpdatedAt]).to_owned();
    session_readiness::Entity::insert(row).on_conflict(replace).exec_without_returning(tx.conn()).await?;
    Ok(())
}

/// A session on another day is got ready for anew: the ride home was for the old one.
pub async fn untick(tx: &WriteTx, patient: PatientId, sessions: Vec<SessionId>) -> ApiResult<()> {
    use session_readiness::Column::{Done, PatientId as Owner, SessionId as Session, SyncSeq, UpdatedAt};
    if sessions.is_empty() {
        return Ok(());
    }
    session_readiness::Entity::update_many()
        .col_expr(Done, Expr::value(false))
        .col_expr(SyncSeq, Expr::value(tx.sync_seq()))
        .col_expr(UpdatedAt, Expr::value(tx.now()))
        .filter(Owner.eq(patient))
        .filter(Session.is_in(sessions))
        .filter(Done.eq(true))
        .exec(tx.conn())
        .await?;
    Ok(())
}
