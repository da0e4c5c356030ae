//! `Idempotency-Key`: a creating request that is sent again has one effect and gets one answer. The key is claimed in
//! the transaction of the effect, so that parallel duplicates wait for the first and a crash leaves nothing behind.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Duration, Utc};
use entity::{idempotency_keys, ids::AccountId};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Set, sea_query::OnConflict,
};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    error::{ApiError, ApiResult},
    etag,
    vault::{DataKey, Place},
};

const LIFE: Duration = Duration::hours(24);

/// What identifies a repeated request.
#[derive(Debug, Clone)]
pub struct Replay {
    /// The client's key: 1 to 64 visible ASCII characters.
    pub key: String,
    /// Method and route, so that one key may be used with several operations.
    pub operation: String,
    /// A MAC over path and body: the same key with another request is an error of the client.
    pub mac: [u8; 32],
}

/// The answer to a creating request, in the form in which it can be kept and given again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    status: StatusCode,
    etag: Option<String>,
    body: Vec<u8>,
}

impl Answer {
    /// 201 with a body, and its version as ETag.
    pub fn created<T: Serialize>(body: &T, version: Option<i32>) -> ApiResult<Self> {
        Ok(Self {
            status: StatusCode::CREATED,
            etag: version.map(etag::of_version),
            body: serde_json::to_vec(body).map_err(ApiError::internal)?,
        })
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response =
            (self.status, [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], self.body)
                .into_response();
        if let Some(etag) = self.etag.and_then(|etag| HeaderValue::try_from(etag).ok()) {
            response.headers_mut().insert(header::ETAG, etag);
        }
        response
    }
}

fn place(replay: &Replay) -> Place {
    let mut row = [0; 16];
    row.copy_from_slice(&replay.mac[..16]);
    Place::new("idempotency_keys", "answer_sealed", Uuid::from_bytes(row))
}

/// Claims the key for this transaction, or returns the answer that an earlier request left under it.
pub async fn claim(
    conn: &impl ConnectionTrait,
    account: AccountId,
    replay: &Replay,
    key: &DataKey,
    now: DateTime<Utc>,
) -> ApiResult<Option<Answer>> {
    let id = (account, replay.operation.clone(), replay.key.clone());
    idempotency_keys::Entity::delete_by_id(id.clone())
        .filter(idempotency_keys::Column::CreatedAt.lt(now - LIFE))
        .exec(conn)
        .await?;
    let row = idempotency_keys::ActiveModel {
        account_id: Set(account),
        operation: Set(replay.operation.clone()),
        key: Set(replay.key.clone()),
        request_mac: Set(replay.mac.to_vec()),
        status: Set(0),
        etag: Set(None),
        answer_sealed: Set(None),
        created_at: Set(now),
    };
    let inserted = idempotency_keys::Entity::insert(row)
        .on_conflict(OnConflict::new().do_nothing().to_owned())
        .exec_without_returning(conn)
        .await?;
    if inserted == 1 {
        return Ok(None);
    }
    let stored = idempotency_keys::Entity::find_by_id(id).one(conn).await?.ok_or(ApiError::Unavailable {
        detail: "The first request with this Idempotency-Key has not ended yet. Try again shortly.",
        retry_after: 1,
    })?;
    if stored.request_mac != replay.mac {
        return Err(ApiError::invalid_field(
            "header/Idempotency-Key",
            "idempotency_key_reused",
            "was used for another request in the last 24 hours; use a new key for a new request",
        ));
    }
    let sealed = stored.answer_sealed.unwrap_or_default();
    Ok(Some(Answer {
        status: u16::try_from(stored.status)
            .ok()
            .and_then(|status| StatusCode::from_u16(status).ok())
            .unwrap_or(StatusCode::CREATED),
        etag: stored.etag,
        body: key.open(place(replay), &sealed)?,
    }))
}

/// Keeps the answer under the claimed key.
pub async fn store(
    conn: &impl ConnectionTrait,
    account: AccountId,
    replay: &Replay,
    key: &DataKey,
    answer: &Answer,
) -> ApiResult<()> {
    idempotency_keys::ActiveModel {
        account_id: Set(account),
        operation: Set(replay.operation.clone()),
        key: Set(replay.key.clone()),
        status: Set(i32::from(answer.status.as_u16())),
        etag: Set(answer.etag.clone()),
        answer_sealed: Set(Some(key.seal(place(replay), &answer.body))),
        ..Default::default()
    }
    .update(conn)
    .await?;
    Ok(())
}
