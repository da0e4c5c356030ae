//! Google's push service (FCM HTTP v1). A service account signs for an access token, which is kept while it lasts.

use std::{path::Path, sync::Arc, time::Duration as Wait};

use chrono::{DateTime, Duration, Utc};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::{
    Attempt, Bearer, NativeError, NativeService, Note,
    client::{Answer, NativeClient, bearer},
};
use crate::{
    config::FcmConfig,
    push::protocol::{FaultKind, Outcome, RetryKind, TransportOptions, classify},
};

const SETTING: &str = "fcm.service_account_file";
const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// An access token is replaced so long before it ends.
const MARGIN_SECONDS: i64 = 300;
/// What Google asks for when a quota is used up and it names no time.
const QUOTA_WAIT: Wait = Wait::from_secs(60);

/// The file that Google gives out; what else is in it is of no use here.
#[derive(Deserialize)]
struct ServiceAccount {
    project_id: String,
    client_email: String,
    private_key: SecretString,
    token_uri: String,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    scope: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
}

struct Granted {
    token: Bearer,
    until: DateTime<Utc>,
}

/// Sends to Android phones, and to whatever else an app registered with Firebase.
pub struct Fcm {
    client: NativeClient,
    url: String,
    send_url: String,
    token_url: String,
    email: String,
    key: EncodingKey,
    // Held while a token is fetched, so that one request fetches it for all.
    granted: Mutex<Option<Granted>>,
}

impl Fcm {
    /// As configured; nothing if it is switched off.
    pub fn new(config: &FcmConfig, options: TransportOptions) -> Result<Option<Self>, NativeError> {
        let path = &config.service_account_file;
        if path.as_os_str().is_empty() {
            return Ok(None);
        }
        let client = NativeClient::new(options)?;
        let url = client.address("fcm.url", &config.url)?;
        let account = account(path)?;
        let key = EncodingKey::from_rsa_pem(account.private_key.expose_secret().as_bytes())
            .map_err(|_| malformed(path, "has no RSA key in private_key"))?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if account.project_id.is_empty() || !account.project_id.bytes().all(plain) {
            return Err(malformed(path, "has no project_id"));
        }
        let token_url = client.address(SETTING, &account.token_uri)?;
        let send_url = format!("{url}/v1/projects/{}/messages:send", account.project_id);
        let (email, granted) = (account.client_email, Mutex::default());
        Ok(Some(Self { client, url, send_url, token_url, email, key, granted }))
    }

    /// An access token, from memory or from Google.
    async fn token(&self, now: DateTime<Utc>) -> Result<Bearer, Outcome> {
        let mut granted = self.granted.lock().await;
        if let Some(known) = granted.as_ref()
            && now < known.until
        {
            return Ok(known.token.clone());
        }
        let (aud, iat) = (self.token_url.as_str(), now.timestamp());
        let claims = Claims { iss: &self.email, scope: SCOPE, aud, iat, exp: iat + 3_600 };
        let unbuildable = Outcome::OurFault { status: None, why: FaultKind::Unbuildable };
        let assertion = jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &self.key)
            .map_err(|_| unbuildable.clone())?;
        let form = serde_urlencoded::to_string([("grant_type", GRANT), ("assertion", &assertion)])
            .map_err(|_| unbuildable)?;
        let request = self
            .client
            .post(&self.token_url)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form);
        let answer = self.client.exchange(request).await;
        let token = answer.json["access_token"].as_str().filter(|_| answer.status() == Some(200));
        let Some(token) = token else { return Err(not_granted(&answer, now)) };
        let life = answer.json["expires_in"].as_i64().unwrap_or(3_600).clamp(MARGIN_SECONDS, 86_400);
        let token = Bearer(bearer(token));
        let until = now + Duration::seconds(life - MARGIN_SECONDS);
        *granted = Some(Granted { token: token.clone(), until });
        Ok(token)
    }

    /// Fetches anew next time, unless somebody did meanwhile.
    async fn forget(&self, refused: &Bearer) {
        let mut granted = self.granted.lock().await;
        if granted.as_ref().is_some_and(|known| Arc::ptr_eq(&known.token.0, &refused.0)) {
            *granted = None;
        }
    }

    async fn attempt(&self, now: DateTime<Utc>, device: &str, note: &Note<'_>) -> Outcome {
        let token = match self.token(now).await {
            Ok(token) => token,
            Err(outcome) => return outcome,
        };
        let Ok(mut header) = HeaderValue::from_str(&token.0) else {
            return Outcome::OurFault { status: None, why: FaultKind::Unbuildable };
        };
        header.set_sensitive(true);
        let request = self
            .client
            .post(&self.send_url)
            .header(AUTHORIZATION, header)
            .header(CONTENT_TYPE, "application/json")
            .body(message(device, note).to_string());
        let answer = self.client.exchange(request).await;
        if answer.status() == Some(401) && code(&answer) != Some("THIRD_PARTY_AUTH_ERROR") {
            self.forget(&token).await;
        }
        meaning(&answer, now)
    }
}

