//! Apple's push service, with a signing key instead of certificates.

use std::{
    path::Path,
    sync::{Mutex, PoisonError},
    time::Duration as Wait,
};

use chrono::{DateTime, Duration, Utc};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde::Serialize;
use serde_json::json;

use super::{
    Attempt, Bearer, NativeError, NativeService, Note,
    client::{Answer, NativeClient, bearer},
};
use crate::{
    config::ApnsConfig,
    push::protocol::{FaultKind, Outcome, RetryKind, TransportOptions, classify},
};

/// Apple accepts a signature for an hour, and no new one within twenty minutes.
const RENEW_MINUTES: i64 = 50;
/// How long Apple is left alone when it finds that we sign too often.
const SIGNED_TOO_OFTEN: Wait = Wait::from_secs(300);

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    iat: i64,
}

/// Sends to iPhones and iPads.
pub struct Apns {
    client: NativeClient,
    url: String,
    bundle: String,
    team_id: String,
    header: Header,
    key: EncodingKey,
    signed: Mutex<Option<(Bearer, DateTime<Utc>)>>,
}

impl Apns {
    /// As configured; nothing if it is switched off.
    pub fn new(config: &ApnsConfig, options: TransportOptions) -> Result<Option<Self>, NativeError> {
        let path = &config.key_file;
        if path.as_os_str().is_empty() {
            return Ok(None);
        }
        let client = NativeClient::new(options)?;
        let url = client.address("apns.url", &config.url)?;
        let mut header = Header::new(Algorithm::ES256);
        header.typ = None;
        header.kid = Some(config.key_id.clone());
        let (bundle, team_id) = (config.bundle_id.clone(), config.team_id.clone());
        Ok(Some(Self { client, url, bundle, team_id, header, key: key(path)?, signed: Mutex::default() }))
    }

    /// The signature in use. Made anew when it is old, or when the clock was set back.
    fn authorization(&self, now: DateTime<Utc>) -> Option<Bearer> {
        let mut signed = self.signed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((token, at)) = signed.as_ref()
            && now >= *at
            && now - *at < Duration::minutes(RENEW_MINUTES)
        {
            return Some(token.clone());
        }
        let claims = Claims { iss: &self.team_id, iat: now.timestamp() };
        let token = jsonwebtoken::encode(&self.header, &claims, &self.key).ok()?;
        let token = Bearer(bearer(&token));
        *signed = Some((token.clone(), now));
        Some(token)
    }

    /// Signs anew next time, unless somebody did meanwhile.
    fn forget(&self, refused: &Bearer) {
        let mut signed = self.signed.lock().unwrap_or_else(PoisonError::into_inner);
        if signed.as_ref().is_some_and(|(token, _)| std::sync::Arc::ptr_eq(&token.0, &refused.0)) {
            *signed = None;
        }
    }

    async fn attempt(&self, now: DateTime<Utc>, token: &str, note: &Note<'_>) -> Outcome {
        let signed = self.authorization(now);
        let header = signed.as_ref().and_then(|signed| HeaderValue::from_str(&signed.0).ok());
        let (Some(signed), Some(mut header)) = (signed, header) else {
            return Outcome::OurFault { status: None, why: FaultKind::Unbuildable };
        };
        header.set_sensitive(true);
        let body = json!({
            "aps": { "alert": { "title": note.title, "body": note.body }, "sound": "default" },
            "navigate": note.navigate,
            "receipt": note.receipt,
        });
        let request = self
            .client
            .post(&format!("{}/3/device/{token}", self.url))
            .header(AUTHORIZATION, header)
            .header("apns-topic", &self.bundle)
            .header("apns-push-type", "alert")
            .header("apns-priority", if note.wakes() { "10" } else { "5" })
            .header("apns-expiration", now.timestamp() + i64::from(note.ttl_seconds))
            .header("apns-collapse-id", note.topic)
            .body(body.to_string());
        let answer = self.client.exchange(request).await;
        if reason(&answer) == Some("ExpiredProviderToken") {
            self.forget(&signed);
        }
        meaning(&answer, now)
    }
}

impl NativeService for Apns {
    fn origin(&self) -> &str {
        &self.url
    }

    fn send<'a>(&'a self, now: DateTime<Utc>, token: &'a str, note: &'a Note<'a>) -> Attempt<'a> {
        Box::pin(self.attempt(now, token, note))
    }
}

/// The key that Apple gives out: P-256, PKCS#8, PEM.
fn key(path: &Path) -> Result<EncodingKey, NativeError> {
    let setting = "apns.key_file";
    let pem = zeroize::Zeroizing::new(std::fs::read(path).map_err(|source| NativeError::Unreadable {
        setting,
        path: path.to_owned(),
        source,
    })?);
    let flaw = "is not a P-256 key in PEM; download it again from Apple";
    EncodingKey::from_ec_pem(&pem).map_err(|_| NativeError::Malformed {
        setting,
        path: path.to_owned(),
        flaw,
    })
}

fn reason(answer: &Answer) -> Option<&str> {
    answer.json["reason"].as_str()
}

/// Apple says in words what the status leaves open. A 404 is a wrong path here, not a device that is gone.
fn meaning(answer: &Answer, now: DateTime<Utc>) -> Outcome {
    let Some(status) = answer.status() else { return classify(&answer.result, now) };
    match (status, reason(answer)) {
        (400 | 410, Some("Unregistered" | "ExpiredToken" | "BadDeviceToken")) => Outcome::Gone { status },
        (403, Some("ExpiredProviderToken")) => Outcome::Retry { after: None, why: RetryKind::ServerError },
        (429, Some("TooManyProviderTokenUpdates")) => {
            Outcome::Retry { after: Some(SIGNED_TOO_OFTEN), why: RetryKind::Throttled }
        }
        (404 | 410, _) => Outcome::OurFault { status: Some(status), why: FaultKind::Unexpected },
        _ => classify(&answer.result, now),
    }
}

#[cfg(test)]
#[path = "apns_tests.rs"]
mod tests;
