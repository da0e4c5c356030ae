//! What a push service checks before it takes a message: the headers of RFC 8030 and the signature of RFC 8292.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use axum::http::HeaderMap;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::clock::{Clock, SystemClock};

/// Everything that is wrong; empty when the service would take it.
pub fn headers(headers: &HeaderMap, origin: &str) -> Vec<String> {
    let get = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
    let mut problems = Vec::new();
    let mut require = |holds: bool, what: &str| {
        if !holds {
            problems.push(what.to_owned());
        }
    };
    require(get("ttl").parse::<u32>().is_ok(), "TTL is no number of seconds");
    require(
        matches!(get("urgency"), "very-low" | "low" | "normal" | "high"),
        "Urgency is none of its four words",
    );
    let topic = get("topic");
    let word = topic.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    require(topic.len() == 32 && word, "Topic is not 32 characters of base64url");
    require(get("content-encoding") == "aes128gcm", "Content-Encoding is not aes128gcm");
    if let Err(what) = vapid(get("authorization"), origin) {
        problems.push(format!("VAPID: {what}"));
    }
    problems
}

fn vapid(header: &str, origin: &str) -> Result<(), &'static str> {
    let parts = header.strip_prefix("vapid ").ok_or("the scheme is missing")?;
    let part = |name: &str| parts.split(',').find_map(|part| part.trim().strip_prefix(name));
    let (token, key) = (part("t=").ok_or("t is missing")?, part("k=").ok_or("k is missing")?);
    let decode = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| "it is not base64url");
    let (signed, signature) = token.rsplit_once('.').ok_or("the token has no signature")?;
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, decode(key)?)
        .verify(signed.as_bytes(), &decode(signature)?)
        .map_err(|_| "the signature does not fit the key")?;
    let (head, claims) = signed.split_once('.').ok_or("the token has no claims")?;
    let json = |text: &str| -> Result<Value, &'static str> {
        serde_json::from_slice(&decode(text)?).map_err(|_| "the token is no JSON")
    };
    let (head, claims) = (json(head)?, json(claims)?);
    if head["alg"] != "ES256" {
        return Err("the algorithm is not ES256");
    }
    if claims["aud"] != origin {
        return Err("aud is not this service's origin");
    }
    let left = claims["exp"].as_i64().unwrap_or(0) - SystemClock.now().timestamp();
    if (1..=24 * 3600).contains(&left) { Ok(()) } else { Err("exp is not within a day") }
}
