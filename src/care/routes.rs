//! Handlers of care.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use entity::ids::{AccountId, InvitationId};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    clinic,
    dto::{
        CareTeam, CareTeamJoin, CareTeamMember, Clinic, ClinicPatch, Invitation, InvitationCreate,
        InvitationList, InvitationPreview,
    },
    invitations, queries,
};
use crate::{
    accounts::{Admin, Bucket, Caller, Patient, Staff, count_attempt},
    app::AppState,
    error::ApiResult,
    extract::{IfMatch, Network, Once, PathId, ValidJson, Versioned},
    idempotency::Answer,
    openapi::Problems,
};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(get_clinic, update_clinic))
        .routes(routes!(create_invitation, list_invitations))
        .routes(routes!(delete_invitation))
        .routes(routes!(get_invitation_preview))
        .routes(routes!(list_care_team, join_care_team))
        .routes(routes!(delete_care_team_member))
        .merge(super::covers::router())
        .merge(super::handovers::router())
        .merge(super::page::router())
        .merge(super::staff::router())
        .merge(super::recovery::router())
        .merge(super::access_log::router())
}

/// The clinic I belong to.
#[utoipa::path(get, path = "/clinic", operation_id = "get_clinic", tag = "care",
    params(("If-None-Match" = Option<String>, Header, description = "The ETag that the app already has.")),
    responses((status = 200, body = Clinic), (status = 304, description = "Unchanged"), Problems))]
async fn get_clinic(State(app): State<AppState>, me: Caller) -> ApiResult<Versioned<Clinic>> {
    let body = clinic::read(&app, me.clinic).await?;
    Ok(Versioned { version: body.version, body })
}

/// Change the clinic's name, country, zone or phone.
#[utoipa::path(patch, path = "/clinic", operation_id = "update_clinic", tag = "care",
    params(("If-Match" = String, Header, description = "The ETag that was read.", example = "\"1\"")),
    request_body = ClinicPatch, responses((status = 200, body = Clinic), Problems))]
async fn update_clinic(
    State(app): State<AppState>,
    me: Admin,
    IfMatch(version): IfMatch,
    ValidJson(patch): ValidJson<ClinicPatch>,
) -> ApiResult<Versioned<Clinic>> {
    let key = clinic::key(&app, me.clinic).await?;
    app.db.write(&me.writing(), async |tx| clinic::update(tx, &key, me.clinic, version, patch).await).await?;
    let body = clinic::read(&app, me.clinic).await?;
    Ok(Versioned { version: body.version, body })
}

/// Invite somebody. Admins invite staff, therapists and coordinators invite patients. The code is shown here and on
/// the invitation's page.
#[utoipa::path(post, path = "/invitations", operation_id = "create_invitation", tag = "care",
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repeated request have one effect.")),
    request_body = InvitationCreate, responses((status = 201, body = Invitation), Problems))]
async fn create_invitation(
    State(app): State<AppState>,
    me: Staff,
    Once { input, replay }: Once<InvitationCreate>,
) -> ApiResult<Answer> {
    invitations::create(&app, &me, input, replay.as_ref()).await
}

/// The invitations I made, and for an admin all that were made for the clinic's staff.
#[utoipa::path(get, path = "/invitations", operation_id = "list_invitations", tag = "care",
    responses((status = 200, body = InvitationList), Problems))]
async fn list_invitations(State(app): State<AppState>, me: Staff) -> ApiResult<Json<InvitationList>> {
    Ok(Json(InvitationList { items: invitations::list(&app, &me).await? }))
}

/// Revoke an invitation that was not used yet: one I made, or as an admin any for the clinic's staff.
#[utoipa::path(delete, path = "/invitations/{id}", operation_id = "delete_invitation", tag = "care",
    params(("id" = uuid::Uuid, Path)), responses((status = 204, description = "Revoked"), Problems))]
async fn delete_invitation(
    State(app): State<AppState>,
    me: Staff,
    PathId(id): PathId<InvitationId>,
) -> ApiResult<StatusCode> {
    invitations::revoke(&app, &me, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What an invitation code leads to, before registering.
#[utoipa::path(get, path = "/invitation-codes/{code}", operation_id = "get_invitation_preview", tag = "care",
    security(()), params(("code" = String, Path, example = "7K3M9-QX2VB-4")),
    responses((status = 200, body = InvitationPreview), Problems))]
async fn get_invitation_preview(
    State(app): State<AppState>,
    network: Network,
    Path(code): Path<String>,
) -> ApiResult<Json<InvitationPreview>> {
    count_attempt(&app, Bucket::Network(network.as_str())).await?;
    Ok(Json(invitations::preview(&app, &code, app.clock.now()).await?))
}

/// Who takes part in my care.
#[utoipa::path(get, path = "/care-team", operation_id = "list_care_team", tag = "care",
    responses((status = 200, body = CareTeam), Problems))]
async fn list_care_team(State(app): State<AppState>, me: Patient) -> ApiResult<Json<CareTeam>> {
    Ok(Json(CareTeam { items: queries::care_team(&app, me.id()).await? }))
}

/// Take one more therapist into my care team, with the invitation they gave me.
#[utoipa::path(post, path = "/care-team", operation_id = "join_care_team", tag = "care",
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repeated request have one effect.")),
    request_body = CareTeamJoin, responses((status = 201, body = CareTeamMember), Problems))]
async fn join_care_team(
    State(app): State<AppState>,
    me: Patient,
    network: Network,
    Once { input, replay }: Once<CareTeamJoin>,
) -> ApiResult<Answer> {
    count_attempt(&app, Bucket::Network(network.as_str())).await?;
    let (conn, id) = (&app, me.id());
    app.db
        .write_once(&me.writing(), replay.as_ref(), &me.key, async |tx| {
            let member = invitations::accept(conn, tx, (id, me.clinic), &input.invitation_code).await?;
            Answer::created(&queries::member(conn, tx.conn(), id, member).await?, None)
        })
        .await
}

/// End somebody's care of me. What I shared with them is closed to them at once.
#[utoipa::path(delete, path = "/care-team/{id}", operation_id = "delete_care_team_member", tag = "care",
    params(("id" = uuid::Uuid, Path, description = "`member_id` of the care team")),
    responses((status = 204, description = "Ended"), Problems))]
async fn delete_care_team_member(
    State(app): State<AppState>,
    me: Patient,
    PathId(member): PathId<AccountId>,
) -> ApiResult<StatusCode> {
    app.db.write(&me.writing(), async |tx| queries::end(tx, me.id(), member, me.account).await).await?;
    Ok(StatusCode::NO_CONTENT)
}
