//! The vendors' own push services, for apps from a store: an iPhone app cannot receive Web Push. What goes this way is
//! not sealed for the device, so only the discreet words leave, and nothing else that a lock screen would not show.

mod apns;
mod client;
mod fcm;
#[cfg(test)]
mod testing;

use std::{fmt, future::Future, path::PathBuf, pin::Pin};

use chrono::{DateTime, Utc};

pub use apns::Apns;
pub use fcm::Fcm;

use super::protocol::{Outcome, Urgency};

/// Longest device token in bytes.
pub const MAX_TOKEN_BYTES: usize = 1_000;

/// One message for a native service.
#[derive(Debug, Clone, Copy)]
pub struct Note<'a> {
    pub title: &'a str,
    pub body: &'a str,
    /// Absolute address inside the app that a tap leads to.
    pub navigate: &'a str,
    /// With it the device tells that the message was shown or opened.
    pub receipt: &'a str,
    /// Replaces an earlier message with the same one.
    pub topic: &'a str,
    /// How many seconds the service keeps it for a phone that is offline.
    pub ttl_seconds: u32,
    pub urgency: Urgency,
}

impl Note<'_> {
    /// Whether the phone is to be woken for it.
    fn wakes(&self) -> bool {
        matches!(self.urgency, Urgency::Normal | Urgency::High)
    }
}

/// An attempt under way.
pub type Attempt<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// A vendor's push service.
pub trait NativeService: Send + Sync {
    /// What breakers and bounds are kept for.
    fn origin(&self) -> &str;

    /// One attempt at one device. Ends within the time limit of every push.
    fn send<'a>(&'a self, now: DateTime<Utc>, token: &'a str, note: &'a Note<'a>) -> Attempt<'a>;
}

/// Why a native service cannot be used. Holds no key.
#[derive(Debug, thiserror::Error)]
pub enum NativeError {
    /// The system refused to read the file.
    #[error("{setting}: {path} cannot be read: {source}")]
    Unreadable { setting: &'static str, path: PathBuf, source: std::io::Error },
    /// It holds something else.
    #[error("{setting}: {path} {flaw}")]
    Malformed { setting: &'static str, path: PathBuf, flaw: &'static str },
    /// No address, or one in clear text.
    #[error("{setting}: must be an https address")]
    Address { setting: &'static str },
    /// The system's TLS roots could not be loaded.
    #[error("the HTTP client for native push could not be set up; check the system's CA certificates")]
    Client,
}

/// A device token in the form of its service; nothing if it cannot be one. Apple's are hexadecimal and go into a path,
/// Google's are longer and go into a body.
pub fn apns_token(text: &str) -> Option<String> {
    let fits = (64..=200).contains(&text.len()) && text.len().is_multiple_of(2);
    (fits && text.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| text.to_ascii_lowercase())
}

/// See [`apns_token`].
pub fn fcm_token(text: &str) -> Option<String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'_' | b'-' | b'.');
    ((20..=MAX_TOKEN_BYTES).contains(&text.len()) && text.bytes().all(plain)).then(|| text.to_owned())
}

/// A secret that does not print itself.
#[derive(Clone)]
struct Bearer(std::sync::Arc<str>);

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_tokens_have_the_form_of_their_service() {
        let apple = "00fc13adff785122b4ad28809a3420982341241421348097878e577c991de8f0";
        assert_eq!(apns_token(&apple.to_uppercase()).as_deref(), Some(apple));
        for bad in ["", &apple[1..], &apple[..62], "../../3/device/", &"g".repeat(64), &"a".repeat(202)] {
            assert_eq!(apns_token(bad), None, "{bad}");
        }
        let google = "dQw4w9WgXcQ:APA91bH-_x0123456789";
        assert_eq!(fcm_token(google).as_deref(), Some(google));
        for bad in [
            "",
            "short",
            "dQw4w9WgXcQ:APA91bH x0123456789",
            "dQw4w9WgXcQ/../APA91bH0123456789",
            &"a".repeat(1_001),
        ] {
            assert_eq!(fcm_token(bad), None, "{bad}");
        }
    }
}
