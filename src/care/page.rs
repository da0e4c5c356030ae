//! An invitation on paper: the code to type, and a square to point a phone at. The code is in the fragment of the
//! square's address, which no browser sends to any server, and nothing is loaded from elsewhere.

use std::sync::LazyLock;

use axum::{
    extract::State,
    http::header,
    response::{Html, IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use entity::{ids::InvitationId, invitations};
use qrcodegen::{QrCode, QrCodeEcc};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{clinic, invitations::code_place};
use crate::{
    accounts::{Caller, INVITATION_ATTEMPTS, Planner},
    app::AppState,
    content::{ByLocale, in_locale},
    error::{ApiError, ApiResult},
    extract::{PathId, ValidQuery},
    language::InLanguage,
    openapi::Problems,
    reminders::rules::localtime::Zone,
    validate::{Checks, Validate},
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    title: String,
    lead: String,
    scan: String,
    #[serde(rename = "type")]
    typed: String,
    open: String,
    once: String,
}

#[expect(clippy::expect_used, reason = "the words are compiled in, and a unit test reads them")]
static WORDS: LazyLock<ByLocale<Words>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../content/invitation_page.json")).expect("the words parse")
});

/// In which language the page is printed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct InvitationPageQuery {
    /// The language of whoever gets the page; left out, mine.
    #[param(example = "es", max_length = 35)]
    locale: Option<String>,
}

impl Validate for InvitationPageQuery {
    fn validate(&self, checks: &mut Checks) {
        checks.text("query/locale", self.locale.as_deref(), 0, 35);
    }
}

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(get_invitation_page))
}

/// A page to print for whoever I invited, while the invitation is open: the code, and a QR code that leads to the app.
#[utoipa::path(get, path = "/invitations/{id}/page", operation_id = "get_invitation_page", tag = "care",
    params(("id" = uuid::Uuid, Path), InvitationPageQuery),
    responses((status = 200, body = String, content_type = "text/html"), Problems))]
async fn get_invitation_page(
    State(app): State<AppState>,
    me: Planner,
    PathId(id): PathId<InvitationId>,
    ValidQuery(query): ValidQuery<InvitationPageQuery>,
) -> ApiResult<Response> {
    let row = open(&app, &me, id).await?;
    let key = clinic::key(&app, me.clinic).await?;
    let sealed = row.code_sealed.as_deref().ok_or(ApiError::NotFound)?;
    let code = key.open_text(code_place(id), sealed)?;
    let clinic = clinic::read(&app, me.clinic).await?;
    let locale = query.locale.unwrap_or_else(|| me.locale.clone());
    let zone = Zone::parse(&clinic.time_zone).map_err(ApiError::internal)?;
    let until = zone.local(row.expires_at).strftime("%Y-%m-%d %H:%M").to_string();
    let page = page(&locale, &clinic.name, &app.config.app_url, &code, &until)?;
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
    let headers = [(header::CONTENT_SECURITY_POLICY, policy)];
    Ok(InLanguage(locale, (headers, Html(page))).into_response())
}

/// One of the caller's own invitations that can still be taken up, else 404.
async fn open(app: &AppState, me: &Caller, id: InvitationId) -> ApiResult<invitations::Model> {
    let now: DateTime<Utc> = app.clock.now();
    invitations::Entity::find_by_id(id)
        .filter(invitations::Column::ClinicId.eq(me.clinic))
        .filter(invitations::Column::InvitedBy.eq(me.account))
        .filter(invitations::Column::UsedAt.is_null())
        .filter(invitations::Column::RevokedAt.is_null())
        .filter(invitations::Column::Attempts.lt(INVITATION_ATTEMPTS))
        .filter(invitations::Column::ExpiresAt.gt(now))
        .one(app.db.reader())
        .await?
        .ok_or(ApiError::NotFound)
}

fn page(locale: &str, clinic: &str, app_url: &str, code: &str, until: &str) -> ApiResult<String> {
    let words = in_locale(&WORDS, locale).ok_or(ApiError::NotFound)?;
    let square =
        QrCode::encode_text(&address(app_url, code), QrCodeEcc::Medium).map_err(ApiError::internal)?;
    let language = crate::language::of(locale);
    let [title, scan, typed] = [&words.title, &words.scan, &words.typed].map(|text| escaped(text));
    let lead = escaped(&words.lead.replace("{clinic}", clinic));
    let open = escaped(&words.open.replace("{address}", app_url));
    let once = escaped(&words.once.replace("{date}", until));
    let (code, svg) = (escaped(code), svg(&square));
    Ok(format!(
        "<!doctype html>\n<html lang=\"{language}\"><head><meta charset=\"utf-8\"><title>{title}</title>\n<style>\
         body{{font:14pt/1.5 sans-serif;max-width:34em;margin:3em auto;text-align:center}}\
         svg{{width:14em;height:14em}}.code{{font:bold 26pt monospace;letter-spacing:.06em}}</style></head>\n\
         <body><h1>{title}</h1>\n<p>{lead}</p>\n<p>{scan}</p>\n{svg}\n<p>{typed}</p>\n\
         <p class=\"code\">{code}</p>\n<p>{open}</p>\n<p>{once}</p></body></html>\n"
    ))
}

/// Where the square leads: the code is behind the `#`.
fn address(app_url: &str, code: &str) -> String {
    format!("{}#invitation={code}", app_url.split('#').next().unwrap_or(app_url))
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

/// The square with the quiet zone that readers need.
fn svg(square: &QrCode) -> String {
    const QUIET: i32 = 4;
    let size = square.size();
    let dark = |x: &i32, y: i32| square.get_module(*x, y);
    let rows = (0..size).map(|y| (0..size).filter(move |x| dark(x, y)).map(move |x| (x + QUIET, y + QUIET)));
    let path: String = rows.flatten().map(|(x, y)| format!("M{x} {y}h1v1h-1z")).collect();
    let side = size + 2 * QUIET;
    format!(
        "<svg viewBox=\"0 0 {side} {side}\" role=\"img\" shape-rendering=\"crispEdges\">\
         <rect width=\"{side}\" height=\"{side}\" fill=\"#fff\"/><path d=\"{path}\"/></svg>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_in_both_languages_and_names_hold_no_markup() {
        let make =
            |locale| page(locale, "A & <b>", "https://app.example.org/", "7K3M9-QX2VB-4", "2026-11-29");
        let (english, spanish) = (make("en").unwrap(), make("es-MX").unwrap());
        assert!(english.contains("A &amp; &lt;b&gt; invites you") && !english.contains("<b>"));
        assert!(spanish.contains("lang=\"es\"") && spanish.contains("Su invitación"));
        for page in [english, spanish] {
            assert!(
                page.contains("7K3M9-QX2VB-4")
                    && page.contains("2026-11-29")
                    && ["{clinic}", "{date}", "{address}"].iter().all(|hole| !page.contains(hole)),
                "{page}"
            );
            assert!(!page.contains("<script") && !page.contains("src="));
        }
    }

    #[test]
    fn the_code_is_in_the_fragment() {
        for url in ["https://app.example.org/", "https://app.example.org/#home"] {
            assert_eq!(address(url, "7K3M9"), "https://app.example.org/#invitation=7K3M9");
        }
    }
}
