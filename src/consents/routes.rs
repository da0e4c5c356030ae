//! Handlers of consents.

use axum::{Json, extract::State};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    dto::{ConsentCreate, ConsentList, ConsentText, ConsentTextList},
    queries,
    texts::{self, Purpose},
};
use crate::{
    accounts::Patient,
    app::AppState,
    error::ApiResult,
    extract::{Once, ValidQuery},
    idempotency::Answer,
    language::ReaderLocale,
    openapi::Problems,
    page::{Cursor, PageQuery},
};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_consent_texts)).routes(routes!(create_consent, list_consents))
}

/// The texts that are shown before a consent is asked for, in the reader's language.
#[utoipa::path(get, path = "/consent-texts", operation_id = "list_consent_texts", tag = "consents", security(()),
    params(("Accept-Language" = Option<String>, Header, description = "Decides the language when nobody is logged in.", example = "es-MX, en;q=0.5")),
    responses((status = 200, body = ConsentTextList), Problems))]
async fn list_consent_texts(ReaderLocale(locale): ReaderLocale) -> Json<ConsentTextList> {
    let text = |purpose: Purpose| {
        let current = texts::current(purpose);
        let (language, words) = current.words(&locale);
        ConsentText {
            purpose,
            version: current.version.clone(),
            language: language.to_owned(),
            title: words.title.clone(),
            body: words.body.clone(),
            withdrawal: words.withdrawal.clone(),
            text_sha256: words.sha256(),
        }
    };
    Json(ConsentTextList { items: Purpose::ALL.into_iter().map(text).collect() })
}

/// Give or withdraw a consent. Withdrawing counts at once and needs no version.
#[utoipa::path(post, path = "/consents", operation_id = "create_consent", tag = "consents",
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repeated request have one effect.")),
    request_body = ConsentCreate, responses((status = 201, body = super::dto::Consent), Problems))]
async fn create_consent(
    State(app): State<AppState>,
    me: Patient,
    Once { input, replay }: Once<ConsentCreate>,
) -> ApiResult<Answer> {
    app.db
        .write_once(&me.writing(), replay.as_ref(), &me.key, async |tx| {
            let row = queries::answer(tx, me.id(), (&me.locale, &me.key), &input).await?;
            Answer::created(&queries::view(row), None)
        })
        .await
}

/// My answers to consent texts, latest first, and how each consent stands now.
#[utoipa::path(get, path = "/consents", operation_id = "list_consents", tag = "consents", params(PageQuery),
    responses((status = 200, body = ConsentList), Problems))]
async fn list_consents(
    State(app): State<AppState>,
    me: Patient,
    ValidQuery(query): ValidQuery<PageQuery>,
) -> ApiResult<Json<ConsentList>> {
    let page = query.page(&app.cursor_mac, me.account.0, "list_consents")?;
    let mut rows = queries::list(app.db.reader(), me.id(), &page).await?;
    let standing = queries::standing(app.db.reader(), me.id()).await?;
    let next_cursor =
        page.finish(&mut rows, &app.cursor_mac, |row| Cursor { at: row.given_at, id: row.id.0 });
    Ok(Json(ConsentList { items: rows.into_iter().map(queries::view).collect(), next_cursor, standing }))
}
