//! What a device receives: a declarative push message (W3C Push API), which the system shows itself if the
//! app's service worker does not. Every message has the same length, so that its size tells an observer
//! nothing: the JSON is filled up with spaces before it is sealed.

use aws_lc_rs::hmac;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Serialize;
use url::Url;
use uuid::Uuid;

/// Bytes of every message before it is sealed. Push services must accept 4,096 sealed (RFC 8030 section 7.2).
pub const CLEAR_BYTES: usize = 2_048;

/// The version of the declarative format.
const WEB_PUSH: u16 = 8030;
const TOPIC_BYTES: usize = 24;
const TOPIC_LABEL: &[u8] = b"web push topic\0";

/// What the lock screen shows.
#[derive(Debug, Clone, Copy)]
pub struct PushText<'a> {
    pub title: &'a str,
    pub body: &'a str,
    /// Language tag of both, such as `pt-BR`.
    pub lang: &'a str,
}

/// One message.
#[derive(Debug, Clone, Copy)]
pub struct PushMessage<'a> {
    pub text: PushText<'a>,
    /// Where a tap leads: a path inside the app, relative to its URL.
    pub path: &'a str,
    /// A shown notification with the same tag is replaced.
    pub tag: &'a str,
    /// With it the device tells that the message was shown or opened.
    pub receipt: &'a str,
    pub notification_id: Uuid,
}

/// Why a message cannot be built. Holds none of its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// More than [`CLEAR_BYTES`].
    #[error("the message is longer than 2,048 bytes; shorten its title or body")]
    TooLong,
    /// A target outside of the app.
    #[error("the message leads outside of the app; give a path below app_url")]
    Target,
    /// The app's URL cannot be a base for paths.
    #[error("app_url must be an absolute URL with a host")]
    AppUrl,
    /// JSON could not be written.
    #[error("the message could not be written as JSON")]
    Json,
}

#[derive(Serialize)]
struct Declarative<'a> {
    web_push: u16,
    notification: Notification<'a>,
    // Lets the app's service worker replace the text after it has looked at the account.
    mutable: bool,
}

#[derive(Serialize)]
struct Notification<'a> {
    title: &'a str,
    body: &'a str,
    navigate: &'a str,
    lang: &'a str,
    tag: &'a str,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    notification_id: Uuid,
    receipt: &'a str,
}

/// Builds messages for one app.
#[derive(Debug, Clone)]
pub struct PayloadBuilder {
    app_url: Url,
}

impl PayloadBuilder {
    /// `app_url` is where the app lives, such as `https://app.example.org/`; a path in it is kept.
    pub fn new(app_url: &str) -> Result<Self, PayloadError> {
        let mut url = Url::parse(app_url).map_err(|_| PayloadError::AppUrl)?;
        if !url.has_host() {
            return Err(PayloadError::AppUrl);
        }
        url.set_query(None);
        url.set_fragment(None);
        if !url.path().ends_with('/') {
            let folder = format!("{}/", url.path());
            url.set_path(&folder);
        }
        Ok(Self { app_url: url })
    }

    /// The message as JSON of exactly [`CLEAR_BYTES`] bytes.
    pub fn build(&self, message: &PushMessage<'_>) -> Result<Vec<u8>, PayloadError> {
        let target = self.target(message.path)?;
        let PushText { title, body, lang } = message.text;
        let data = Data { notification_id: message.notification_id, receipt: message.receipt };
        let notification =
            Notification { title, body, navigate: target.as_str(), lang, tag: message.tag, data };
        let declarative = Declarative { web_push: WEB_PUSH, notification, mutable: true };
        let mut json = serde_json::to_vec(&declarative).map_err(|_| PayloadError::Json)?;
        if json.len() > CLEAR_BYTES {
            return Err(PayloadError::TooLong);
        }
        // Spaces before the closing brace are white space to every parser.
        let brace = json.pop().ok_or(PayloadError::Json)?;
        json.resize(CLEAR_BYTES - 1, b' ');
        json.push(brace);
        Ok(json)
    }

    /// Where a notification leads: its own page in the app, as an absolute URL.
    pub fn navigate(&self, path: &str) -> Result<String, PayloadError> {
        self.target(path).map(String::from)
    }

    /// The absolute URL of a path, which may not lead out of the app.
    fn target(&self, path: &str) -> Result<Url, PayloadError> {
        // The leading dot keeps `//host` and `scheme:` from being read as anything but a path.
        let relative = format!("./{}", path.trim_start_matches('/'));
        let target = self.app_url.join(&relative).map_err(|_| PayloadError::Target)?;
        let inside = target.as_str().starts_with(self.app_url.as_str());
        if inside { Ok(target) } else { Err(PayloadError::Target) }
    }
}

