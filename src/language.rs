//! Which language a reader gets: that of their account, else what the client prefers (`Accept-Language`, RFC 9110
//! section 12.5.4), else English. Texts themselves come from `content/`.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};

use crate::{accounts::Caller, app::AppState, error::ApiResult};

/// The languages that every text for patients exists in.
pub const LANGUAGES: [&str; 2] = ["en", "es"];

/// The reader's language, for operations that need no login: one of [`LANGUAGES`], or the locale of the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReaderLocale(pub String);

impl FromRequestParts<AppState> for ReaderLocale {
    type Rejection = crate::error::ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> ApiResult<Self> {
        if parts.headers.contains_key(header::AUTHORIZATION)
            && let Ok(caller) = Caller::from_request_parts(parts, app).await
        {
            return Ok(Self(caller.locale));
        }
        Ok(Self(preferred(&parts.headers).to_owned()))
    }
}

/// The first of [`LANGUAGES`] that the client accepts, or English.
pub fn preferred(headers: &HeaderMap) -> &'static str {
    let wanted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let accepted = accept_language::parse(wanted);
    let language = |tag: &String| {
        let primary = tag.split('-').next().unwrap_or(tag);
        LANGUAGES.into_iter().find(|language| language.eq_ignore_ascii_case(primary))
    };
    accepted.iter().find_map(language).unwrap_or(LANGUAGES[0])
}

/// The one of [`LANGUAGES`] that a locale such as `es-MX` stands for, or English.
pub fn of(locale: &str) -> &'static str {
    let primary = locale.split(['-', '_']).next().unwrap_or(locale);
    LANGUAGES.into_iter().find(|language| language.eq_ignore_ascii_case(primary)).unwrap_or(LANGUAGES[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_language_we_have_is_taken() {
        for (wanted, language) in [
            ("es", "es"),
            ("es-MX,es;q=0.9,en;q=0.8", "es"),
            ("de, es;q=0.5, en;q=0.1", "es"),
            ("en;q=0.2, ES;q=0.9", "es"),
            ("de", "en"),
            ("", "en"),
            ("*", "en"),
            (";;;q=,", "en"),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT_LANGUAGE, wanted.parse().unwrap())]);
            assert_eq!(preferred(&headers), language, "{wanted}");
        }
        assert_eq!(preferred(&HeaderMap::new()), "en");
    }
}
