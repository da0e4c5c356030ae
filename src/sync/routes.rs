//! Handlers of sync.

use axum::{Json, extract::State};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    collection::{Push, Reader},
    cursor::Place,
    dto::{SyncPage, SyncPush, SyncQuery, SyncResults},
    ops::Identity,
    pull, push,
};
use crate::{
    accounts::Patient,
    app::{AppState, JOURNAL_BODY_LIMIT},
    error::ApiResult,
    extract::{ValidJson, ValidQuery},
    language::InLanguage,
    openapi::Problems,
};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(pull_changes, push_changes))
        .layer(axum::extract::DefaultBodyLimit::max(JOURNAL_BODY_LIMIT))
}

/// What changed since my device last asked, oldest change first.
#[utoipa::path(get, path = "/sync", operation_id = "pull_changes", tag = "sync", params(SyncQuery),
    responses((status = 200, body = SyncPage), Problems))]
async fn pull_changes(
    State(app): State<AppState>,
    me: Patient,
    ValidQuery(query): ValidQuery<SyncQuery>,
) -> ApiResult<Json<SyncPage>> {
    let since =
        query.since.as_deref().map(|text| Place::decode(text, &app.cursor_mac, me.id())).transpose()?;
    let reader = Reader {
        conn: app.db.reader(),
        patient: me.id(),
        key: &me.key,
        vault: &app.vault,
        measures: &app.measures,
        zone: &me.zone,
        locale: &me.locale,
        now: app.clock.now(),
        card: None,
    };
    let (page, next) = pull::page(&reader, since, query.limit.unwrap_or(200)).await?;
    Ok(Json(SyncPage { next: next.encode(&app.cursor_mac, me.id()), ..page }))
}

/// Send what my device did while it was offline. Sending it again changes nothing.
#[utoipa::path(post, path = "/sync", operation_id = "push_changes", tag = "sync", request_body = SyncPush,
    responses((status = 200, body = SyncResults), Problems))]
async fn push_changes(
    State(app): State<AppState>,
    me: Patient,
    ValidJson(input): ValidJson<SyncPush>,
) -> ApiResult<InLanguage<Json<SyncResults>>> {
    let named = |op| Ok((Identity::of(&op, &app.idempotency_mac)?, op));
    let ops: Vec<_> = input.ops.into_iter().map(named).collect::<ApiResult<_>>()?;
    let ops: Vec<_> = ops.into_iter().map(|(identity, op)| (op, identity)).collect();
    let results = app
        .db
        .write(&me.writing(), async |tx| {
            let push = Push {
                tx,
                patient: me.id(),
                clinic: me.clinic,
                key: &me.key,
                measures: &app.measures,
                zone: &me.zone,
                locale: &me.locale,
            };
            let mut results = push::run(&push, &ops).await?;
            let reader = Reader {
                conn: tx.conn(),
                patient: me.id(),
                key: &me.key,
                vault: &app.vault,
                measures: &app.measures,
                zone: &me.zone,
                locale: &me.locale,
                now: tx.now(),
                card: Some(&me.locale),
            };
            push::show(&reader, &ops, &mut results).await?;
            Ok(results)
        })
        .await?;
    Ok(InLanguage(me.locale.clone(), Json(SyncResults { results })))
}
