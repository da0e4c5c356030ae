//! Against a service on this machine that looks at what Apple looks at.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey,
};
use axum::http::Version;
use serde_json::Value;

use super::*;
use crate::push::{
    native::testing::{KeyFile, Seen, Vendor, at, note, options, parts, pem},
    protocol::{Urgency, VapidKeys},
};

const TOKEN: &str = "00fc13adff785122b4ad28809a3420982341241421348097878e577c991de8f0";

/// Apple's key for us, as file and as public key.
fn key() -> (KeyFile, Vec<u8>) {
    let pkcs8 = VapidKeys::generate_pkcs8().unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8).unwrap();
    (KeyFile::holding(&pem(&pkcs8)), pair.public_key().as_ref().to_vec())
}

fn config(key: &KeyFile, url: &str) -> ApnsConfig {
    ApnsConfig {
        key_file: key.0.clone(),
        key_id: "ABC123DEFG".to_owned(),
        team_id: "DEF123GHIJ".to_owned(),
        bundle_id: "org.example.afterglow".to_owned(),
        url: url.to_owned(),
    }
}

/// Whether the signature on a request is ours, and not older than an hour at `minute`.
fn is_signed(seen: &Seen, public: &[u8], minute: i64) -> bool {
    let (head, claims, message, signature) = parts(seen.authorization());
    let age = at(minute).timestamp() - claims["iat"].as_i64().unwrap();
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public).verify(&message, &signature).is_ok()
        && head == json!({"alg": "ES256", "kid": "ABC123DEFG"})
        && claims["iss"] == "DEF123GHIJ"
        && (0..3_600).contains(&age)
}

async fn apple(answer: impl Fn(&Seen) -> (u16, Value) + Send + Sync + 'static) -> (Apns, Vendor, Vec<u8>) {
    let (file, public) = key();
    let vendor = Vendor::start(answer).await;
    let apns = Apns::new(&config(&file, &vendor.url), options()).unwrap().unwrap();
    (apns, vendor, public)
}

#[tokio::test]
async fn a_message_goes_out_signed_and_over_http_2() {
    let (apns, vendor, public) = apple(|_| (200, Value::Null)).await;
    assert_eq!(apns.send(at(0), TOKEN, &note()).await, Outcome::Accepted { status: 200 });
    let quiet = Note { urgency: Urgency::Low, ..note() };
    assert_eq!(apns.send(at(1), TOKEN, &quiet).await, Outcome::Accepted { status: 200 });
    let seen = vendor.seen();
    let [loud, quiet] = &seen[..] else { panic!("{} requests", seen.len()) };
    assert_eq!(loud.version, Version::HTTP_2);
    assert_eq!(loud.path, format!("/3/device/{TOKEN}"));
    assert!(is_signed(loud, &public, 0));
    assert_eq!(loud.header("apns-topic"), "org.example.afterglow");
    assert_eq!(loud.header("apns-push-type"), "alert");
    assert_eq!([loud, quiet].map(|seen| seen.header("apns-priority")), ["10", "5"]);
    assert_eq!(loud.header("apns-expiration"), (at(0).timestamp() + 1_800).to_string());
    assert_eq!(loud.header("apns-collapse-id"), note().topic);
    let expected = json!({
        "aps": { "alert": { "title": "Afterglow", "body": "A moment for you" }, "sound": "default" },
        "navigate": "https://app.example.org/notifications/7",
        "receipt": "r-1",
    });
    assert_eq!(loud.json(), expected);
}

#[tokio::test]
async fn a_signature_is_kept_for_less_than_an_hour() {
    let (apns, vendor, public) = apple(|_| (200, Value::Null)).await;
    let minutes = [0, 49, 50, 99, 100, 20];
    for minute in minutes {
        apns.send(at(minute), TOKEN, &note()).await;
    }
    let seen = vendor.seen();
    assert!(seen.iter().zip(minutes).all(|(seen, minute)| is_signed(seen, &public, minute)));
    let tokens: Vec<&str> = seen.iter().map(Seen::authorization).collect();
    let kept: Vec<bool> = tokens.windows(2).map(|pair| pair[0] == pair[1]).collect();
    // Also a clock that was set back makes a new one.
    assert_eq!(kept, [true, false, true, false, false]);
}

