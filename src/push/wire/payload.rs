//! What is inside a push: declarative JSON, discreet, and always of one length, so that the size says nothing either.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Serialize;
use uuid::Uuid;

use crate::vault::Mac;

/// The one size of every payload before sealing, in bytes.
pub const SIZE: usize = 2_048;

/// What the lock screen shows and where it leads.
#[derive(Debug, Clone, Serialize)]
pub struct Shown<'a> {
    pub title: &'a str,
    pub body: &'a str,
    /// Absolute.
    pub navigate: &'a str,
    pub lang: &'a str,
    /// Same tag, same notification: a later one replaces it.
    pub tag: &'a str,
    pub data: Data<'a>,
}

/// What the service worker needs to report back.
#[derive(Debug, Clone, Serialize)]
pub struct Data<'a> {
    pub notification_id: Uuid,
    pub receipt: &'a str,
}

#[derive(Serialize)]
struct Declarative<'a> {
    web_push: u16,
    notification: &'a Shown<'a>,
    mutable: bool,
}

/// The text does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the notification is longer than a push may be")]
pub struct TooLong;

/// The payload: JSON, padded with blanks inside its outer braces to [`SIZE`].
pub fn payload(shown: &Shown<'_>) -> Result<Vec<u8>, TooLong> {
    let mut json = serde_json::to_vec(&Declarative { web_push: 8030, notification: shown, mutable: true })
        .map_err(|_| TooLong)?;
    let missing = SIZE.checked_sub(json.len()).ok_or(TooLong)?;
    let end = json.len() - 1;
    json.splice(end..end, std::iter::repeat_n(b' ', missing));
    Ok(json)
}

/// `Topic` (RFC 8030, section 5.4): 32 characters of base64url, the same for every attempt at one notification, so that
/// push service and phone collapse repetitions.
pub fn topic(mac: &Mac, notification: Uuid) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(&mac.sign(&[b"topic", notification.as_bytes()])[..24])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown<'a>(body: &'a str) -> Shown<'a> {
        let data = Data { notification_id: Uuid::nil(), receipt: "r" };
        Shown {
            title: "A minute for you",
            body,
            navigate: "https://app.example.org/n/1",
            lang: "en",
            tag: "t",
            data,
        }
    }

    #[test]
    fn every_payload_has_one_length_and_stays_json() {
        for body in ["", "Open the app when you like.", &"ñ".repeat(400), "quote \" and } brace"] {
            let bytes = payload(&shown(body)).unwrap();
            assert_eq!(bytes.len(), SIZE);
            let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            assert_eq!(json["web_push"], 8030);
            assert_eq!(json["notification"]["body"], body);
        }
        assert_eq!(payload(&shown(&"a".repeat(3_000))), Err(TooLong));
    }

    #[test]
    fn a_topic_is_32_characters_and_says_nothing() {
        let mac = Mac::new(b"key");
        let one = topic(&mac, Uuid::from_u128(1));
        assert_eq!(one.len(), 32);
        assert_eq!(one, topic(&mac, Uuid::from_u128(1)));
        assert_ne!(one, topic(&mac, Uuid::from_u128(2)));
    }
}
