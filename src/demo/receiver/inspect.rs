//! What a strict push service and phone look at. Each finding is a sentence for whoever reads a failed test
//! or demo.

use aws_lc_rs::{
    agreement::PrivateKey,
    signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey},
};
use axum::http::HeaderMap;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, Duration, Utc};
use serde_json::Value;

use super::decrypt::decrypt;

/// What is wrong with the headers (RFC 8030 sections 5.2 to 5.4, RFC 8291 section 4).
pub(super) fn headers(headers: &HeaderMap) -> Vec<String> {
    let value = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let mut problems = Vec::new();
    let mut require = |holds: bool, problem: &str| {
        if !holds {
            problems.push(problem.to_owned());
        }
    };
    require(value("ttl").is_some_and(|text| text.parse::<u32>().is_ok()), "TTL is not a number of seconds");
    let urgencies = ["very-low", "low", "normal", "high"];
    require(
        value("urgency").is_none_or(|text| urgencies.contains(&text)),
        "Urgency is none of the four words",
    );
    // Some services decode the topic, so it must be whole base64url.
    let decodes = |text: &str| text.len() <= 32 && BASE64_URL_SAFE_NO_PAD.decode(text).is_ok();
    require(value("topic").is_none_or(decodes), "Topic is not base64url of at most 32 characters");
    require(value("content-encoding") == Some("aes128gcm"), "Content-Encoding is not aes128gcm");
    require(
        value("content-type") == Some("application/octet-stream"),
        "Content-Type is not application/octet-stream",
    );
    for name in ["ttl", "urgency", "topic", "content-encoding", "authorization"] {
        require(headers.get_all(name).iter().count() <= 1, "a header is there twice");
    }
    require(
        !headers.contains_key("cookie") && !headers.contains_key("referer"),
        "there is a Cookie or a Referer",
    );
    problems
}

/// What is wrong with the signature (RFC 8292), for a service with this origin. `expected_key`, if there is
/// one, is the only key accepted.
pub(super) fn vapid(
    headers: &HeaderMap,
    origin: &str,
    expected_key: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(), &'static str> {
    let header =
        headers.get("authorization").and_then(|value| value.to_str().ok()).ok_or("VAPID: no header")?;
    let parameters = header.strip_prefix("vapid ").ok_or("VAPID: another scheme than vapid")?;
    let parameter = |name: &str| {
        let mut parts = parameters.split(',').filter_map(|part| part.trim().split_once('='));
        parts.find(|(found, _)| *found == name).map(|(_, value)| value)
    };
    let (token, key) = parameter("t").zip(parameter("k")).ok_or("VAPID: t or k is missing")?;
    if expected_key.is_some_and(|expected| expected != key) {
        return Err("VAPID: the subscription was made for another key");
    }
    check_claims(&verified(token, key)?, origin, now)
}

/// The claims of a token whose signature holds.
fn verified(token: &str, key: &str) -> Result<Value, &'static str> {
    let (signed, signature) = token.rsplit_once('.').ok_or("VAPID: t is not a JWT")?;
    let (head, claims) = signed.split_once('.').ok_or("VAPID: t is not a JWT")?;
    let decode =
        |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| "VAPID: a part is not base64url");
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, decode(key)?)
        .verify(signed.as_bytes(), &decode(signature)?)
        .map_err(|_| "VAPID: the signature does not match k")?;
    let json =
        |bytes: Vec<u8>| serde_json::from_slice::<Value>(&bytes).map_err(|_| "VAPID: a part is not JSON");
    if json(decode(head)?)?["alg"] != "ES256" {
        return Err("VAPID: alg is not ES256");
    }
    json(decode(claims)?)
}

fn check_claims(claims: &Value, origin: &str, now: DateTime<Utc>) -> Result<(), &'static str> {
    if claims["aud"] != origin {
        return Err("VAPID: aud is not this origin with its port");
    }
    let exp = claims["exp"].as_i64().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    if exp.is_none_or(|exp| exp <= now || exp > now + Duration::hours(24)) {
        return Err("VAPID: exp is past, or more than 24 hours away");
    }
    let contact = &claims["sub"];
    let reachable = |text: &str| text.starts_with("mailto:") || text.starts_with("https:");
    if !contact.is_null() && !contact.as_str().is_some_and(reachable) {
        return Err("VAPID: sub is neither mailto: nor https:");
    }
    Ok(())
}

/// What the phone reads, or why it cannot.
pub(super) fn message(private: &PrivateKey, auth: &[u8], body: &[u8]) -> Result<Value, String> {
    let clear = decrypt(private, auth, body).map_err(|error| error.to_string())?;
    serde_json::from_slice(&clear).map_err(|_| "the message is not JSON".to_owned())
}
