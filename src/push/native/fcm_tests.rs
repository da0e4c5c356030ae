//! Against a service on this machine that gives out tokens and looks at them, as Google does.

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey},
};
use axum::http::Version;
use std::sync::{
    OnceLock,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use super::*;
use crate::push::{
    native::testing::{KeyFile, Seen, Vendor, at, note, options, parts, pem},
    protocol::Urgency,
};

const TOKEN: &str = "dQw4w9WgXcQ:APA91bH-x_0123456789";

/// The service account's key: PEM and public key. Made once, because it takes a while.
fn key() -> &'static (String, Vec<u8>) {
    static KEY: OnceLock<(String, Vec<u8>)> = OnceLock::new();
    KEY.get_or_init(|| {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let pkcs8: Pkcs8V1Der<'static> = pair.as_der().unwrap();
        (pem(pkcs8.as_ref()), pair.public_key().as_ref().to_vec())
    })
}

fn service_account(url: &str) -> KeyFile {
    let account = json!({
        "type": "service_account",
        "project_id": "afterglow-app",
        "private_key_id": "1",
        "private_key": key().0,
        "client_email": "push@afterglow-app.iam.gserviceaccount.com",
        "token_uri": format!("{url}/token"),
    });
    KeyFile::holding(&account.to_string())
}

fn fcm(url: &str) -> Fcm {
    let file = service_account(url);
    let config = FcmConfig { service_account_file: file.0.clone(), url: url.to_owned() };
    Fcm::new(&config, options()).unwrap().unwrap()
}

fn granted(number: usize) -> (u16, Value) {
    (200, json!({"access_token": format!("token-{number}"), "expires_in": 3599, "token_type": "Bearer"}))
}

/// A service that grants numbered tokens and answers everything else by `answer`.
async fn google(answer: impl Fn(&Seen) -> (u16, Value) + Send + Sync + 'static) -> (Fcm, Vendor) {
    let number = AtomicUsize::new(0);
    let vendor = Vendor::start(move |seen| match seen.path.as_str() {
        "/token" => granted(number.fetch_add(1, Ordering::SeqCst)),
        _ => answer(seen),
    })
    .await;
    (fcm(&vendor.url), vendor)
}

fn error(status: u16, code: &str) -> (u16, Value) {
    let kind = "type.googleapis.com/google.firebase.fcm.v1.FcmError";
    (status, json!({"error": {"code": status, "details": [{"@type": kind, "errorCode": code}]}}))
}

#[tokio::test]
async fn a_message_goes_out_with_a_granted_token_and_over_http_2() {
    let (fcm, vendor) = google(|_| (200, json!({"name": "projects/afterglow-app/messages/1"}))).await;
    assert_eq!(fcm.send(at(0), TOKEN, &note()).await, Outcome::Accepted { status: 200 });
    let quiet = Note { urgency: Urgency::VeryLow, ..note() };
    assert_eq!(fcm.send(at(1), TOKEN, &quiet).await, Outcome::Accepted { status: 200 });
    let seen = vendor.seen();
    let [asked, loud, quiet] = &seen[..] else { panic!("{} requests", seen.len()) };
    assert!(seen.iter().all(|seen| seen.version == Version::HTTP_2));

    let form: Vec<(String, String)> = serde_urlencoded::from_bytes(&asked.body).unwrap();
    assert_eq!(form[0], ("grant_type".to_owned(), GRANT.to_owned()));
    let (head, claims, message, signature) = parts(&form[1].1);
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &key().1).verify(&message, &signature).unwrap();
    assert_eq!(head["alg"], "RS256");
    let now = at(0).timestamp();
    let expected = json!({
        "iss": "push@afterglow-app.iam.gserviceaccount.com", "scope": SCOPE,
        "aud": format!("{}/token", vendor.url), "iat": now, "exp": now + 3_600,
    });
    assert_eq!(claims, expected);

    assert_eq!(loud.path, "/v1/projects/afterglow-app/messages:send");
    assert_eq!([loud, quiet].map(Seen::authorization), ["token-0", "token-0"]);
    let expected = json!({ "message": {
        "token": TOKEN,
        "notification": { "title": "Afterglow", "body": "A moment for you" },
        "data": { "navigate": "https://app.example.org/notifications/7", "receipt": "r-1" },
        "android": {
            "priority": "HIGH", "ttl": "1800s", "collapse_key": note().topic,
            "notification": { "tag": note().topic },
        },
    }});
    assert_eq!(loud.json(), expected);
    assert_eq!(quiet.json()["message"]["android"]["priority"], "NORMAL");
}

