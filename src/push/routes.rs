//! Handlers of push subscriptions.

use axum::{Json, extract::State, http::StatusCode};
use entity::ids::SubscriptionId;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    dto::{PushKey, PushSubscription, PushSubscriptionList, PushTest, SubscriptionCreate},
    queries,
    sender::{Message, word},
};
use crate::{
    accounts::Caller,
    app::AppState,
    content::protocols,
    error::ApiResult,
    extract::{Once, PathId},
    idempotency::Answer,
    openapi::Problems,
};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(get_push_key))
        .routes(routes!(create_push_subscription, list_push_subscriptions))
        .routes(routes!(delete_push_subscription))
        .routes(routes!(test_push_subscription))
}

/// The key to subscribe with by Web Push.
#[utoipa::path(get, path = "/push/key", operation_id = "get_push_key", tag = "push", security(()),
    responses((status = 200, body = PushKey)))]
async fn get_push_key(State(app): State<AppState>) -> Json<PushKey> {
    let (kid, public_key) = app.push.public_key();
    Json(PushKey { kid, public_key })
}

/// Register this device, or renew its keys. An endpoint or device token belongs to one account: the one that registered
/// it last.
#[utoipa::path(post, path = "/push/subscriptions", operation_id = "create_push_subscription", tag = "push",
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repeated request have one effect.")),
    request_body = SubscriptionCreate, responses((status = 201, body = PushSubscription), Problems))]
async fn create_push_subscription(
    State(app): State<AppState>,
    me: Caller,
    Once { input, replay }: Once<SubscriptionCreate>,
) -> ApiResult<Answer> {
    let secret = app.push.check(&input)?;
    app.db
        .write_once(&me.writing(), replay.as_ref(), &me.key, async |tx| {
            let row = queries::upsert(&app, tx, &me, input, secret).await?;
            Answer::created(&queries::view(row, &me.key)?, None)
        })
        .await
}

/// List my devices that receive pushes.
#[utoipa::path(get, path = "/push/subscriptions", operation_id = "list_push_subscriptions", tag = "push",
    responses((status = 200, body = PushSubscriptionList), Problems))]
async fn list_push_subscriptions(
    State(app): State<AppState>,
    me: Caller,
) -> ApiResult<Json<PushSubscriptionList>> {
    let rows = queries::list(app.db.reader(), me.account).await?;
    let items = rows.into_iter().map(|row| queries::view(row, &me.key)).collect::<ApiResult<_>>()?;
    Ok(Json(PushSubscriptionList { items }))
}

/// Stop sending to one of my devices.
#[utoipa::path(delete, path = "/push/subscriptions/{id}", operation_id = "delete_push_subscription", tag = "push",
    params(("id" = Uuid, Path)), responses((status = 204, description = "Ended"), Problems))]
async fn delete_push_subscription(
    State(app): State<AppState>,
    me: Caller,
    PathId(id): PathId<SubscriptionId>,
) -> ApiResult<StatusCode> {
    app.db.write(&me.writing(), async |tx| queries::delete(tx, me.account, id).await).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Send one discreet push to one of my devices now, and say what its push service answered.
#[utoipa::path(post, path = "/push/subscriptions/{id}/test", operation_id = "test_push_subscription", tag = "push",
    params(("id" = Uuid, Path)), responses((status = 200, body = PushTest), Problems))]
async fn test_push_subscription(
    State(app): State<AppState>,
    me: Caller,
    PathId(id): PathId<SubscriptionId>,
) -> ApiResult<Json<PushTest>> {
    let row = queries::find(app.db.reader(), me.account, id).await?;
    let (title, body) = protocols().lock_screen("note", &me.locale);
    let message = Message::test(id, title, body, &me.locale);
    let sent = app.push.send(app.clock.now(), &queries::target(&row, &me.key)?, &message).await;
    Ok(Json(PushTest { outcome: word(&sent), status: sent.status() }))
}
