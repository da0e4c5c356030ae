//! The handler of the digest.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    dto::Digest,
    load::{self, Reader},
    page,
};
use crate::{app::AppState, care::DigestPatient, error::ApiResult, openapi::Problems};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(get_digest))
}

/// What this patient shared with me, put together for the minutes before a session: open alerts, what changed, how the
/// last two weeks were. With `Accept: text/html` a page to read or print. Whoever stands in for a colleague gets it
/// without what was shared with that colleague.
#[utoipa::path(get, path = "/patients/{patient_id}/digest", operation_id = "get_digest", tag = "review",
    params(("patient_id" = Uuid, Path)),
    responses((status = 200, content((Digest = "application/json"), (String = "text/html"))), Problems))]
async fn get_digest(
    State(app): State<AppState>,
    patient: DigestPatient,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let me = patient.therapist();
    let reader = Reader { me, covering: patient.covering(), now: app.clock.now() };
    let digest = patient.read(&app, async |conn, scope| load::load(&app, conn, scope, &reader).await).await?;
    if wants_page(&headers) {
        return page::respond(&digest, &me.locale, &me.zone);
    }
    let vary = [(header::VARY, HeaderValue::from_static("accept"))];
    Ok((vary, Json(digest)).into_response())
}

/// Whether a page is preferred to JSON (RFC 9110, section 12.5.1): the first of the two that is named wins, and JSON
/// where neither is.
fn wants_page(headers: &HeaderMap) -> bool {
    let accept = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut named =
        accept.flat_map(|value| value.split(',')).map(|one| one.split(';').next().unwrap_or("").trim());
    named.find(|one| ["text/html", "application/json"].contains(one)) == Some("text/html")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_unless_a_page_is_asked_for_first() {
        for (accept, wanted) in [
            ("", false),
            ("*/*", false),
            ("text/html", true),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", true),
            ("application/json, text/html;q=0.5", false),
            ("image/png", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(wants_page(&headers), wanted, "{accept}");
        }
        assert!(!wants_page(&HeaderMap::new()));
    }
}
