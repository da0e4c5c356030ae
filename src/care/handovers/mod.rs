//! Handing a patient over: a therapist proposes who follows, the patient sees who that is and decides in one act which
//! of the old shares the new therapist gets: all, some or none. Until then nothing changes.

mod dto;
mod shares;

use std::collections::HashMap;

use axum::{Json, extract::State, http::StatusCode};
use chrono::{DateTime, Utc};
use entity::{
    handovers,
    ids::{AccountId, ClinicId, HandoverId, PatientId},
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, Statement,
    sea_query::Expr,
};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use self::{
    dto::{Handover, HandoverAccept, HandoverCreate, HandoverList, HandoverProposed, KeptShares},
    shares::{KEPT, copy, shared_ids},
};
use super::{SharedPatient, changed_for, queries};
use crate::{
    accounts::{Caller, Patient, SealedName},
    app::AppState,
    audit::Event,
    consents,
    db::WriteTx,
    error::{ApiError, ApiResult},
    extract::{Once, PathId, ValidJson},
    idempotency::Answer,
    openapi::Problems,
    plans, sessions,
    validate::Checks,
};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(propose_handover))
        .routes(routes!(withdraw_handover))
        .routes(routes!(list_handovers))
        .routes(routes!(accept_handover))
        .routes(routes!(decline_handover))
}

/// Propose who follows me in this patient's care. The patient decides; a proposal of mine that waits is replaced.
#[utoipa::path(post, path = "/patients/{patient_id}/handovers", operation_id = "propose_handover", tag = "care",
    params(("patient_id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeated request have one effect.")),
    request_body = HandoverCreate, responses((status = 201, body = HandoverProposed), Problems))]
async fn propose_handover(
    State(app): State<AppState>,
    shared: SharedPatient,
    Once { input, replay }: Once<HandoverCreate>,
) -> ApiResult<Answer> {
    let (me, to) = (shared.therapist(), AccountId(input.to_member_id));
    shared
        .write_once(
            &app,
            "care.propose_handover",
            format!("accounts/{to}"),
            replay.as_ref(),
            async |tx, scope| Answer::created(&propose(tx, me, scope.patient, to).await?, None),
        )
        .await
}

/// Take a proposal of mine back.
#[utoipa::path(delete, path = "/patients/{patient_id}/handovers/{id}", operation_id = "withdraw_handover", tag = "care",
    params(("patient_id" = Uuid, Path), ("id" = Uuid, Path)),
    responses((status = 204, description = "Taken back"), Problems))]
async fn withdraw_handover(
    State(app): State<AppState>,
    shared: SharedPatient,
    PathId(id): PathId<HandoverId>,
) -> ApiResult<StatusCode> {
    let me = shared.therapist().account;
    let resource = format!("handovers/{id}");
    let work = shared.write(&app, "care.withdraw_handover", resource, async |tx, scope| {
        let row = waiting(tx, scope.patient, id).await?;
        if row.from_member != me {
            return Err(ApiError::NotFound);
        }
        answer(tx, &row, "withdrawn").await
    });
    work.await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Who is proposed to follow one of my care team, with what I share with the one who leaves.
#[utoipa::path(get, path = "/me/handovers", operation_id = "list_handovers", tag = "care",
    responses((status = 200, body = HandoverList), Problems))]
async fn list_handovers(State(app): State<AppState>, me: Patient) -> ApiResult<Json<HandoverList>> {
    Ok(Json(HandoverList { items: list(&app, me.id()).await? }))
}

/// Accept who follows, and decide which of the old shares they get. The one who leaves loses access at once.
#[utoipa::path(post, path = "/me/handovers/{id}/accept", operation_id = "accept_handover", tag = "care",
    params(("id" = Uuid, Path)), request_body = HandoverAccept,
    responses((status = 204, description = "Handed over"), Problems))]
