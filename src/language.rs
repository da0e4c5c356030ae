//! Which language a reader gets: that of their account, else what the client prefers (`Accept-Language`, RFC 9110
//! section 12.5.4), else English. Texts themselves come from `content/`.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering},
};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, header, request::Parts},
    response::{IntoResponse, Response},
};

use crate::{accounts::Caller, app::AppState, error::ApiResult};

/// The languages that every text for patients exists in.
pub const LANGUAGES: [&str; 2] = ["en", "es"];

/// What is learned of the reader while a request is handled, for whoever words the answer. It travels among the
/// request's extensions.
#[derive(Debug, Clone, Default)]
pub struct Reader(Arc<Noted>);

#[derive(Debug, Default)]
struct Noted {
    /// The locale of the account, once it is known who asks.
    account: OnceLock<String>,
    /// Whether the answer depends on the language.
    asked: AtomicBool,
}

impl Reader {
    /// The language of messages for this reader, who would otherwise prefer `preferred`.
    pub fn language(&self, preferred: &'static str) -> &'static str {
        self.0.account.get().map_or(preferred, |locale| of(locale))
    }

    /// Says in which language an answer is, and that another reader might get another one.
    pub fn label(&self, preferred: &'static str, is_problem: bool, headers: &mut HeaderMap) {
        if !is_problem && !self.0.asked.load(Ordering::Relaxed) {
            return;
        }
        if !headers.contains_key(header::CONTENT_LANGUAGE) {
            let language = HeaderValue::from_static(self.language(preferred));
            headers.insert(header::CONTENT_LANGUAGE, language);
        }
        if self.0.account.get().is_none() {
            headers.append(header::VARY, HeaderValue::from_static("accept-language"));
        }
    }

    /// Notes the locale of whoever asks.
    pub fn note_account(parts: &Parts, locale: &str) {
        if let Some(reader) = parts.extensions.get::<Self>() {
            // The first one stays; there is one account to a request.
            let _same = reader.0.account.set(locale.to_owned());
        }
    }
}

/// An answer whose texts are in the language of this locale.
pub struct InLanguage<T>(pub String, pub T);

impl<T: IntoResponse> IntoResponse for InLanguage<T> {
    fn into_response(self) -> Response {
        let language = HeaderValue::from_static(of(&self.0));
        let mut response = self.1.into_response();
        response.headers_mut().insert(header::CONTENT_LANGUAGE, language);
        response
    }
}

/// The reader's language, for operations that need no login: one of [`LANGUAGES`], or the locale of the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReaderLocale(pub String);

impl FromRequestParts<AppState> for ReaderLocale {
    type Rejection = crate::error::ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> ApiResult<Self> {
        if let Some(reader) = parts.extensions.get::<Reader>() {
            reader.0.asked.store(true, Ordering::Relaxed);
        }
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