impl NativeService for Fcm {
    fn origin(&self) -> &str {
        &self.url
    }

    fn send<'a>(&'a self, now: DateTime<Utc>, token: &'a str, note: &'a Note<'a>) -> Attempt<'a> {
        Box::pin(self.attempt(now, token, note))
    }
}

fn message(device: &str, note: &Note<'_>) -> Value {
    json!({ "message": {
        "token": device,
        "notification": { "title": note.title, "body": note.body },
        "data": { "navigate": note.navigate, "receipt": note.receipt },
        "android": {
            "priority": if note.wakes() { "HIGH" } else { "NORMAL" },
            "ttl": format!("{}s", note.ttl_seconds),
            "collapse_key": note.topic,
            "notification": { "tag": note.topic },
        },
    }})
}

fn account(path: &Path) -> Result<ServiceAccount, NativeError> {
    let text = zeroize::Zeroizing::new(std::fs::read(path).map_err(|source| NativeError::Unreadable {
        setting: SETTING,
        path: path.to_owned(),
        source,
    })?);
    serde_json::from_slice(&text)
        .map_err(|_| malformed(path, "is not the JSON file of a service account; make a new key for it"))
}

fn malformed(path: &Path, flaw: &'static str) -> NativeError {
    NativeError::Malformed { setting: SETTING, path: path.to_owned(), flaw }
}

/// No access token: that says nothing about any device.
fn not_granted(answer: &Answer, now: DateTime<Utc>) -> Outcome {
    match classify(&answer.result, now) {
        kept @ (Outcome::Retry { .. } | Outcome::OurFault { .. }) => kept,
        _ => Outcome::OurFault { status: answer.status(), why: FaultKind::Unexpected },
    }
}

/// The error's own word, where there is one.
fn code(answer: &Answer) -> Option<&str> {
    let details = answer.json["error"]["details"].as_array()?;
    details.iter().find_map(|detail| detail["errorCode"].as_str())
}

/// Whether Google names the device's token as what it does not like.
fn blames_token(answer: &Answer) -> bool {
    let details = answer.json["error"]["details"].as_array();
    details.into_iter().flatten().any(|detail| {
        let violations = detail["fieldViolations"].as_array();
        violations.into_iter().flatten().any(|violation| violation["field"] == "message.token")
    })
}

/// A 404 without its word is a project that is not there, and not a device that is gone.
fn meaning(answer: &Answer, now: DateTime<Utc>) -> Outcome {
    let Some(status) = answer.status() else { return classify(&answer.result, now) };
    match (status, code(answer)) {
        (404, Some("UNREGISTERED")) => Outcome::Gone { status },
        (400, _) if blames_token(answer) => Outcome::Gone { status },
        (401, Some("THIRD_PARTY_AUTH_ERROR")) => {
            Outcome::OurFault { status: Some(status), why: FaultKind::Refused }
        }
        (401, _) => Outcome::Retry { after: None, why: RetryKind::ServerError },
        (404 | 410, _) => Outcome::OurFault { status: Some(status), why: FaultKind::Unexpected },
        (429, _) => match classify(&answer.result, now) {
            Outcome::Retry { after, why } => Outcome::Retry { after: after.or(Some(QUOTA_WAIT)), why },
            other => other,
        },
        _ => classify(&answer.result, now),
    }
}

#[cfg(test)]
#[path = "fcm_tests.rs"]
mod tests;