async fn accept_handover(
    State(app): State<AppState>,
    me: Patient,
    PathId(id): PathId<HandoverId>,
    ValidJson(input): ValidJson<HandoverAccept>,
) -> ApiResult<StatusCode> {
    app.db.write(&me.writing(), async |tx| accept(&app, tx, &me, id, &input).await).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Decline who is to follow. Everything stays as it is.
#[utoipa::path(post, path = "/me/handovers/{id}/decline", operation_id = "decline_handover", tag = "care",
    params(("id" = Uuid, Path)), responses((status = 204, description = "Declined"), Problems))]
async fn decline_handover(
    State(app): State<AppState>,
    me: Patient,
    PathId(id): PathId<HandoverId>,
) -> ApiResult<StatusCode> {
    app.db
        .write(&me.writing(), async |tx| {
            let row = waiting(tx, me.id(), id).await?;
            tx.audit(Event::new("care.decline_handover", me.id(), format!("handovers/{id}")));
            answer(tx, &row, "declined").await
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn propose(
    tx: &WriteTx,
    me: &Caller,
    patient: PatientId,
    to: AccountId,
) -> ApiResult<HandoverProposed> {
    if to == me.account || !may_follow(tx, me.clinic, to).await? {
        let detail = "is no other therapist of this clinic; ask your admin for the list";
        return Err(ApiError::invalid_field("/to_member_id", "unknown_member", detail));
    }
    use handovers::Column::{AnsweredAt, FromMember, Outcome, PatientId as Owner};
    handovers::Entity::update_many()
        .col_expr(AnsweredAt, Expr::value(tx.now()))
        .col_expr(Outcome, Expr::value("withdrawn"))
        .filter(Owner.eq(patient))
        .filter(FromMember.eq(me.account))
        .filter(AnsweredAt.is_null())
        .exec(tx.conn())
        .await?;
    let row = handovers::Model {
        patient_id: patient,
        id: HandoverId(tx.new_id()),
        from_member: me.account,
        to_member: to,
        proposed_at: tx.now(),
        answered_at: None,
        outcome: None,
    };
    let active: handovers::ActiveModel = row.clone().into();
    handovers::Entity::insert(active.reset_all()).exec_without_returning(tx.conn()).await?;
    Ok(HandoverProposed { id: row.id, to_member_id: to, proposed_at: row.proposed_at })
}

/// Whether somebody is a therapist of the clinic now.
async fn may_follow(tx: &WriteTx, clinic: ClinicId, to: AccountId) -> ApiResult<bool> {
    let statement = Statement::from_sql_and_values(
        tx.conn().get_database_backend(),
        "SELECT 1 AS one FROM accounts WHERE id = $1 AND clinic_id = $2 AND kind = 'staff' \
         AND state = 'active' AND capabilities LIKE '%therapist%'",
        [to.0.into(), clinic.0.into()],
    );
    Ok(tx.conn().query_one_raw(statement).await?.is_some())
}

/// A proposal that waits, 404 otherwise.
async fn waiting(tx: &WriteTx, patient: PatientId, id: HandoverId) -> ApiResult<handovers::Model> {
    handovers::Entity::find_by_id((patient, id))
        .filter(handovers::Column::AnsweredAt.is_null())
        .one(tx.conn())
        .await?
        .ok_or(ApiError::NotFound)
}

async fn answer(tx: &WriteTx, row: &handovers::Model, outcome: &str) -> ApiResult<()> {
    handovers::Entity::update_many()
        .col_expr(handovers::Column::AnsweredAt, Expr::value(tx.now()))
        .col_expr(handovers::Column::Outcome, Expr::value(outcome))
        .filter(handovers::Column::PatientId.eq(row.patient_id))
        .filter(handovers::Column::Id.eq(row.id))
        .exec(tx.conn())
        .await?;
    Ok(())
}

async fn accept(
    app: &AppState,
    tx: &WriteTx,
    me: &Patient,
    id: HandoverId,
    input: &HandoverAccept,
) -> ApiResult<()> {
    let (patient, row) = (me.id(), waiting(tx, me.id(), id).await?);
    if !may_follow(tx, me.clinic, row.to_member).await? {
        return Err(ApiError::NotFound);
    }
    answer(tx, &row, "accepted").await?;
    queries::begin(app, tx, patient, row.to_member, me.clinic).await?;
    sessions::hand_over(tx, patient, (row.from_member, row.to_member)).await?;
    plans::hand_over(tx, patient, (row.from_member, row.to_member)).await?;
    let mut checks = Checks::default();
    for (kept, (pointer, chosen)) in
        KEPT.iter().zip([("/entry_ids", &input.entry_ids), ("/goal_ids", &input.goal_ids)])
    {
        let mut shared = shared_ids(tx.conn(), kept, patient, tx.now()).await?;
        let open = shared.remove(&row.from_member).unwrap_or_default();
        let ids = match input.shares {
            KeptShares::None => continue,
            KeptShares::All => open,
            KeptShares::Some => {
                for (index, id) in chosen.iter().enumerate() {
                    let detail = "is not shared with the one who leaves";
                    checks.require(open.contains(id), &format!("{pointer}/{index}"), "not_shared", detail);
                }
                chosen.clone()
            }
        };
        if !ids.is_empty() {
            consents::require_sharing(tx.conn(), patient).await?;
            copy(tx, kept, (patient, row.from_member, row.to_member), ids).await?;
        }
    }
    checks.finish()?;
    changed_for(tx.conn(), patient, row.to_member).await?;
    tx.audit(Event::new(
        "care.handover",
        patient,
        format!("accounts/{} to accounts/{}", row.from_member, row.to_member),
    ));
    queries::end(tx, patient, row.from_member, me.account).await
}

#[derive(FromQueryResult)]
struct Row {
    id: HandoverId,
    from_member: AccountId,
    to_member: AccountId,
    proposed_at: DateTime<Utc>,
    profession: Option<String>,
    #[sea_orm(nested)]
    name: SealedName,
}

/// Proposals of members who still take part in the patient's care.
async fn list(app: &AppState, patient: PatientId) -> ApiResult<Vec<Handover>> {
    let (conn, now) = (app.db.reader(), app.clock.now());
    let statement = Statement::from_sql_and_values(
        conn.get_database_backend(),
        "SELECT h.id, h.from_member, h.to_member, h.proposed_at, a.profession, a.name_sealed, k.kek_id, \
         k.generation, k.wrapped FROM handovers h \
         JOIN care_relations r ON r.patient_id = h.patient_id AND r.member_id = h.from_member AND r.ended_at IS NULL \
         JOIN accounts a ON a.id = h.to_member AND a.state = 'active' \
         JOIN data_keys k ON k.owner_kind = 'account' AND k.owner_id = h.to_member \
         WHERE h.patient_id = $1 AND h.answered_at IS NULL ORDER BY h.proposed_at, h.id LIMIT 20",
        [patient.0.into()],
    );
    let entries = shared_ids(conn, &KEPT[0], patient, now).await?;
    let goals = shared_ids(conn, &KEPT[1], patient, now).await?;
    let of =
        |shared: &HashMap<AccountId, Vec<Uuid>>, member| shared.get(&member).cloned().unwrap_or_default();
    let mut items = Vec::new();
    for row in Row::find_by_statement(statement).all(conn).await? {
        items.push(Handover {
            id: row.id,
            from_member_id: row.from_member,
            to_member_id: row.to_member,
            to_display_name: row.name.of_staff(&app.vault, row.to_member)?,
            to_profession: row.profession,
            proposed_at: row.proposed_at,
            entry_ids: of(&entries, row.from_member),
            goal_ids: of(&goals, row.from_member),
        });
    }
    Ok(items)
}