#[tokio::test]
async fn a_token_is_kept_while_it_lasts_and_fetched_once_for_all() {
    let (fcm, vendor) = google(|_| (200, Value::Null)).await;
    let note = note();
    futures_util::future::join_all((0..20).map(|_| fcm.send(at(0), TOKEN, &note))).await;
    for minute in [54, 55] {
        fcm.send(at(minute), TOKEN, &note).await;
    }
    let seen = vendor.seen();
    assert_eq!(seen.iter().filter(|seen| seen.path == "/token").count(), 2);
    let used: Vec<&str> = seen.iter().filter(|seen| seen.path != "/token").map(Seen::authorization).collect();
    assert_eq!(used[20..], ["token-0", "token-1"]);
}

#[tokio::test]
async fn a_refused_token_is_fetched_anew() {
    let refusing = AtomicBool::new(true);
    let (fcm, vendor) =
        google(
            move |_| {
                if refusing.swap(false, Ordering::SeqCst) { (401, Value::Null) } else { (200, Value::Null) }
            },
        )
        .await;
    let refused = fcm.send(at(0), TOKEN, &note()).await;
    assert_eq!(refused, Outcome::Retry { after: None, why: RetryKind::ServerError });
    assert_eq!(fcm.send(at(0), TOKEN, &note()).await, Outcome::Accepted { status: 200 });
    assert_eq!(vendor.seen().iter().filter(|seen| seen.path == "/token").count(), 2);
}

#[tokio::test]
async fn what_google_says_is_what_it_means() {
    let cells: Arc<std::sync::Mutex<Vec<(u16, Value)>>> = Arc::default();
    let next = cells.clone();
    let (fcm, _vendor) = google(move |_| next.lock().unwrap().pop().unwrap()).await;
    let violation = |field: &str| {
        let details = json!([{"fieldViolations": [{"field": field, "description": "Invalid"}]}]);
        (400, json!({"error": {"code": 400, "status": "INVALID_ARGUMENT", "details": details}}))
    };
    let fault = |status, why| Outcome::OurFault { status: Some(status), why };
    let retry = |after: Option<u64>, why| Outcome::Retry { after: after.map(Wait::from_secs), why };
    let expected = [
        (error(404, "UNREGISTERED"), Outcome::Gone { status: 404 }),
        ((404, json!({"error": {"status": "NOT_FOUND"}})), fault(404, FaultKind::Unexpected)),
        (violation("message.token"), Outcome::Gone { status: 400 }),
        (violation("message.android.ttl"), fault(400, FaultKind::Refused)),
        (error(400, "INVALID_ARGUMENT"), fault(400, FaultKind::Refused)),
        (error(403, "SENDER_ID_MISMATCH"), fault(403, FaultKind::Refused)),
        (error(401, "THIRD_PARTY_AUTH_ERROR"), fault(401, FaultKind::Refused)),
        (error(429, "QUOTA_EXCEEDED"), retry(Some(60), RetryKind::Throttled)),
        (error(503, "UNAVAILABLE"), retry(None, RetryKind::ServerError)),
        (error(500, "INTERNAL"), retry(None, RetryKind::ServerError)),
        ((413, Value::Null), Outcome::TooLarge),
    ];
    for (answer, outcome) in expected {
        cells.lock().unwrap().push(answer.clone());
        assert_eq!(fcm.send(at(0), TOKEN, &note()).await, outcome, "{answer:?}");
    }
}

#[tokio::test]
async fn without_a_token_nothing_is_sent_and_no_device_is_blamed() {
    for (status, outcome) in [
        (400, Outcome::OurFault { status: Some(400), why: FaultKind::Refused }),
        (404, Outcome::OurFault { status: Some(404), why: FaultKind::Unexpected }),
        (200, Outcome::OurFault { status: Some(200), why: FaultKind::Unexpected }),
        (503, Outcome::Retry { after: None, why: RetryKind::ServerError }),
    ] {
        let vendor = Vendor::start(move |_| (status, json!({"error": "invalid_grant"}))).await;
        assert_eq!(fcm(&vendor.url).send(at(0), TOKEN, &note()).await, outcome);
        assert!(vendor.seen().iter().all(|seen| seen.path == "/token"));
    }
}

#[test]
fn it_is_off_without_an_account_and_names_what_it_cannot_use() {
    assert!(Fcm::new(&FcmConfig::default(), options()).unwrap().is_none());
    let refusal = |file: &KeyFile| {
        let config = FcmConfig { service_account_file: file.0.clone(), ..FcmConfig::default() };
        Fcm::new(&config, TransportOptions::default()).err().unwrap().to_string()
    };
    assert!(refusal(&KeyFile::holding("{}")).ends_with("make a new key for it"));
    let account = |uri: &str, key: &str| {
        let account = json!({"project_id": "p", "client_email": "e", "private_key": key, "token_uri": uri});
        KeyFile::holding(&account.to_string())
    };
    assert!(refusal(&account("https://oauth2.googleapis.com/token", "no key")).contains("private_key"));
    let inside = refusal(&account("https://169.254.169.254/token", &key().0));
    assert_eq!(inside, "fcm.service_account_file: must be an https address");
}
