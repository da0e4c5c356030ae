//! Handlers of the therapist's side.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use entity::ids::{JournalEntryId, PatientId};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    dto::{EntryReview, ReviewMark, ReviewQueue, Roster},
    queue, roster,
};
use crate::{
    accounts::Therapist,
    app::AppState,
    care::{MyPatients, SharedPatient},
    error::ApiResult,
    etag,
    extract::{PathId, ValidJson, ValidQuery},
    openapi::Problems,
    page::{Cursor, PageQuery},
};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_patients))
        .routes(routes!(get_review_queue))
        .routes(routes!(put_entry_review))
}

/// Everybody in my care at a glance: open alerts first, then by the next session.
#[utoipa::path(get, path = "/patients", operation_id = "list_patients", tag = "review",
    responses((status = 200, body = Roster), Problems))]
async fn list_patients(State(app): State<AppState>, mine: MyPatients) -> ApiResult<Json<Roster>> {
    let now = app.clock.now();
    let items = mine.read(&app, "review.roster", "patients", async |conn, me| {
        let items = roster::load(&app, conn, me, now).await?;
        let patients = items.iter().map(|item| item.patient_id).collect();
        Ok((items, patients))
    });
    Ok(Json(Roster { items: items.await? }))
}

/// What was shared with me and waits for my review, first shared first, with open alerts above. Ask again with
/// `If-None-Match` as often as you like: while nothing changed the answer is 304.
#[utoipa::path(get, path = "/review/queue", operation_id = "get_review_queue", tag = "review",
    params(PageQuery, ("If-None-Match" = Option<String>, Header, description = "The ETag that the app already has.")),
    responses((status = 200, body = ReviewQueue), (status = 304, description = "Unchanged"), Problems))]
async fn get_review_queue(
    State(app): State<AppState>,
    mine: MyPatients,
    headers: HeaderMap,
    ValidQuery(query): ValidQuery<PageQuery>,
) -> ApiResult<Response> {
    let (me, now) = (mine.therapist(), app.clock.now());
    let page = query.page(&app.cursor_mac, me.account.0, "get_review_queue")?;
    let who = (me.account, me.locale.as_str());
    // Read before the lists: what changes in between is then asked for once more, never missed.
    let tag = queue::tag(app.db.reader(), who, now).await?;
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| etag::is_known(&tag, known)) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    let body = mine.read(&app, "review.queue", "journal_entries", async |conn, account| {
        let alerts = if page.is_first() { queue::alerts(&app, conn, account).await? } else { Vec::new() };
        let mut items = queue::entries(&app, conn, who, &page, now).await?;
        let next_cursor = page
            .finish(&mut items, &app.cursor_mac, |item| Cursor { at: item.shared_at, id: item.entry_id.0 });
        let patients = alerts.iter().map(|one| one.patient_id).chain(items.iter().map(|one| one.patient_id));
        let patients = patients.collect();
        Ok((ReviewQueue { alerts, items, next_cursor }, patients))
    });
    Ok(([(header::ETAG, tag)], Json(body.await?)).into_response())
}

/// Mark an entry that was shared with me as reviewed. Words that the patient changes later come back into the queue.
#[utoipa::path(put, path = "/review/entries/{id}", operation_id = "put_entry_review", tag = "review",
    params(("id" = Uuid, Path)), request_body = ReviewMark,
    responses((status = 200, body = EntryReview), Problems))]
async fn put_entry_review(
    State(app): State<AppState>,
    therapist: Therapist,
    PathId(id): PathId<JournalEntryId>,
    ValidJson(input): ValidJson<ReviewMark>,
) -> ApiResult<Json<EntryReview>> {
    let shared = SharedPatient::find(&app, therapist, PatientId(input.patient_id)).await?;
    let me = shared.therapist().account;
    let review = shared.write(&app, "review.mark", format!("journal_entries/{id}"), async |tx, scope| {
        queue::mark(tx, (scope.patient, me), id, input.revision).await
    });
    Ok(Json(review.await?))
}