#[tokio::test]
async fn an_expired_signature_is_made_anew() {
    let refusing = std::sync::atomic::AtomicBool::new(true);
    let (apns, vendor, _) = apple(move |_| {
        if refusing.swap(false, std::sync::atomic::Ordering::SeqCst) {
            return (403, json!({"reason": "ExpiredProviderToken"}));
        }
        (200, Value::Null)
    })
    .await;
    let first = apns.send(at(0), TOKEN, &note()).await;
    assert_eq!(first, Outcome::Retry { after: None, why: RetryKind::ServerError });
    assert_eq!(apns.send(at(1), TOKEN, &note()).await, Outcome::Accepted { status: 200 });
    let seen = vendor.seen();
    assert_ne!(seen[0].authorization(), seen[1].authorization());
}

#[tokio::test]
async fn what_apple_says_is_what_it_means() {
    let (apns, _vendor, _) = apple(|seen| {
        // The device's token says what to answer: status, and which reason.
        let digits = seen.path.rsplit('/').next().unwrap();
        let status: u16 = digits[..3].parse().unwrap();
        (status, json!({"reason": REASONS[digits[3..5].parse::<usize>().unwrap()]}))
    })
    .await;
    const REASONS: [&str; 11] = [
        "Unregistered",
        "ExpiredToken",
        "BadDeviceToken",
        "DeviceTokenNotForTopic",
        "InvalidProviderToken",
        "TooManyProviderTokenUpdates",
        "TooManyRequests",
        "PayloadTooLarge",
        "BadPath",
        "InternalServerError",
        "ServiceUnavailable",
    ];
    let fault = |status, why| Outcome::OurFault { status: Some(status), why };
    let retry = |after: Option<u64>, why| Outcome::Retry { after: after.map(Wait::from_secs), why };
    let cells = [
        (410, 0, Outcome::Gone { status: 410 }),
        (410, 1, Outcome::Gone { status: 410 }),
        (400, 2, Outcome::Gone { status: 400 }),
        (400, 3, fault(400, FaultKind::Refused)),
        (403, 4, fault(403, FaultKind::Refused)),
        (429, 5, retry(Some(300), RetryKind::Throttled)),
        (429, 6, retry(None, RetryKind::Throttled)),
        (413, 7, Outcome::TooLarge),
        (404, 8, fault(404, FaultKind::Unexpected)),
        (410, 9, fault(410, FaultKind::Unexpected)),
        (500, 9, retry(None, RetryKind::ServerError)),
        (503, 10, retry(None, RetryKind::ServerError)),
    ];
    for (status, reason, expected) in cells {
        let token = format!("{status}{reason:02}{}", "0".repeat(59));
        let said = apns.send(at(0), &token, &note()).await;
        assert_eq!(said, expected, "{status} {}", REASONS[reason]);
    }
}

#[tokio::test]
async fn nobody_there_is_tried_again() {
    let (file, _) = key();
    let apns = Apns::new(&config(&file, "http://127.0.0.1:1"), options()).unwrap().unwrap();
    let nobody = apns.send(at(0), TOKEN, &note()).await;
    assert_eq!(nobody, Outcome::Retry { after: None, why: RetryKind::Network });
}

#[test]
fn it_is_off_without_a_key_and_names_what_it_cannot_use() {
    assert!(Apns::new(&ApnsConfig::default(), options()).unwrap().is_none());
    let refusal = |config: &ApnsConfig, options| Apns::new(config, options).err().unwrap().to_string();
    let (file, _) = key();
    let clear = refusal(&config(&file, "http://127.0.0.1:9000"), TransportOptions::default());
    assert_eq!(clear, "apns.url: must be an https address");
    let not_a_key = KeyFile::holding("-----BEGIN CERTIFICATE-----\nQQ==\n-----END CERTIFICATE-----\n");
    assert!(refusal(&config(&not_a_key, "https://api.push.apple.com"), options()).contains("P-256"));
    let missing = ApnsConfig { key_file: "/nowhere/AuthKey.p8".into(), ..config(&file, "https://a.example") };
    assert!(refusal(&missing, options()).starts_with("apns.key_file: /nowhere/AuthKey.p8 cannot be read"));
}
