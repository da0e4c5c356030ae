//! Accepting an offer: the session is made, moved or cancelled as staff do it, with its reminders, in the transaction
//! that closes the request.

use axum::http::StatusCode;
use entity::{
    ids::{SessionId, SessionRequestId},
    session_requests, sessions,
};

use super::{
    super::{
        dto::{SessionCreate, SessionPatch},
        moves, queries as session_rows,
        rules::Step,
    },
    dto::{AcceptedOffer, OfferedTime, RequestKind, RequestState, SessionOffer, SessionOfferAccept},
    queries::{self, Kept, Keys},
    rules,
};
use crate::{
    accounts::Patient,
    audit::Event,
    care::Scope,
    db::WriteTx,
    error::{ApiError, ApiResult, FieldError},
    reminders,
    vault::DataKey,
};

/// Takes what a request that is at `version` was offered.
pub async fn accept(
    tx: &WriteTx,
    me: &Patient,
    clinic: &DataKey,
    (id, version): (SessionRequestId, i32),
    input: SessionOfferAccept,
) -> ApiResult<AcceptedOffer> {
    let row = queries::find(tx.conn(), (me.id(), me.clinic), id).await?;
    if row.version != version {
        return Err(ApiError::stale());
    }
    let kept = queries::kept(&row, clinic)?;
    let state = queries::state_of(&row, tx.now());
    let time = rules::chosen(state, kept.offer.as_ref(), input.starts_at, tx.now())?;
    let session = match (RequestKind::parse(&row.kind), &kept.offer, time) {
        (RequestKind::New, Some(offer), Some(time)) => made(tx, me, &kept, offer, time).await,
        (_, Some(offer), time) => changed(tx, me, (&row, &kept), offer, time).await,
        _ => Err(ApiError::internal("an offer without a time for a new session")),
    };
    let session = session.map_err(taken)?;
    tx.audit(Event::new("requests.accept", me.id(), format!("session_requests/{id}")));
    let row = queries::settle(tx, &row, RequestState::Accepted, Some(session.id)).await?;
    reminders::withdraw_offers(tx, me.id(), id).await?;
    let reminders = reminders::of_session(tx.conn(), me.id(), session.id).await?;
    let request = queries::view_with_note(row, Keys { patient: &me.key, clinic }, tx.now())?;
    Ok(AcceptedOffer { request, session: session_rows::view(session), reminders })
}

async fn made(
    tx: &WriteTx,
    me: &Patient,
    kept: &Kept,
    offer: &SessionOffer,
    time: OfferedTime,
) -> ApiResult<sessions::Model> {
    if !queries::in_care(tx.conn(), me.id(), offer.member_id).await? {
        return Err(outdated("Whoever was offered is no longer in your care team. Ask the clinic again."));
    }
    let input = SessionCreate {
        kind: offer.kind.clone(),
        route: None,
        location: offer.location.clone(),
        starts_at: time.starts_at,
        duration_minutes: Some((time.ends_at - time.starts_at).num_minutes()),
        group_id: None,
    };
    let with = (me.clinic, offer.member_id, kept.zone.clone());
    let row = session_rows::insert(tx, me.id(), SessionId(tx.new_id()), with, input).await?;
    reminders::replan_patient(tx, me.id()).await?;
    Ok(row)
}

async fn changed(
    tx: &WriteTx,
    me: &Patient,
    (request, kept): (&session_requests::Model, &Kept),
    offer: &SessionOffer,
    time: Option<OfferedTime>,
) -> ApiResult<sessions::Model> {
    let id = request.session_id.ok_or(ApiError::NotFound)?;
    let row = session_rows::find(tx.conn(), me.id(), id).await?;
    queries::planned(&row)?;
    if kept.was != Some(row.starts_at) {
        return Err(outdated(
            "The clinic has moved the session since. Look at it, and ask again if need be.",
        ));
    }
    let Some(time) = time else {
        let row = session_rows::advance(tx, me.id(), (id, row.version), Step::Cancel).await?;
        reminders::replan_patient(tx, me.id()).await?;
        return Ok(row);
    };
    let patch = SessionPatch {
        starts_at: Some(time.starts_at),
        duration_minutes: Some((time.ends_at - time.starts_at).num_minutes()),
        location: Some(offer.location.clone()),
        shift_following: false,
    };
    let scope = Scope { patient: me.id(), key: me.key.clone(), zone: me.zone.clone() };
    moves::relocate(tx, &scope, None, (id, row.version), patch).await
}

/// What staff are told of an overlap names things that a patient does not choose.
fn taken(error: ApiError) -> ApiError {
    match error {
        ApiError::Refused { code: "session_overlap" | "member_overlap", .. } => ApiError::Refused {
            status: StatusCode::CONFLICT,
            code: "time_taken",
            detail: "This time was taken meanwhile. Choose another of the offered times, or ask for others."
                .to_owned(),
            errors: vec![FieldError::new("/starts_at", "time_taken", "is taken; choose another time")],
        },
        error => error,
    }
}

fn outdated(detail: &str) -> ApiError {
    ApiError::conflict("offer_outdated", detail)
}