/// The `Topic` header of a notification (RFC 8030 section 5.4): a later message with the same topic replaces
/// one that still waits at the push service, so a repeated send is seen once. 32 characters of base64url that
/// stand for 24 bytes, because some services decode them; keyed, so that a push service learns nothing of the
/// id.
pub fn topic(hmac_key: &[u8], notification_id: Uuid) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, hmac_key);
    let mut context = hmac::Context::with_key(&key);
    context.update(TOPIC_LABEL);
    context.update(notification_id.as_bytes());
    BASE64_URL_SAFE_NO_PAD.encode(&context.sign().as_ref()[..TOPIC_BYTES])
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const ID: Uuid = Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0001);

    fn message<'a>(title: &'a str, body: &'a str, path: &'a str) -> PushMessage<'a> {
        let text = PushText { title, body, lang: "en" };
        PushMessage { text, path, tag: "reminder", receipt: "r-1", notification_id: ID }
    }

    fn builder() -> PayloadBuilder {
        PayloadBuilder::new("https://app.example.org/kap").unwrap()
    }

    #[test]
    fn the_message_is_declarative_and_absolute() {
        let clear =
            builder().build(&message("Afterglow", "A moment for you", "/prompts/7?from=push")).unwrap();
        let expected = json!({
            "web_push": 8030,
            "notification": {
                "title": "Afterglow",
                "body": "A moment for you",
                "navigate": "https://app.example.org/kap/prompts/7?from=push",
                "lang": "en",
                "tag": "reminder",
                "data": { "notification_id": ID, "receipt": "r-1" },
            },
            "mutable": true,
        });
        assert_eq!(serde_json::from_slice::<Value>(&clear).unwrap(), expected);
    }

    #[test]
    fn every_text_has_one_length_and_survives() {
        for body in ["", "x", "Día tranquilo \u{1f33f}", "\"quotes\"\n\\", &"word ".repeat(300)] {
            let clear = builder().build(&message("t", body, "")).unwrap();
            assert_eq!(clear.len(), CLEAR_BYTES);
            assert_eq!(serde_json::from_slice::<Value>(&clear).unwrap()["notification"]["body"], body);
        }
    }

    #[test]
    fn the_last_byte_that_fits_fits_and_the_next_is_refused() {
        let empty = builder().build(&message("t", "", "")).unwrap();
        let spaces = empty.iter().rev().skip(1).take_while(|byte| **byte == b' ').count();
        let (full, over) = ("x".repeat(spaces), "x".repeat(spaces + 1));
        assert_eq!(builder().build(&message("t", &full, "")).unwrap().len(), CLEAR_BYTES);
        assert_eq!(builder().build(&message("t", &over, "")), Err(PayloadError::TooLong));
    }

    #[test]
    fn a_target_never_leaves_the_app() {
        let builder = builder();
        for path in ["../", "../../etc", "a/../../b", "%2e%2e/", "..\\"] {
            assert_eq!(builder.build(&message("t", "b", path)), Err(PayloadError::Target), "{path}");
        }
        for path in [
            "//evil.example/",
            "https://evil.example/",
            "javascript:alert(1)",
            "",
            "/",
            "?a",
            "#b",
            "\\\\evil",
        ] {
            let target = builder.target(path).unwrap();
            assert!(target.as_str().starts_with("https://app.example.org/kap/"), "{path}");
        }
    }

    #[test]
    fn an_app_url_needs_a_host() {
        for bad in ["", "app.example.org", "/app", "mailto:a@b.example"] {
            assert_eq!(PayloadBuilder::new(bad).err(), Some(PayloadError::AppUrl), "{bad}");
        }
        let bare = PayloadBuilder::new("https://app.example.org?x#y").unwrap();
        assert_eq!(bare.target("a").unwrap().as_str(), "https://app.example.org/a");
    }

    #[test]
    fn a_topic_is_stable_keyed_and_decodes_to_24_bytes() {
        let one = topic(b"key", ID);
        assert_eq!(one, topic(b"key", ID));
        assert_ne!(one, topic(b"other", ID));
        assert_ne!(one, topic(b"key", Uuid::from_u128(1)));
        assert_eq!(one.len(), 32);
        assert_eq!(BASE64_URL_SAFE_NO_PAD.decode(&one).unwrap().len(), 24);
    }
}
